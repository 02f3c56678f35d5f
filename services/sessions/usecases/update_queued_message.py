"""Changes a message that waits: its text, and when it is taken."""

from lucid.sessions.v1.event_pb2 import SOURCE_USER, Event, QueueChanged, UserMessage

from services.sessions.domain.models import Change, Draft, SessionRecord
from services.sessions.domain.waiting import Queued
from services.sessions.ports import Ports
from services.sessions.usecases.queued import change_queued


async def update_queued_message(
    ports: Ports, caller: str, session_id: str, item_id: str, text: str, steer: bool | None
) -> None:
    """Empty `text` and None for `steer`: as it is. Raises SessionNotFound, QueueItemNotFound, QueueItemTaken."""

    def decide(row: SessionRecord, entry: Queued) -> Change:
        steers = entry.steer if steer is None else steer
        if not text and steers == entry.steer:
            return Change()
        edited = QueueChanged(
            queue_item_id=item_id,
            change=QueueChanged.CHANGE_EDITED,
            order=row.waiting.order(),
            text=text,
            delivery=UserMessage.DELIVERY_STEER if steers else UserMessage.DELIVERY_QUEUED,
        )
        return Change(drafts=(Draft(Event(source=SOURCE_USER, queue_changed=edited)),))

    await change_queued(ports, caller, session_id, item_id, decide)
