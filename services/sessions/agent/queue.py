"""Takes messages from the queue: the hand-over is one transaction, so a message is taken once or not at all."""

from lucid.sessions.v1.event_pb2 import SOURCE_SYSTEM, SOURCE_USER, Event, QueueChanged, UserMessage

from services.rpc.ids import new_ulid
from services.sessions.agent.journal import Journal
from services.sessions.domain.errors import LogMoved
from services.sessions.domain.models import Change, Draft, SessionRecord
from services.sessions.domain.waiting import Waiting


def taken(
    journal: Journal, waiting: Waiting, item_id: str, turn_id: str, delivery: UserMessage.Delivery.ValueType
) -> tuple[list[Draft], str]:
    """The entry leaves the queue and becomes a message; also the message's event_id."""
    text, event_id = journal.state.queue_texts[item_id], new_ulid()
    change = QueueChanged(
        queue_item_id=item_id,
        change=QueueChanged.CHANGE_TAKEN,
        order=waiting.order(without=item_id),
        text=text,
        delivery=delivery,
    )
    message = UserMessage(client_message_id=item_id, text=text, delivery=delivery)
    return [
        Draft(Event(turn_id=turn_id, source=SOURCE_SYSTEM, queue_changed=change), f"queue:{item_id}:taken"),
        Draft(Event(event_id=event_id, turn_id=turn_id, source=SOURCE_USER, user_message=message)),
    ], event_id


async def take_steers(journal: Journal) -> None:
    """Hands what shall take effect before the next model call to the agent, in the order of the queue."""
    while True:
        await journal.load()
        if not any(entry.steer for entry in journal.state.waiting.queue):
            return
        try:
            await journal.transition(lambda row: _steered(journal, row))
        except LogMoved:
            continue
        return


def _steered(journal: Journal, row: SessionRecord) -> Change:
    if row.seq != journal.state.seq:
        raise LogMoved
    # A turn that ends or pauses takes nothing more: what waits stays with the person.
    if row.stop_requested or row.pause_requested:
        return Change()
    drafts, waiting = list[Draft](), row.waiting
    for entry in row.waiting.queue:
        if entry.steer:
            more, _ = taken(journal, waiting, entry.item_id, journal.state.turn_id, UserMessage.DELIVERY_STEER)
            drafts += more
            waiting = Waiting(tuple(other for other in waiting.queue if other.item_id != entry.item_id))
    return Change(drafts=tuple(drafts))
