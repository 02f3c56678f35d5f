"""The one way to change a message that waits: decided on the locked row, so that it is changed or taken, never both."""

from collections.abc import Callable

from services.sessions.domain.errors import QueueItemNotFound, QueueItemTaken
from services.sessions.domain.models import Change, SessionRecord
from services.sessions.domain.waiting import Queued
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned


async def change_queued(
    ports: Ports, caller: str, session_id: str, item_id: str, decide: Callable[[SessionRecord, Queued], Change]
) -> None:
    """Durable when it is answered. Raises SessionNotFound, QueueItemNotFound, QueueItemTaken."""
    await owned(ports, caller, session_id)

    def changed(row: SessionRecord) -> Change:
        entry = row.waiting.entry(item_id)
        if entry is None:
            raise QueueItemNotFound(queue_item_id=item_id)
        return decide(row, entry)

    try:
        await ports.store.apply(session_id, changed)
    except QueueItemNotFound as missing:
        if await ports.store.find(session_id, taken_key(item_id)) is None:
            raise
        raise QueueItemTaken(queue_item_id=item_id) from missing


def taken_key(item_id: str) -> str:
    """The key in the log under which an entry is taken."""
    return f"queue:{item_id}:taken"


def cancelled_key(item_id: str) -> str:
    """The key in the log under which an entry is withdrawn."""
    return f"queue:{item_id}:cancelled"
