"""Says in the log where the session stands."""

from lucid.sessions.v1.event_pb2 import StatusChanged

from services.sessions.agent.journal import Journal
from services.sessions.domain.models import Change, State


async def enter(journal: Journal, phase: StatusChanged.Phase.ValueType, message: str = "") -> None:
    """Nothing where the session stands there already."""
    changed = StatusChanged(phase=phase, message=message)
    state = State.RUNNING if phase == StatusChanged.PHASE_RUNNING else State.STARTING
    if journal.state.phase != phase:
        await journal.transition(
            lambda _: Change(drafts=(journal.draft(system=True, status_changed=changed),), state=state)
        )
