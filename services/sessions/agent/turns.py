"""Begins and ends turns: what the agent works on next, and what is said when it has ended.

Each is decided on the row as it is in the storing transaction: what a person does at that moment is either seen here
or finds the turn begun or ended.
"""

from collections.abc import Callable

from lucid.sessions.v1.event_pb2 import (
    SOURCE_SYSTEM,
    Event,
    StatusChanged,
    TurnCompleted,
    TurnStarted,
    UserMessage,
)

from services.rpc.ids import new_id
from services.sessions.agent.asking import closed, waiting_phase, wakes_at
from services.sessions.agent.journal import Journal
from services.sessions.agent.queue import taken
from services.sessions.domain.errors import LogMoved
from services.sessions.domain.models import Change, Draft, SessionRecord, State
from services.sessions.domain.work import Outcome

_OUTCOMES = {
    Outcome.COMPLETED: (TurnCompleted.OUTCOME_DONE, StatusChanged.PHASE_COMPLETED, State.IDLE),
    Outcome.INTERRUPTED: (TurnCompleted.OUTCOME_INTERRUPTED, StatusChanged.PHASE_STOPPED, State.STOPPED),
    Outcome.FAILED: (TurnCompleted.OUTCOME_FAILED, StatusChanged.PHASE_FAILED, State.FAILED),
    Outcome.BUDGET: (TurnCompleted.OUTCOME_BUDGET, StatusChanged.PHASE_WAITING_USER, State.IDLE),
    Outcome.STUCK: (TurnCompleted.OUTCOME_STUCK, StatusChanged.PHASE_WAITING_USER, State.IDLE),
    Outcome.LIMIT: (TurnCompleted.OUTCOME_LIMIT, StatusChanged.PHASE_WAITING_USER, State.IDLE),
}
_RESTING = {state: phase for _, phase, state in _OUTCOMES.values() if phase != StatusChanged.PHASE_WAITING_USER}


async def begin_turn(journal: Journal) -> bool:
    """Starts a turn on the next message; without one it lets the session go and answers False."""
    await _decided(journal, lambda row: _next_turn(journal, row))
    return journal.state.turn_open


async def _decided(journal: Journal, decide: Callable[[SessionRecord], Change]) -> None:
    """A change decided on the whole log: what others have stored meanwhile is read first."""

    def on_all_of_it(row: SessionRecord) -> Change:
        if row.seq != journal.state.seq:
            raise LogMoved
        return decide(row)

    while True:
        try:
            await journal.transition(on_all_of_it)
        except LogMoved:
            await journal.load()
            continue
        return


def _next_turn(journal: Journal, row: SessionRecord) -> Change:
    state, queue = journal.state, row.waiting.queue
    journal.pausing = row.pause_requested
    if row.stop_requested and not state.said_after_stop():
        return _stopped_before_it_began(journal)
    if not state.unanswered and not queue:
        return _nothing_to_do(journal, row)
    turn_id = new_id("trn")
    drafts: list[Draft] = []
    if state.unanswered:
        by = state.unanswered[-1].event_id
    else:
        first = next((entry for entry in queue if entry.steer), queue[0])
        drafts, by = taken(journal, row.waiting, first.item_id, turn_id, UserMessage.DELIVERY_QUEUED)
    started = _started(journal, turn_id, by)
    return Change(drafts=(*drafts, started), turn_open=True, state=State.RUNNING, stop_requested=False)


def _started(journal: Journal, turn_id: str, by: str) -> Draft:
    started = TurnStarted(by_event_id=by, model=journal.record.model)
    return Draft(Event(turn_id=turn_id, source=SOURCE_SYSTEM, turn_started=started))


