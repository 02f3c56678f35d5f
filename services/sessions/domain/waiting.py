"""What waits in a session: messages for the agent, and the agent for a person.

A fold of the log that the storing transaction keeps beside it: who decides on the row knows the queue as it is, without
reading the log.
"""

from dataclasses import dataclass, replace

from lucid.sessions.v1.event_pb2 import Event, QueueChanged, UserMessage


@dataclass(frozen=True)
class Queued:
    """A message that waits. `steer`: it is taken before the next model call; `text_seq`: the event with its text."""

    item_id: str
    steer: bool
    text_seq: int


@dataclass(frozen=True)
class Asked:
    """A question or an approval that is open; `about`: the call that waits for it."""

    request_id: str
    about: str


@dataclass(frozen=True)
class Waiting:
    """`queue`: first to be taken first."""

    queue: tuple[Queued, ...] = ()
    asked: tuple[Asked, ...] = ()

    def entry(self, item_id: str) -> Queued | None:
        """The entry, if it still waits."""
        return next((entry for entry in self.queue if entry.item_id == item_id), None)

    def asks(self, request_id: str) -> bool:
        """Whether this question or approval is open."""
        return any(asked.request_id == request_id for asked in self.asked)

    def order(self, without: str = "") -> list[str]:
        """Ids of the waiting messages."""
        return [entry.item_id for entry in self.queue if entry.item_id != without]


NOTHING = Waiting()
FOLLOWED = frozenset(
    {"queue_changed", "approval_requested", "approval_resolved", "tool_call_completed", "turn_completed"}
)


def followed(waiting: Waiting, event: Event) -> Waiting:
    """What waits after an event of one of the kinds FOLLOWED."""
    if event.HasField("queue_changed"):
        return replace(waiting, queue=_queue(waiting, event))
    if event.HasField("approval_requested"):
        request = event.approval_requested
        return replace(waiting, asked=(*waiting.asked, Asked(request.request_id, request.about_item_id)))
    if event.HasField("turn_completed") or not waiting.asked:
        return replace(waiting, asked=())
    done = event.approval_resolved.request_id if event.HasField("approval_resolved") else event.item_id
    return replace(
        waiting, asked=tuple(asked for asked in waiting.asked if done not in (asked.request_id, asked.about))
    )


def _queue(waiting: Waiting, event: Event) -> tuple[Queued, ...]:
    change = event.queue_changed
    before = waiting.entry(change.queue_item_id)
    entries = {entry.item_id: entry for entry in waiting.queue}
    if change.change in (QueueChanged.CHANGE_TAKEN, QueueChanged.CHANGE_CANCELLED):
        entries.pop(change.queue_item_id, None)
    else:
        text_seq = event.seq if change.text or before is None else before.text_seq
        steer = change.delivery == UserMessage.DELIVERY_STEER
        entries[change.queue_item_id] = Queued(change.queue_item_id, steer, text_seq)
    return tuple(entries[item] for item in change.order if item in entries)
