"""Withdraws a message that waits."""

from lucid.sessions.v1.event_pb2 import SOURCE_USER, Event, QueueChanged, UserMessage

from services.sessions.domain.errors import QueueItemNotFound
from services.sessions.domain.models import Change, Draft, SessionRecord
from services.sessions.domain.waiting import Queued
from services.sessions.ports import Ports
from services.sessions.usecases.queued import cancelled_key, change_queued


async def cancel_queued_message(ports: Ports, caller: str, session_id: str, item_id: str) -> None:
    """Withdrawn again is withdrawn. Raises SessionNotFound, QueueItemNotFound, QueueItemTaken."""

    def decide(row: SessionRecord, entry: Queued) -> Change:
        cancelled = QueueChanged(
            queue_item_id=item_id,
            change=QueueChanged.CHANGE_CANCELLED,
            order=row.waiting.order(without=item_id),
            delivery=UserMessage.DELIVERY_STEER if entry.steer else UserMessage.DELIVERY_QUEUED,
        )
        return Change(drafts=(Draft(Event(source=SOURCE_USER, queue_changed=cancelled), cancelled_key(item_id)),))

    try:
        await change_queued(ports, caller, session_id, item_id, decide)
    except QueueItemNotFound:
        if await ports.store.find(session_id, cancelled_key(item_id)) is None:
            raise
