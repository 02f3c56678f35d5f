"""Both official clients against a provider on a real socket."""

import asyncio
from dataclasses import replace

import pytest

from services.sessions.backends.anthropic import AnthropicModel
from services.sessions.backends.models import GEMINI_CALLS
from services.sessions.backends.openai import OpenAIModel
from services.sessions.domain.conversation import (
    AssistantTurn,
    CallPiece,
    FailureKind,
    ModelFailure,
    ModelRequest,
    Piece,
    StopPiece,
    TextPiece,
    ToolCall,
    ToolResult,
    ToolSpec,
    UsagePiece,
    UserTurn,
)
from services.sessions.ports import LanguageModel
from tests.fakes.model_server import ModelServer, Say

KEY = "sk-canary-1234567890"
TOOL = ToolSpec("run_command", "Runs.", {"type": "object", "properties": {"command": {"type": "string"}}})
TURNS = (
    UserTurn("mend it"),
    AssistantTurn("Looking.", (ToolCall("itm_1", "run_command", {"command": "ls"}),)),
    ToolResult("itm_1", "README.md", ok=False),
)
PROTOCOLS = ["openai", "anthropic"]
REFUSALS = ["400", "401", "403", "404", "413", "429", "500", "529", "quota", "context"]
IN_THE_MIDDLE = ["cut", "end", "garbage", "utf8", "no_done", "error_event"]
FAULTS_OF_BOTH = [*REFUSALS, *IN_THE_MIDDLE, "html", "empty"]


def _model(protocol: str, server: ModelServer) -> LanguageModel:
    if protocol == "openai":
        return OpenAIModel("OpenAI", KEY, f"{server.url}/v1", price_list="openai")
    return AnthropicModel(KEY, server.url)


def _request(protocol: str) -> ModelRequest:
    names = {"openai": "openai/gpt-4.1", "anthropic": "anthropic/claude-sonnet-5-5"}
    return ModelRequest(names[protocol], "Be good.", TURNS, (TOOL,), "ses_1")


async def _pieces(protocol: str, server: ModelServer, request: ModelRequest | None = None) -> list[Piece]:
    model = _model(protocol, server)
    try:
        return [piece async for piece in model.stream(request or _request(protocol))]
    finally:
        await model.close()  # type: ignore[attr-defined]


def _texts(pieces: list[Piece], reasoning: bool = False) -> list[str]:
    return [
        piece.text for piece in pieces if isinstance(piece, TextPiece) and piece.reasoning is reasoning and piece.text
    ]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_text_calls_usage_and_end(protocol: str) -> None:
    call = ("run_command", {"command": "echo 'ü' \"x\""})
    say = Say(
        "One two three.", [call, call], reasoning="Hm, so.", input_tokens=90, output_tokens=7, cache_read_tokens=10
    )
    with ModelServer([say]) as server:
        pieces = await _pieces(protocol, server)
    assert _texts(pieces) == ["One ", "two ", "three."]
    assert _texts(pieces, reasoning=True) == ["Hm, ", "so."]
    assert [(p.call.name, p.call.args) for p in pieces if isinstance(p, CallPiece)] == [call, call]
    usage = [piece for piece in pieces if isinstance(piece, UsagePiece)][-1]
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (90, 7, 10)
    assert usage.price_known
    assert usage.cost_micros > 0
    assert usage.context_window > 100_000
    assert pieces[-1] == StopPiece(cut=False)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_first_token_arrives_before_the_last_is_sent(protocol: str) -> None:
    with ModelServer([Say("a b c d", delay=0.2)]) as server:
        model = _model(protocol, server)
        stream = model.stream(_request(protocol))
        loop = asyncio.get_running_loop()
        begun = loop.time()
        times = [loop.time() - begun async for piece in stream if isinstance(piece, TextPiece) and piece.text]
        await model.close()  # type: ignore[attr-defined]
    assert times[-1] - times[0] > 0.3


def _kind(fault: str, protocol: str) -> FailureKind:
    kinds = {
        "400": FailureKind.CONFIG,
        "404": FailureKind.CONFIG,
        "401": FailureKind.AUTH,
        "403": FailureKind.AUTH,
        "413": FailureKind.CONTEXT,
        "429": FailureKind.RATE_LIMIT,
        "quota": FailureKind.QUOTA,
        "context": FailureKind.CONTEXT,
        "529": FailureKind.OVERLOAD,
        "error_event": FailureKind.OVERLOAD,
    }
    return kinds.get(fault, FailureKind.TRANSIENT)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "fault",
    [
        "400",
        "401",
        "403",
        "404",
        "413",
        "429",
        "500",
        "529",
        "quota",
        "context",
        "cut",
        "end",
        "garbage",
        "utf8",
        "no_done",
        "error_event",
        "html",
        "empty",
    ],
)
async def test_every_failure_has_its_class(protocol: str, fault: str) -> None:
    say = Say("one two three four five six", fault=fault, retry_after="7")
    with ModelServer([say]) as server, pytest.raises(ModelFailure) as raised:
        await _pieces(protocol, server)
    failure = raised.value
    assert failure.kind is _kind(fault, protocol), failure.message
    assert failure.retry_after == (7.0 if fault in REFUSALS else 0.0)
    assert failure.pieces_seen is (fault in IN_THE_MIDDLE)
    for secret in (KEY, "raw-provider-detail", "secret-detail", "hotel"):
        assert secret not in failure.message
        assert secret not in repr(failure.__cause__)
    assert failure.message.endswith(".")


