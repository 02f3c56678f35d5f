"""What a request holds so that the provider can keep its beginning, and that its pieces are made once."""

import json
from typing import Any

from services.sessions.backends.anthropic import AnthropicModel
from services.sessions.backends.fragments import Fragments
from services.sessions.backends.openai import OpenAIModel
from services.sessions.domain.conversation import (
    AssistantTurn,
    ModelRequest,
    ToolCall,
    ToolResult,
    ToolSpec,
    Turn,
    UserTurn,
)

TOOL = ToolSpec("run_command", "Runs.", {"type": "object", "properties": {}})


def _step(number: int) -> tuple[Turn, ...]:
    call = ToolCall(f"itm_{number}", "run_command", {"command": "ls"})
    return AssistantTurn(f"Step {number}.", (call,)), ToolResult(call.call_id, "ok")


def _turns(steps: int) -> tuple[Turn, ...]:
    return (UserTurn("mend it"), *(turn for number in range(steps) for turn in _step(number)))


def _sent(model: Any, turns: tuple[Turn, ...]) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(model.encode(ModelRequest("p/m", "Be good.", turns, (TOOL,), "ses_1")))
    return sent


def test_only_openai_itself_is_sent_what_others_may_refuse() -> None:
    own = _sent(OpenAIModel("OpenAI", "k"), _turns(1))
    assert (own["prompt_cache_key"], own["max_completion_tokens"]) == ("ses_1", 16_000)
    other = _sent(OpenAIModel("The model server", "k", "http://127.0.0.1:9/v1"), _turns(1))
    assert set(other) == {"model", "stream", "stream_options", "messages", "tools"}


def test_the_end_of_one_request_is_marked_in_the_next_one_too() -> None:
    before, after = (_sent(AnthropicModel("k"), _turns(steps)) for steps in (3, 4))
    assert after["messages"][: len(before["messages"]) - 1] == [*before["messages"][:-3], *_plain(before)[-3:-1]]
    marked = [place for place, message in enumerate(after["messages"]) if "cache_control" in message["content"][-1]]
    assert marked == [len(before["messages"]) - 1, len(after["messages"]) - 1]
    marks = json.dumps(after).count('"cache_control"')
    assert marks == 4


def _plain(sent: dict[str, Any]) -> list[dict[str, Any]]:
    for message in sent["messages"]:
        message["content"][-1].pop("cache_control", None)
    found: list[dict[str, Any]] = sent["messages"]
    return found


def test_a_message_is_made_once_and_what_has_changed_is_made_again() -> None:
    made: list[int] = []

    def render(turns: Any) -> Any:
        made.append(len(turns))
        return [getattr(turn, "text", "") for turn in turns]

    fragments = Fragments(lambda before, turn: isinstance(before, UserTurn) and isinstance(turn, UserTurn), render)
    for steps in range(1, 100):
        fragments.messages(_turns(steps))
    # Two new ones a step, and the last one before them, which might have gone on.
    assert len(made) <= 3 * 100
    made.clear()
    other = (*_turns(50), UserTurn("stop"), UserTurn("and wait"))
    assert fragments.messages(other)[-1] == b'["stop","and wait"]'
    assert len(made) <= 2
