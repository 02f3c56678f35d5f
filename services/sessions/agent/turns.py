"""Begins and ends turns: what the agent works on next, and what is said when it has ended."""

from lucid.sessions.v1.event_pb2 import (
    SOURCE_SYSTEM,
    SOURCE_USER,
    Event,
    QueueChanged,
    StatusChanged,
    TurnCompleted,
    TurnStarted,
    UserMessage,
)

from services.rpc.ids import new_id, new_ulid
from services.sessions.agent.asking import closed, waiting_phase, wakes_at
from services.sessions.agent.journal import Journal
from services.sessions.domain.errors import LogMoved
from services.sessions.domain.models import Change, Draft, SessionRecord, State
from services.sessions.domain.work import Outcome

_OUTCOMES = {
    Outcome.COMPLETED: (TurnCompleted.OUTCOME_DONE, StatusChanged.PHASE_COMPLETED, State.IDLE),
    Outcome.INTERRUPTED: (TurnCompleted.OUTCOME_INTERRUPTED, StatusChanged.PHASE_STOPPED, State.STOPPED),
    Outcome.FAILED: (TurnCompleted.OUTCOME_FAILED, StatusChanged.PHASE_FAILED, State.FAILED),
    Outcome.LIMIT: (TurnCompleted.OUTCOME_LIMIT, StatusChanged.PHASE_WAITING_USER, State.IDLE),
}


async def begin_turn(journal: Journal) -> bool:
    """Starts a turn on the next message; without one it lets the session go and answers False.

    Decided on the row as it is: a message that arrives at that moment is either seen here or keeps the session wanted.
    """
    while True:
        try:
            await journal.transition(lambda row: _next_turn(journal, row))
        except LogMoved:
            await journal.load()
            continue
        return journal.state.turn_open


def _next_turn(journal: Journal, row: SessionRecord) -> Change:
    state = journal.state
    if row.seq != state.seq:
        raise LogMoved
    if not state.unanswered and not state.queue:
        return Change(wanted=False, release_lease=True)
    turn_id = new_id("trn")
    drafts: list[Draft] = []
    if state.unanswered:
        by = state.unanswered[-1].event_id
    else:
        drafts, by = _take_from_queue(journal, turn_id)
    started = Event(
        turn_id=turn_id, source=SOURCE_SYSTEM, turn_started=TurnStarted(by_event_id=by, model=journal.record.model)
    )
    return Change(drafts=(*drafts, Draft(started)), turn_open=True, state=State.RUNNING, stop_requested=False)


def _take_from_queue(journal: Journal, turn_id: str) -> tuple[list[Draft], str]:
    item, text = journal.state.queue[0]
    taken = QueueChanged(
        queue_item_id=item, change=QueueChanged.CHANGE_TAKEN, order=journal.state.queue_order(without=item), text=text
    )
    message = UserMessage(client_message_id=item, text=text, delivery=UserMessage.DELIVERY_QUEUED)
    event_id = new_ulid()
    return [
        Draft(Event(turn_id=turn_id, source=SOURCE_SYSTEM, queue_changed=taken), f"queue:{item}:taken"),
        Draft(Event(event_id=event_id, turn_id=turn_id, source=SOURCE_USER, user_message=message)),
    ], event_id


async def end_turn(journal: Journal, outcome: Outcome, duration: float) -> bool:
    """Says how the turn ended; False once the session was let go. A turn that waits for an answer stays open."""
    if outcome is Outcome.WAITING:
        await _let_wait(journal)
        return False
    result, phase, state = _OUTCOMES[outcome]
    summary = journal.context.summary if outcome in (Outcome.COMPLETED, Outcome.LIMIT) else ""
    completed = TurnCompleted(outcome=result, summary=summary, duration_ms=int(duration * 1000))
    drafts = (
        *closed(journal),
        journal.draft(key=f"{journal.state.turn_id}:completed", system=True, turn_completed=completed),
        journal.draft(key=f"{journal.state.turn_id}:{phase}", system=True, status_changed=StatusChanged(phase=phase)),
    )
    stopped = False

    def decide(row: SessionRecord) -> Change:
        nonlocal stopped
        # A stop lets the queue wait for the person, also one that came when the work had just ended by itself.
        stopped = outcome is Outcome.INTERRUPTED or row.stop_requested
        return Change(
            drafts=drafts,
            turn_open=False,
            stop_requested=False,
            wake_at=0.0,
            state=state,
            wanted=False if stopped else None,
            release_lease=stopped,
        )

    await journal.transition(decide)
    return not stopped


async def _let_wait(journal: Journal) -> None:
    """Waits without holding a worker, unless the answer has come meanwhile: then the session stays wanted."""
    waiting = journal.draft(system=True, status_changed=StatusChanged(phase=waiting_phase(journal)))

    def decide(row: SessionRecord) -> Change:
        answered = row.seq != journal.state.seq
        return Change(
            drafts=(waiting,), state=State.WAITING, wanted=answered, wake_at=wakes_at(journal), release_lease=True
        )

    await journal.transition(decide)
