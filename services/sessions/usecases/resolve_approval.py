"""Answers a question or an approval; the first decision stands."""

from lucid.sessions.v1.event_pb2 import SOURCE_USER, ApprovalResolved, Event

from services.sessions.domain.errors import ApprovalAlreadyResolved, ApprovalNotFound
from services.sessions.domain.models import Change, Draft
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned

PAGE = 1000


async def resolve_approval(
    ports: Ports, caller: str, session_id: str, request_id: str, option_id: str, text: str
) -> None:
    """Durable when it is answered. Raises SessionNotFound, ApprovalNotFound, ApprovalAlreadyResolved."""
    await owned(ports, caller, session_id)
    if not await _requested(ports, session_id, request_id):
        raise ApprovalNotFound(request_id=request_id)
    resolved = ApprovalResolved(request_id=request_id, option_id=option_id, text=text, by=caller)
    draft = Draft(Event(source=SOURCE_USER, approval_resolved=resolved), f"approval:{request_id}")
    stored = (await ports.store.apply(session_id, lambda _: Change(drafts=(draft,), wanted=True)))[0]
    first = stored.approval_resolved
    if (first.option_id, first.text) != (option_id, text):
        raise ApprovalAlreadyResolved(request_id=request_id)
    ports.signals.wanted()


async def _requested(ports: Ports, session_id: str, request_id: str) -> bool:
    after = 0
    while True:
        rows = await ports.store.read(session_id, after, 2**32 - 1, PAGE)
        for seq, data in rows:
            after = seq
            event = Event.FromString(data)
            if event.HasField("approval_requested") and event.approval_requested.request_id == request_id:
                return True
        if len(rows) < PAGE:
            return False
