"""Logs to test with: many events at once, and one of nearly every kind."""

from lucid.sessions.v1.event_pb2 import (
    CHANNEL_MESSAGE,
    CommandCompleted,
    CommandStarted,
    Event,
    FileEdited,
    StatusChanged,
    TextCompleted,
    ToolCallCompleted,
    ToolCallStarted,
    TurnCompleted,
    Usage,
    UserMessage,
)

from services.sessions.domain.models import Change, Draft
from services.sessions.store.sql import SqlEventStore


async def append_many(store: SqlEventStore, session_id: str, count: int, text: str = "x") -> None:
    """Appends as many messages, a thousand in a transaction."""
    done = 0
    while done < count:
        size = min(1000, count - done)
        drafts = tuple(Draft(Event(user_message=UserMessage(text=f"{done + i} {text}"))) for i in range(size))
        await store.apply(session_id, lambda _, drafts=drafts: Change(drafts=drafts))  # type: ignore[misc]
        done += size


def varied() -> list[Event]:
    """Bytes that are no text, characters of every length, numbers, nested values, nothing at all."""
    call = ToolCallStarted(tool="run_command", title="$ make")
    call.args.update({"command": "make 'ä' \u2028 😀", "deep": {"list": [1, 2.5, None, True, "\x01"]}})
    ended = CommandCompleted(exit_code=2, head=bytes(range(256)), total_bytes=256, duration_ms=2**40)
    return [
        Event(item_id="itm_1", text_completed=TextCompleted(channel=CHANNEL_MESSAGE, text='"\\\n\t\x7f äöü 😀 \u2028')),
        Event(item_id="itm_2", tool_call_started=call, labels={"b": "2", "a": "1"}),
        Event(item_id="itm_3", parent_item_id="itm_2", command_started=CommandStarted(command="make", cwd="/w")),
        Event(item_id="itm_3", parent_item_id="itm_2", command_completed=ended),
        Event(item_id="itm_4", file_edited=FileEdited(path="a", unified_diff="@@\n-a\n+b\n", added=1, removed=1)),
        Event(item_id="itm_2", tool_call_completed=ToolCallCompleted(ok=False, result_text="exit 2")),
        Event(status_changed=StatusChanged(phase=StatusChanged.PHASE_CLONING, progress=0.1)),
        Event(usage=Usage(model="a/b", input_tokens=2**32 - 1, cost_micros=2**53, price_known=True)),
        Event(turn_completed=TurnCompleted(outcome=TurnCompleted.OUTCOME_DONE, summary="Done.")),
        Event(),
    ]
