"""Adds a person's message to a session."""

from dataclasses import dataclass

from lucid.sessions.v1.event_pb2 import SOURCE_USER, Event, QueueChanged, UserMessage

from services.rpc.ids import new_ulid
from services.sessions.domain.errors import LogMoved
from services.sessions.domain.models import Change, Draft, SessionRecord, State
from services.sessions.domain.state import SessionState
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned

PAGE = 1000


@dataclass(frozen=True)
class Sent:
    """The message's place in the log; `queued`: it waits for the running turn."""

    seq: int
    queued: bool
    client_message_id: str


async def send_message(ports: Ports, caller: str, session_id: str, text: str, client_message_id: str) -> Sent:
    """Durable when it is answered. The same client_message_id again gets the first answer. Raises SessionNotFound."""
    await owned(ports, caller, session_id)
    message_id = client_message_id or new_ulid()
    log = SessionState()

    def decide(row: SessionRecord) -> Change:
        # Asked, and perhaps waiting already: the message is the answer. Otherwise a running turn is not disturbed.
        if not row.turn_open or row.state is State.WAITING:
            return Change(drafts=(_direct(message_id, text),), wanted=True)
        if row.seq != log.seq:
            raise LogMoved
        message = _direct(message_id, text) if log.asking else _queued(message_id, text, log.queue_order())
        return Change(drafts=(message,), wanted=True)

    while True:
        try:
            stored = (await ports.store.apply(session_id, decide))[0]
        except LogMoved:
            await _fold(ports, session_id, log)
            continue
        ports.signals.wanted()
        return Sent(stored.seq, stored.HasField("queue_changed"), message_id)


def _direct(message_id: str, text: str) -> Draft:
    message = UserMessage(client_message_id=message_id, text=text, delivery=UserMessage.DELIVERY_TURN)
    return Draft(Event(source=SOURCE_USER, user_message=message), f"message:{message_id}")


def _queued(message_id: str, text: str, waiting: list[str]) -> Draft:
    added = QueueChanged(
        queue_item_id=message_id, change=QueueChanged.CHANGE_ADDED, order=[*waiting, message_id], text=text
    )
    return Draft(Event(source=SOURCE_USER, queue_changed=added), f"message:{message_id}")


async def _fold(ports: Ports, session_id: str, log: SessionState) -> None:
    """What waits and what is asked is what the log says; only what is new since the last look is read."""
    while True:
        rows = await ports.store.read(session_id, log.seq, 2**32 - 1, PAGE)
        for _, data in rows:
            log.apply(Event.FromString(data))
        if len(rows) < PAGE:
            return
