"""Adds a person's message to a session."""

from dataclasses import dataclass

from lucid.sessions.v1.event_pb2 import SOURCE_USER, Event, QueueChanged, UserMessage

from services.rpc.ids import new_ulid
from services.sessions.domain.errors import QueueFull
from services.sessions.domain.models import Change, Draft, SessionRecord, State
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned

MOST_QUEUED = 100


@dataclass(frozen=True)
class Sent:
    """The message's place in the log; `queued`: it waits for the agent."""

    seq: int
    queued: bool
    client_message_id: str


async def send_message(
    ports: Ports, caller: str, session_id: str, text: str, client_message_id: str, steer: bool = False
) -> Sent:
    """Durable when it is answered. The same client_message_id again gets the first answer.

    Raises SessionNotFound, QueueFull.
    """
    await owned(ports, caller, session_id)
    message_id = client_message_id or new_ulid()

    def decide(row: SessionRecord) -> Change:
        if not _waits(row):
            return Change(drafts=(_direct(message_id, text),), wanted=None if row.pause_requested else True)
        if len(row.waiting.queue) >= MOST_QUEUED:
            raise QueueFull
        return Change(drafts=(_queued(message_id, text, steer, row.waiting.order()),))

    # A repeat changes nothing: a queue that waits for the person is not set going by it.
    stored = await ports.store.find(session_id, _key(message_id)) if client_message_id else None
    if stored is None:
        stored = (await ports.store.apply(session_id, decide))[0]
        ports.signals.wanted()
    return Sent(stored.seq, stored.HasField("queue_changed"), message_id)


def _waits(row: SessionRecord) -> bool:
    """A running turn is not disturbed. But where the agent has asked, the message is the answer; and what is said after
    a stop is for the next turn."""
    return row.turn_open and not (row.waiting.asked or row.state is State.WAITING or row.stop_requested)


def _key(message_id: str) -> str:
    return f"message:{message_id}"


def _direct(message_id: str, text: str) -> Draft:
    message = UserMessage(client_message_id=message_id, text=text, delivery=UserMessage.DELIVERY_TURN)
    return Draft(Event(source=SOURCE_USER, user_message=message), _key(message_id))


def _queued(message_id: str, text: str, steer: bool, waiting: list[str]) -> Draft:
    added = QueueChanged(
        queue_item_id=message_id,
        change=QueueChanged.CHANGE_ADDED,
        order=[*waiting, message_id],
        text=text,
        delivery=UserMessage.DELIVERY_STEER if steer else UserMessage.DELIVERY_QUEUED,
    )
    return Draft(Event(source=SOURCE_USER, queue_changed=added), _key(message_id))
