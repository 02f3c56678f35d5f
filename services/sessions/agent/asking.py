"""Asks the person and waits without holding a worker: the question is in the log, and so is its answer.

Whoever asks calls `ask` again after each restart and each answer; where it says None, the turn is let wait and the
session's row says when it wakes by itself. A crash at any point asks once and answers once.
"""

from collections.abc import Iterable

from lucid.sessions.v1.event_pb2 import ApprovalRequested, ApprovalResolved, StatusChanged

from services.sessions.agent.journal import Journal
from services.sessions.domain.approvals import answer_key, asked_key
from services.sessions.domain.models import Change, Draft, SessionRecord


async def ask(journal: Journal, request: ApprovalRequested, lapses_after: float = 0.0) -> ApprovalResolved | None:
    """The person's answer, or that it lapsed; None while it is waited for.

    `request.request_id` is the key: the same question again is not asked twice. `lapses_after`: seconds, by the
    database's clock; 0 = never. Raises Fenced.
    """
    request_id = request.request_id
    if request_id not in journal.state.answers:
        if request_id not in journal.state.asked:
            await journal.transition(lambda row: _requested(journal, request, row, lapses_after))
        elif _expires(journal, request_id):
            await journal.transition(lambda row: _lapsed(journal, request_id, row))
    return journal.state.answers.get(request_id)


def closed(journal: Journal, request_ids: Iterable[str]) -> list[Draft]:
    """What nobody waits for any more lapses: no card stays that does nothing."""
    return [_resolved(journal, ApprovalResolved(request_id=request_id, expired=True)) for request_id in request_ids]


def said_since(journal: Journal, request_id: str) -> str:
    """What the person has written since this was asked, while it is open; empty = nothing."""
    asked = journal.state.asked.get(request_id)
    if asked is None:
        return ""
    return "\n\n".join(event.user_message.text for event in journal.state.unanswered if event.seq > asked.seq)


def holds_up(journal: Journal, call_id: str) -> bool:
    """Whether a call waits to be allowed: those after it may build on it."""
    asked = journal.state.asked.get(call_id)
    return asked is not None and asked.approval_requested.kind != ApprovalRequested.KIND_QUESTION


def answered(journal: Journal, request_id: str, text: str) -> list[Draft]:
    """The person has answered by a plain message instead of the card."""
    if request_id not in journal.state.asked:
        return []
    return [_resolved(journal, ApprovalResolved(request_id=request_id, text=text, by=journal.record.owner_id))]


def wakes_at(journal: Journal) -> float:
    """When the first open question lapses, by the database's clock; 0 = none does."""
    return min(filter(None, (_expires(journal, request_id) for request_id in journal.state.asked)), default=0.0)


def waiting_phase(journal: Journal) -> StatusChanged.Phase.ValueType:
    """What a turn that waits is said to wait for."""
    kinds = {event.approval_requested.kind for event in journal.state.asked.values()}
    approvals = kinds - {ApprovalRequested.KIND_QUESTION}
    return StatusChanged.PHASE_WAITING_APPROVAL if approvals else StatusChanged.PHASE_WAITING_USER


def _requested(journal: Journal, request: ApprovalRequested, row: SessionRecord, lapses_after: float) -> Change:
    payload = ApprovalRequested()
    payload.CopyFrom(request)
    if lapses_after:
        payload.expires.FromMicroseconds(int((row.now + lapses_after) * 1e6))
    draft = journal.draft(key=asked_key(request.request_id), parent=request.about_item_id, approval_requested=payload)
    return Change(drafts=(draft,))


def _lapsed(journal: Journal, request_id: str, row: SessionRecord) -> Change:
    if row.now < _expires(journal, request_id):
        return Change()
    return Change(drafts=(_resolved(journal, ApprovalResolved(request_id=request_id, expired=True)),))


def _resolved(journal: Journal, resolved: ApprovalResolved) -> Draft:
    return journal.draft(key=answer_key(resolved.request_id), system=True, approval_resolved=resolved)


def _expires(journal: Journal, request_id: str) -> float:
    expires = journal.state.asked[request_id].approval_requested.expires
    return float(expires.ToMicroseconds() / 1e6)
