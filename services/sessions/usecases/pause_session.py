"""Lets the agent pause; what runs comes to its end, the state is kept."""

from lucid.sessions.v1.event_pb2 import SOURCE_USER, Event, StatusChanged

from services.sessions.domain.models import Change, Draft, SessionRecord, State
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned


async def pause_session(ports: Ports, caller: str, session_id: str) -> bool:
    """True if it pauses or is paused. Durable when it is answered: also the next owner of a dead one honours it."""
    await owned(ports, caller, session_id)
    pauses = False

    def decide(row: SessionRecord) -> Change:
        nonlocal pauses
        pauses = (row.turn_open or row.wanted) and not row.stop_requested
        if not pauses or row.pause_requested:
            return Change()
        if row.state is State.WAITING and not row.wanted:
            # Nobody runs it: there is nothing to wait for.
            return Change(drafts=(_status(StatusChanged.PHASE_PAUSED),), pause_requested=True, state=State.PAUSED)
        return Change(drafts=(_status(StatusChanged.PHASE_PAUSING),), pause_requested=True, wanted=True)

    await ports.store.apply(session_id, decide)
    if pauses:
        ports.signals.pause(session_id)
    return pauses


def _status(phase: StatusChanged.Phase.ValueType) -> Draft:
    return Draft(Event(source=SOURCE_USER, status_changed=StatusChanged(phase=phase)))
