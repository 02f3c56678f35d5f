"""The fold of the log to the model's conversation."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from lucid.sessions.v1.event_pb2 import (
    CHANNEL_MESSAGE,
    CHANNEL_THOUGHT,
    ContextCompacted,
    Event,
    TextCompleted,
    TextStarted,
    ToolCallCompleted,
    ToolCallStarted,
    TurnStarted,
    UserMessage,
)

from services.sessions.agent.context import CUT, NO_RESULT, Context
from services.sessions.agent.history import size_of
from services.sessions.backends.anthropic import AnthropicModel
from services.sessions.backends.openai import OpenAIModel
from services.sessions.domain.conversation import (
    AssistantTurn,
    ModelRequest,
    ToolCall,
    ToolResult,
    Turn,
    UserTurn,
)


def _text(text: str, channel: int = CHANNEL_THOUGHT, **more: Any) -> Event:
    return Event(item_id="itm_t", text_completed=TextCompleted(channel=channel, text=text, **more))  # type: ignore[arg-type]


def _call(item: str, name: str = "run_command") -> Event:
    return _started(item, name, {"command": "ls", "n": 3})


def _started(item: str, name: str, args: dict[str, Any]) -> Event:
    started = ToolCallStarted(tool=name)
    started.args.update(args)
    return Event(item_id=item, tool_call_started=started)


def _result(item: str, ok: bool = True) -> Event:
    return Event(item_id=item, tool_call_completed=ToolCallCompleted(ok=ok, result_text=f"of {item}"))


def _user(text: str) -> Event:
    return Event(user_message=UserMessage(text=text))


def _compacted(from_seq: int, to_seq: int) -> Event:
    return Event(context_compacted=ContextCompacted(from_seq=from_seq, to_seq=to_seq, summary="Notes.", tokens_after=9))


def _folded(*events: Event) -> Context:
    context = Context()
    for event in events:
        context.apply(event)
    return context


def test_one_answer_is_what_stands_before_the_next_result() -> None:
    context = _folded(
        _user("go"), _text("first"), _text("second"), _call("a"), _call("b"), _result("a"), _result("b"), _text("third")
    )
    call = {"command": "ls", "n": 3}
    assert context.turns() == (
        UserTurn("go"),
        AssistantTurn("first\n\nsecond", (ToolCall("a", "run_command", call), ToolCall("b", "run_command", call))),
        ToolResult("a", "of a"),
        ToolResult("b", "of b"),
        AssistantTurn("third"),
    )


def test_results_stand_in_the_order_of_their_calls() -> None:
    context = _folded(_call("a"), _call("b"), _result("b"), _result("a", ok=False))
    assert context.turns()[1:] == (ToolResult("a", "of a", ok=False), ToolResult("b", "of b"))


def test_words_in_mid_turn_come_after_the_results() -> None:
    context = _folded(_user("go"), _call("a"), _user("and hurry"))
    assert context.turns()[-2:] == (ToolResult("a", NO_RESULT, ok=False), UserTurn("and hurry"))
    context.apply(_result("a"))
    assert context.turns()[-2:] == (ToolResult("a", "of a"), UserTurn("and hurry"))


def test_a_reset_text_is_dropped_and_an_interrupted_one_is_marked() -> None:
    context = _folded(_user("go"), _text("lost", reset=True), _text("half", CHANNEL_MESSAGE, interrupted=True))
    assert context.turns() == (UserTurn("go"), AssistantTurn("half" + CUT))
    assert not context.ended


def test_reasoning_is_not_sent_back_also_where_only_its_start_was_labelled() -> None:
    started = Event(item_id="itm_t", labels={"reasoning": "1"}, text_started=TextStarted())
    context = _folded(_user("go"), started, _text("musing", interrupted=True))
    assert context.turns() == (UserTurn("go"),)


def test_the_end_and_the_closing_words() -> None:
    assert _folded(_text("It is done. ", CHANNEL_MESSAGE)).summary == "It is done."
    finish = _started("f", "finish", {"summary": "All green."})
    context = _folded(finish, _result("f"))
    assert (context.ended, context.summary) == (True, "All green.")
    context.apply(Event(turn_started=TurnStarted()))
    assert (context.ended, context.summary) == (False, "")
    assert not _folded(finish, _result("f", ok=False)).ended


_ITEMS = [f"itm_{i}" for i in range(6)]
_EVENTS = st.one_of(
    st.builds(_user, st.text(max_size=5)),
    st.builds(
        _text,
        st.text(max_size=5),
        st.sampled_from([CHANNEL_THOUGHT, CHANNEL_MESSAGE]),
        interrupted=st.booleans(),
        reset=st.booleans(),
    ),
    st.builds(_call, st.sampled_from(_ITEMS)),
    st.builds(_result, st.sampled_from(_ITEMS), st.booleans()),
    st.builds(_compacted, st.integers(0, 40), st.integers(0, 40)),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_EVENTS, max_size=40))
def test_any_log_gives_a_conversation_that_both_protocols_take(events: list[Event]) -> None:
    seen: set[str] = set()
    context, memo = Context(), dict[str, Any]()
    compacted = False
    for seq, event in enumerate(events, 1):
        event.seq = seq
        if event.HasField("tool_call_started"):
            if event.item_id in seen:
                continue  # item ids are unique in a log
            seen.add(event.item_id)
        compacted = compacted or event.HasField("context_compacted")
        context.apply(event)
        _is_valid(context.turns(), memo)
        assert context.history.size == size_of(context.history.turns())
    calls = [call.call_id for turn in context.turns() if isinstance(turn, AssistantTurn) for call in turn.calls]
    assert set(calls) <= seen
    assert compacted or sorted(calls) == sorted(seen)


def _is_valid(turns: tuple[Turn, ...], memo: dict[str, Any]) -> None:
    """`memo`: of the requests before; what was kept from them must give the same as a fresh start."""
    waiting: list[str] = []
    for turn in turns:
        if isinstance(turn, ToolResult):
            assert waiting.pop(0) == turn.call_id
            continue
        assert not waiting
        if isinstance(turn, AssistantTurn):
            waiting = [call.call_id for call in turn.calls]
    assert not waiting
    _openai_takes(_sent(OpenAIModel("x", "k"), turns, memo))
    _anthropic_takes(_sent(AnthropicModel("k"), turns, memo))


def _sent(model: Any, turns: tuple[Turn, ...], memo: dict[str, Any]) -> list[dict[str, Any]]:
    sent, fresh = (
        json.loads(model.encode(ModelRequest("p/m", "s", turns, (), "ses_1", memo=kept))) for kept in (memo, {})
    )
    assert sent == fresh
    found: list[dict[str, Any]] = sent["messages"]
    return found


def _openai_takes(messages: list[dict[str, Any]]) -> None:
    waiting: set[str] = set()
    last = ""
    for message in messages:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
            last = "tool"
            continue
        assert not waiting
        assert message["role"] != last or last == "system"
        last = message["role"]
        assert message["content"] is not None or message.get("tool_calls")
        waiting = {call["id"] for call in message.get("tool_calls", [])}
    assert not waiting


def _anthropic_takes(messages: list[dict[str, Any]]) -> None:
    uses: set[str] = set()
    roles = [message["role"] for message in messages]
    assert all(one != other for one, other in pairwise(roles))
    for message in messages:
        blocks = message["content"]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        assert set(results) == uses
        assert all(block["type"] != "tool_result" for block in blocks[len(results) :])
        marks = [block for message in messages for block in message["content"] if "cache_control" in block]
        assert len(marks) == min(2, roles.count("user"))
        assert all(block["text"].strip() for block in blocks if block["type"] == "text")
        uses = {block["id"] for block in blocks if block["type"] == "tool_use"}
    assert not uses