async def test_no_server_at_all() -> None:
    model = OpenAIModel("OpenAI", KEY, "http://127.0.0.1:9/v1")
    with pytest.raises(ModelFailure) as raised:
        _ = [piece async for piece in model.stream(_request("openai"))]
    await model.close()
    assert raised.value.kind is FailureKind.TRANSIENT
    assert not raised.value.pieces_seen


async def test_a_server_that_does_not_know_stream_options() -> None:
    say = Say("ok", fault="no_stream_options")
    with ModelServer([say]) as server:
        model = OpenAIModel("The model server", "", f"{server.url}/v1")
        for _ in range(2):
            pieces = [piece async for piece in model.stream(_request("openai"))]
            assert _texts(pieces) == ["ok"]
        await model.close()
    assert [("stream_options" in request.body) for request in server.requests] == [True, False, False]


async def test_a_server_without_usage() -> None:
    with ModelServer([Say("ok", usage=False)]) as server:
        pieces = await _pieces("openai", server)
    assert UsagePiece() == replace(
        next(p for p in pieces if isinstance(p, UsagePiece)), price_known=False, context_window=0
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_arguments_that_are_no_json_are_told_to_the_model(protocol: str) -> None:
    broken = ['{"command": "ls', "[1]", '{"a": NaN}', f'{{"a": 1{"0" * 400}}}', '{"a": 1e999}', '{"a": "\\ud800"}']
    with ModelServer([Say("x", [("run_command", raw) for raw in broken])]) as server:
        pieces = await _pieces(protocol, server)
    calls = [piece.call for piece in pieces if isinstance(piece, CallPiece)]
    assert len(calls) == len(broken)
    assert all(call.error and not call.args for call in calls)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_cut_at_the_token_limit(protocol: str) -> None:
    with ModelServer([Say("so far", finish="length")]) as server:
        pieces = await _pieces(protocol, server)
    assert pieces[-1] == StopPiece(cut=True)


async def test_what_openai_is_sent() -> None:
    with ModelServer([Say("ok")]) as server:
        await _pieces("openai", server)
    sent = server.requests[0]
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert [message["role"] for message in sent.body["messages"]] == ["system", "user", "assistant", "tool"]
    assert sent.body["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"command": "ls"}'
    assert sent.body["messages"][3]["tool_call_id"] == "itm_1"
    assert sent.body["tools"][0]["function"]["name"] == "run_command"
    assert "max_tokens" not in sent.body


async def test_what_gemini_wants_with_its_calls() -> None:
    with ModelServer([Say("ok")]) as server:
        model = OpenAIModel("Google", KEY, f"{server.url}/v1", with_calls=GEMINI_CALLS)
        _ = [piece async for piece in model.stream(_request("openai"))]
        await model.close()
    call = server.requests[0].body["messages"][2]["tool_calls"][0]
    assert call["extra_content"]["google"]["thought_signature"]
    assert call["function"]["name"] == "run_command"


async def test_what_anthropic_is_sent() -> None:
    turns = (*TURNS, UserTurn("and hurry"), AssistantTurn("Yes."), UserTurn("go"))
    with ModelServer([Say("ok")]) as server:
        await _pieces("anthropic", server, replace(_request("anthropic"), turns=turns))
    body = server.requests[0].body
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert body["tools"][-1]["cache_control"] == {"type": "ephemeral"}
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user", "assistant", "user"]
    result, words = body["messages"][2]["content"]
    assert result["type"] == "tool_result"
    assert result["is_error"] is True
    assert words["text"] == "and hurry"
    marked = [block for message in body["messages"] for block in message["content"] if "cache_control" in block]
    assert len(marked) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_key_of_the_session_stands_instead_of_the_installations(protocol: str) -> None:
    with ModelServer([Say("ok")]) as server:
        await _pieces(protocol, server, replace(_request(protocol), api_key="sk-own"))
    sent = str(server.requests[0].headers)
    assert "sk-own" in sent
    assert KEY not in sent


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_ending_a_stream_early_closes_the_connection(protocol: str) -> None:
    with ModelServer([Say("word " * 400, delay=0.05)]) as server:
        model = _model(protocol, server)
        stream = model.stream(_request(protocol))
        async for piece in stream:
            if isinstance(piece, TextPiece) and piece.text:
                break
        async with asyncio.timeout(3):
            await stream.aclose()
        await model.close()  # type: ignore[attr-defined]
