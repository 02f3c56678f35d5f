"""What is done about an agent that goes round in circles: it is told once; then the person is asked."""

from lucid.sessions.v1.event_pb2 import SOURCE_USER, ApprovalRequested, StuckDetected, UserMessage

from services.sessions.agent.asking import answered, ask, said_since
from services.sessions.agent.journal import Journal
from services.sessions.agent.repetition import GO_ON, STOP, described
from services.sessions.domain.work import Outcome


async def unstuck(journal: Journal) -> Outcome | None:
    """None: the model may go on. WAITING while the person is asked; STUCK after a stop. Raises Fenced."""
    repetition = journal.repetition
    if not repetition.request_id and repetition.pattern()[0]:
        action = StuckDetected.ACTION_ASKED if repetition.nudged else StuckDetected.ACTION_NUDGED
        await _detected(journal, action, *repetition.pattern())
    if repetition.request_id:
        await _asked(journal)
    if repetition.stopped:
        await _detected(journal, StuckDetected.ACTION_STOPPED, *repetition.seen, key=f"{repetition.request_id}:stopped")
        journal.context.summary = f"Stopped because the agent repeated itself: {described(*journal.repetition.seen)}."
        return Outcome.STUCK
    if repetition.request_id:
        return Outcome.WAITING
    if repetition.words:
        await _tell(journal)
    return None


async def _detected(
    journal: Journal, action: StuckDetected.Action.ValueType, pattern: str, repeats: int, key: str = ""
) -> None:
    detected = StuckDetected(pattern=pattern, repeats=repeats, action=action)
    await journal.append(journal.draft(key=key, system=True, stuck_detected=detected))


async def _asked(journal: Journal) -> None:
    request_id = journal.repetition.request_id
    Option, seen = ApprovalRequested.Option, described(*journal.repetition.seen)
    request = ApprovalRequested(
        request_id=request_id,
        kind=ApprovalRequested.KIND_QUESTION,
        title="The agent repeats itself",
        body=f"It was told, and still goes round in circles: {seen}. Tell it what to do, or choose.",
        risk=ApprovalRequested.RISK_LOW,
        options=[Option(id=GO_ON, label="Go on"), Option(id=STOP, label="Stop here")],
    )
    await ask(journal, request, journal.ports.limits.question_timeout)
    if words := said_since(journal, request_id):
        await journal.append(*answered(journal, request_id, words))


async def _tell(journal: Journal) -> None:
    """What the person has written on the card is their message."""
    key, text = f"{journal.repetition.answered_id}:text", journal.repetition.words
    message = UserMessage(client_message_id=key, text=text, delivery=UserMessage.DELIVERY_STEER)
    draft = journal.draft(key=key, user_message=message)
    draft.event.source = SOURCE_USER
    await journal.append(draft)
