"""Moves a message that waits to another place in the queue."""

from lucid.sessions.v1.event_pb2 import SOURCE_USER, Event, QueueChanged, UserMessage

from services.sessions.domain.models import Change, Draft, SessionRecord
from services.sessions.domain.waiting import Queued
from services.sessions.ports import Ports
from services.sessions.usecases.queued import change_queued


async def move_queued_message(ports: Ports, caller: str, session_id: str, item_id: str, place: int) -> None:
    """`place`: 0 = first; beyond the end = last. Raises SessionNotFound, QueueItemNotFound, QueueItemTaken."""

    def decide(row: SessionRecord, entry: Queued) -> Change:
        order = row.waiting.order(without=item_id)
        order.insert(place, item_id)
        if order == row.waiting.order():
            return Change()
        moved = QueueChanged(
            queue_item_id=item_id,
            change=QueueChanged.CHANGE_MOVED,
            order=order,
            delivery=UserMessage.DELIVERY_STEER if entry.steer else UserMessage.DELIVERY_QUEUED,
        )
        return Change(drafts=(Draft(Event(source=SOURCE_USER, queue_changed=moved)),))

    await change_queued(ports, caller, session_id, item_id, decide)