def _stopped_before_it_began(journal: Journal) -> Change:
    """The message stays unanswered; the queue waits for the person."""
    drafts: list[Draft] = []
    if journal.state.unanswered:
        turn_id = new_id("trn")
        ended = TurnCompleted(outcome=TurnCompleted.OUTCOME_INTERRUPTED)
        drafts = [
            _started(journal, turn_id, journal.state.unanswered[-1].event_id),
            Draft(Event(turn_id=turn_id, source=SOURCE_SYSTEM, turn_completed=ended)),
        ]
    drafts.append(_status(StatusChanged.PHASE_STOPPED))
    return Change(
        drafts=tuple(drafts), state=State.STOPPED, stop_requested=False, wanted=False, wake_at=0.0, release_lease=True
    )


def _nothing_to_do(journal: Journal, row: SessionRecord) -> Change:
    """A pause that came when the work had just ended has nothing to hold any more."""
    rests = _RESTING.get(row.state, StatusChanged.PHASE_COMPLETED)
    drafts = (_status(rests),) if row.pause_requested else ()
    return Change(drafts=drafts, pause_requested=False, wanted=False, wake_at=0.0, release_lease=True)


def _status(phase: StatusChanged.Phase.ValueType) -> Draft:
    return Draft(Event(source=SOURCE_SYSTEM, status_changed=StatusChanged(phase=phase)))


async def end_turn(journal: Journal, outcome: Outcome, duration: float) -> bool:
    """Says how the turn ended; False once the session was let go. A turn that waits or pauses stays open."""
    if outcome is Outcome.WAITING:
        await _let_wait(journal)
        return False
    if outcome is Outcome.PAUSED:
        return await _let_pause(journal)
    result, phase, state = _OUTCOMES[outcome]
    told = (Outcome.COMPLETED, Outcome.LIMIT, Outcome.BUDGET, Outcome.STUCK)
    summary = journal.context.summary if outcome in told else ""
    completed = TurnCompleted(outcome=result, summary=summary, duration_ms=int(duration * 1000))
    turn_id = journal.state.turn_id
    ended = (
        journal.draft(key=f"{turn_id}:completed", system=True, turn_completed=completed),
        journal.draft(key=f"{turn_id}:{phase}", system=True, status_changed=StatusChanged(phase=phase)),
    )
    held = False

    def decide(row: SessionRecord) -> Change:
        nonlocal held
        held = _holds_the_queue(journal, row, outcome)
        return Change(
            drafts=(*closed(journal, journal.state.asked), *ended),
            turn_open=False,
            stop_requested=False,
            wake_at=0.0,
            pause_requested=False,
            state=state,
            wanted=False if held else None,
            release_lease=held,
        )

    await _decided(journal, decide)
    return not held


def _holds_the_queue(journal: Journal, row: SessionRecord, outcome: Outcome) -> bool:
    """Unless the agent is done the queue waits for the person, also where a stop or a pause came when the work had just
    ended by itself. A message that was sent after the stop starts the next turn."""
    calm = outcome is Outcome.COMPLETED and not row.stop_requested and not row.pause_requested
    return not calm and not journal.state.said_after_stop()


async def _let_wait(journal: Journal) -> None:
    """Waits without holding a worker, unless the answer has come meanwhile: then the session stays wanted."""
    waiting = journal.draft(system=True, status_changed=StatusChanged(phase=waiting_phase(journal)))

    def decide(row: SessionRecord) -> Change:
        answered = row.seq != journal.state.seq
        return Change(
            drafts=(waiting,), state=State.WAITING, wanted=answered, wake_at=wakes_at(journal), release_lease=True
        )

    await journal.transition(decide)


async def _let_pause(journal: Journal) -> bool:
    """True if the person wants something else meanwhile: to go on, or to stop."""
    paused = journal.draft(system=True, status_changed=StatusChanged(phase=StatusChanged.PHASE_PAUSED))

    def decide(row: SessionRecord) -> Change:
        journal.pausing = row.pause_requested
        if row.stop_requested or not row.pause_requested:
            return Change()
        told = () if row.state is State.PAUSED else (paused,)
        return Change(drafts=told, state=State.PAUSED, wanted=False, wake_at=0.0, release_lease=True)

    await _decided(journal, decide)
    return not journal.pausing
