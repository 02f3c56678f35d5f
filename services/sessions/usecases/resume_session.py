"""Lets a paused session go on where it was, and one that was stopped go on with its queue."""

from lucid.sessions.v1.event_pb2 import SOURCE_USER, Event, StatusChanged

from services.sessions.domain.models import Change, Draft, SessionRecord, State
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned


async def resume_session(ports: Ports, caller: str, session_id: str) -> bool:
    """True if it was paused, or if messages waited for the person to go on with them."""
    await owned(ports, caller, session_id)
    resuming = Draft(Event(source=SOURCE_USER, status_changed=StatusChanged(phase=StatusChanged.PHASE_RESUMING)))
    resumed = False

    def decide(row: SessionRecord) -> Change:
        nonlocal resumed
        held = bool(row.waiting.queue) and not row.turn_open and not row.stop_requested
        resumed = row.pause_requested or held
        if row.pause_requested:
            return Change(drafts=(resuming,), pause_requested=False, wanted=True, state=State.RUNNING)
        return Change(wanted=True) if held else Change()

    await ports.store.apply(session_id, decide)
    if resumed:
        ports.signals.wanted()
    return resumed
