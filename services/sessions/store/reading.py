"""Questions to the log about one item."""

from lucid.sessions.v1.event_pb2 import CHANNEL_STDOUT, Event

from services.sessions.ports import EventStore
from services.sessions.store.live import ENDS

PAGE = 500
END = 2**32 - 1


def channel_of(started: Event) -> int:
    """The channel of an item, by its started event."""
    return started.text_started.channel if started.HasField("text_started") else CHANNEL_STDOUT


async def open_since(store: EventStore, session_id: str, item_id: str, started_seq: int) -> tuple[Event, bytes] | None:
    """The started event of an item that is open to the end of the log; None if it was completed (or is not there)."""
    started, after = None, started_seq - 1
    while True:
        rows = await store.read(session_id, after, END, PAGE)
        for seq, data in rows:
            after, event = seq, Event.FromString(data)
            if event.item_id != item_id:
                continue
            if event.WhichOneof("payload") in ENDS:
                return None
            if event.seq == started_seq:
                started = event, data
        if len(rows) < PAGE:
            return started
