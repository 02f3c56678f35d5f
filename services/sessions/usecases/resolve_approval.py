"""Answers a question or an approval; the first decision stands."""

from lucid.sessions.v1.event_pb2 import SOURCE_USER, ApprovalResolved, Event

from services.sessions.domain.approvals import answer_key, asked_key, check_answer
from services.sessions.domain.errors import ApprovalAlreadyResolved, ApprovalNotFound
from services.sessions.domain.models import Change, Draft, SessionRecord
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned


async def resolve_approval(
    ports: Ports, caller: str, session_id: str, request_id: str, option_id: str, text: str
) -> None:
    """Durable when it is answered. Raises SessionNotFound, ApprovalNotFound, UnknownOption, TextNeeded,
    ApprovalAlreadyResolved."""
    await owned(ports, caller, session_id)
    asked = await ports.store.find(session_id, asked_key(request_id))
    if asked is None:
        raise ApprovalNotFound(request_id=request_id)
    check_answer(asked.approval_requested, option_id, text)
    resolved = ApprovalResolved(request_id=request_id, option_id=option_id, text=text, by=caller)
    draft = Draft(Event(source=SOURCE_USER, approval_resolved=resolved), answer_key(request_id))

    def decide(row: SessionRecord) -> Change:
        # A paused session keeps the answer until it goes on.
        return Change(drafts=(draft,), wanted=True if row.turn_open and not row.pause_requested else None)

    first = (await ports.store.apply(session_id, decide))[0].approval_resolved
    if first.expired or (first.option_id, first.text) != (option_id, text):
        raise ApprovalAlreadyResolved(request_id=request_id)
    ports.signals.wanted()
