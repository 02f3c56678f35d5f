"""Stops the agent; the session stays."""

from lucid.sessions.v1.event_pb2 import SOURCE_USER, Event, StatusChanged

from services.sessions.domain.models import Change, Draft, SessionRecord
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned


async def stop_session(ports: Ports, caller: str, session_id: str) -> bool:
    """True if something ran, was about to, or was paused. Durable when it is answered: also the next owner of a dead
    one honours it."""
    await owned(ports, caller, session_id)
    stopping = StatusChanged(phase=StatusChanged.PHASE_STOPPING)
    runs = False

    def decide(row: SessionRecord) -> Change:
        nonlocal runs
        runs = row.turn_open or row.wanted
        if not runs or row.stop_requested:
            return Change()
        return Change(
            drafts=(Draft(Event(source=SOURCE_USER, status_changed=stopping)),),
            stop_requested=True,
            pause_requested=False,
            wanted=True,
        )

    await ports.store.apply(session_id, decide)
    if runs:
        ports.signals.stop(session_id)
        ports.signals.wanted()
    return runs
