"""Refusals as real providers word them: their class, their hint, and nothing of their words for the person."""

import email.utils
import time
from dataclasses import replace
from typing import Any

import pytest

from services.sessions.agent.loop import run_turn
from services.sessions.backends.anthropic import AnthropicModel
from services.sessions.backends.models import ConfiguredModels, Providers
from services.sessions.backends.openai import OpenAIModel
from services.sessions.domain.conversation import FailureKind, ModelFailure, ModelRequest, UserTurn
from services.sessions.domain.work import Outcome
from tests.fakes.model_server import ModelServer, Say
from tests.fakes.ports import World

KIND = FailureKind
SECRET = "org-secret-detail"


def _openai(message: str, code: str | None = None, type_: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": f"{message} {SECRET}", "type": type_, "param": None, "code": code}}


def _anthropic(type_: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": type_, "message": f"{message} {SECRET}"}, "request_id": "req_1"}


def _gemini(code: int, status: str, message: str, *details: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"error": {"code": code, "message": message, "status": status, "details": list(details)}}]


def _router(code: int, message: str, **metadata: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "metadata": metadata}, "user_id": SECRET}


def _vllm(code: int, type_: str, message: str) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": type_, "param": None, "code": code}


_DAY = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "RequestsPerDay-Free"}]}
_OVER = "This model's maximum context length is 4096 tokens. However, you requested 9000."
_TOO_LARGE = "Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 40000."
OPENAI_REFUSALS: list[tuple[str, int, Any, FailureKind]] = [
    ("openai key", 401, _openai("Incorrect API key provided: sk-x.", "invalid_api_key"), KIND.AUTH),
    ("openai quota", 429, _openai("You exceeded your quota.", "insufficient_quota", "insufficient_quota"), KIND.QUOTA),
    ("openai rate", 429, _openai("Rate limit reached.", "rate_limit_exceeded", "requests"), KIND.RATE_LIMIT),
    ("openai one too large", 429, _openai(_TOO_LARGE, "rate_limit_exceeded", "tokens"), KIND.CONTEXT),
    ("openai context", 400, _openai("Too long.", "context_length_exceeded"), KIND.CONTEXT),
    ("openai model", 404, _openai("The model `x` does not exist.", "model_not_found"), KIND.CONFIG),
    ("openai engine", 503, _openai("The engine is currently overloaded.", None, "server_error"), KIND.OVERLOAD),
    ("openai slow down", 503, _openai("Slow down.", "slow_down", "server_error"), KIND.RATE_LIMIT),
    ("openai server", 500, _openai("The server had an error.", None, "server_error"), KIND.TRANSIENT),
    ("gemini key", 400, _gemini(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), KIND.AUTH),
    ("gemini rate", 429, _gemini(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."), KIND.RATE_LIMIT),
    ("gemini day", 429, _gemini(429, "RESOURCE_EXHAUSTED", "You exceeded your quota.", _DAY), KIND.QUOTA),
    ("gemini overload", 503, _gemini(503, "UNAVAILABLE", "The model is overloaded."), KIND.OVERLOAD),
    (
        "gemini context",
        400,
        _gemini(400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum (1048576)."),
        KIND.CONTEXT,
    ),
    ("openrouter credit", 402, _router(402, "Insufficient credits"), KIND.QUOTA),
    ("openrouter upstream", 429, _router(429, "Provider returned error", raw="x is rate-limited"), KIND.RATE_LIMIT),
    ("openrouter flagged", 403, _router(403, "Your input was flagged"), KIND.CONFIG),
    ("openrouter none", 503, _router(503, "No available model provider"), KIND.OVERLOAD),
    ("openrouter down", 502, _router(502, "Your chosen model is down"), KIND.TRANSIENT),
    ("vllm context", 400, _vllm(400, "BadRequestError", _OVER), KIND.CONTEXT),
    ("vllm model", 404, _vllm(404, "NotFoundError", "The model `x` does not exist."), KIND.CONFIG),
    ("llama.cpp context", 400, _vllm(400, "exceed_context_size_error", "the request exceeds"), KIND.CONTEXT),
    ("ollama busy", 503, {"error": "server busy, please try again. maximum pending requests exceeded"}, KIND.OVERLOAD),
    ("ollama model", 404, {"error": {"message": "model not found", "type": "api_error"}}, KIND.CONFIG),
    ("deepseek balance", 402, _openai("Insufficient Balance", "invalid_request_error"), KIND.QUOTA),
    ("a proxy's page", 502, "<html>Bad gateway</html>", KIND.TRANSIENT),
    ("no object", 400, [None], KIND.CONFIG),
]
ANTHROPIC_REFUSALS: list[tuple[str, int, Any, FailureKind]] = [
    ("key", 401, _anthropic("authentication_error", "invalid x-api-key"), KIND.AUTH),
    ("permission", 403, _anthropic("permission_error", "no"), KIND.AUTH),
    ("billing", 402, _anthropic("billing_error", "no"), KIND.QUOTA),
    ("credit", 400, _anthropic("invalid_request_error", "Your credit balance is too low."), KIND.QUOTA),
    ("rate", 429, _anthropic("rate_limit_error", "This request would exceed your limit."), KIND.RATE_LIMIT),
    ("context", 400, _anthropic("invalid_request_error", "prompt is too long: 210000 tokens"), KIND.CONTEXT),
    (
        "context and answer",
        400,
        _anthropic("invalid_request_error", "input length and `max_tokens` exceed context limit: 9 + 9 > 10"),
        KIND.CONTEXT,
    ),
    ("too large", 413, _anthropic("request_too_large", "no"), KIND.CONTEXT),
    ("refused", 400, _anthropic("invalid_request_error", "messages: at least one"), KIND.CONFIG),
    ("overload", 529, _anthropic("overloaded_error", "Overloaded"), KIND.OVERLOAD),
    ("internal", 500, _anthropic("api_error", "no"), KIND.TRANSIENT),
    ("slow", 504, _anthropic("timeout_error", "no"), KIND.TRANSIENT),
]


async def _failure(protocol: str, say: Say) -> ModelFailure:
    request = ModelRequest(f"{protocol}/m", "s", (UserTurn("go"),), (), "ses_1")
    with ModelServer([say]) as server:
        url = f"{server.url}/v1" if protocol == "openai" else server.url
        model = OpenAIModel("OpenAI", "sk", url) if protocol == "openai" else AnthropicModel("sk", url)
        with pytest.raises(ModelFailure) as raised:
            _ = [piece async for piece in model.stream(request)]
        await model.close()
    return raised.value


@pytest.mark.parametrize(
    ("protocol", "status", "body", "kind"),
    [
        *(pytest.param("openai", *case, id=name) for name, *case in OPENAI_REFUSALS),
        *(pytest.param("anthropic", *case, id=f"anthropic {name}") for name, *case in ANTHROPIC_REFUSALS),
    ],
)
async def test_every_providers_refusal_has_its_class(protocol: str, status: int, body: Any, kind: FailureKind) -> None:
    failure = await _failure(protocol, Say(refusal=(status, body, {})))
    assert failure.kind is kind, failure.message
    assert SECRET not in failure.message
    assert failure.retry_after == 0


@pytest.mark.parametrize(
    ("protocol", "error", "kind"),
    [
        ("anthropic", {"type": "overloaded_error", "message": "Overloaded"}, KIND.OVERLOAD),
        ("anthropic", {"type": "rate_limit_error", "message": "x"}, KIND.RATE_LIMIT),
        ("anthropic", {"type": "api_error", "message": "x"}, KIND.TRANSIENT),
        ("anthropic", "nothing to read", KIND.TRANSIENT),
        ("openai", {"code": 502, "message": "Provider disconnected"}, KIND.TRANSIENT),
        ("openai", {"code": 429, "message": "Rate limit exceeded"}, KIND.RATE_LIMIT),
        ("openai", {"code": 402, "message": "Insufficient credits"}, KIND.QUOTA),
        ("openai", {"message": "The input exceeds the context length", "type": "server_error"}, KIND.CONTEXT),
        ("openai", {"message": "x", "type": "invalid_request_error"}, KIND.CONFIG),
        ("openai", _vllm(400, "BadRequestError", _OVER), KIND.CONTEXT),
        ("openai", "server busy, please try again", KIND.OVERLOAD),
    ],
)
async def test_errors_in_mid_answer(protocol: str, error: Any, kind: FailureKind) -> None:
    failure = await _failure(protocol, Say("one two three four", fault="error_event", error=error))
    assert (failure.kind, failure.pieces_seen) == (kind, True)


_RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
_WORDED = "Rate limit reached for x in org y. Limit 3, Used 3. Please try again in {}. Visit us."


@pytest.mark.parametrize(
    ("seconds", "headers", "body"),
    [
        (7, {"retry-after": "7"}, {}),
        (1.5, {"retry-after-ms": "1500", "retry-after": "2"}, {}),
        (60, {"retry-after": "{date+60}"}, {}),
        (0, {"retry-after": "{date-60}"}, {}),
        (0, {"retry-after": "soon"}, {}),
        (0, {"retry-after": "inf", "retry-after-ms": "nan"}, {}),
        (0, {"retry-after": "-5"}, {}),
        (34.5, {}, _gemini(429, "RESOURCE_EXHAUSTED", "no", _RETRY)),
        (1.2, {}, _openai(_WORDED.format("1.2s"))),
        (360.5, {}, _openai(_WORDED.format("6m0.5s"))),
        (0.02, {}, _openai(_WORDED.format("20ms"))),
        (20, {}, _openai(_WORDED.format("20 seconds"))),
        (0.5, {}, _openai("Please retry after 500 milliseconds.")),
        (360, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, {}),
        (0, {"x-ratelimit-remaining-tokens": "12", "x-ratelimit-reset-tokens": "6m0s"}, {}),
        (30, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "{now_ms+30}"}, {}),
        (30, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "{now+30}"}, {}),
        (30, {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "{iso+30}"}, {}),
        (7 * 86400, {"retry-after": "99999999"}, {}),
    ],
)
async def test_every_providers_hint_is_read(seconds: float, headers: dict[str, str], body: Any) -> None:
    now = time.time()
    filled = {
        "{date+60}": email.utils.formatdate(now + 60, usegmt=True),
        "{date-60}": email.utils.formatdate(now - 60, usegmt=True),
        "{now+30}": f"{now + 30:.0f}",
        "{now_ms+30}": f"{(now + 30) * 1000:.0f}",
        "{iso+30}": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 30)),
    }
    dated = any(value in filled for value in headers.values())
    sent = {name: filled.get(value, value) for name, value in headers.items()}
    failure = await _failure("openai", Say(refusal=(429, body, sent)))
    if dated and seconds:
        # A date counts whole seconds, and the request has taken some.
        assert seconds - (time.time() - now) - 1 <= failure.retry_after <= seconds + 1
    else:
        assert failure.retry_after == pytest.approx(seconds)


async def test_another_provider_never_sees_the_sessions_own_key() -> None:
    """Two providers on real sockets: the own one is out of credit, the installation's other one goes on."""
    spent = Say(refusal=(429, _openai("No.", "insufficient_quota", "insufficient_quota"), {}))
    with ModelServer([spent]) as own, ModelServer([Say("Done.")]) as other:
        models = ConfiguredModels(
            Providers(
                openai_api_key="sk-openai",
                openai_base_url=f"{own.url}/v1",
                anthropic_api_key="sk-anthropic",
                anthropic_base_url=other.url,
                fallback_model="anthropic/m",
            )
        )
        world = World([])
        world.ports = replace(world.ports, models=models)
        world.record = replace(world.record, model="openai/m", model_key_sealed="eno-ym-ks")
        assert await run_turn(await world.journal()) is Outcome.COMPLETED
        await models.close()
    assert "sk-my-one" in str(own.requests[0].headers)
    assert "sk-my-one" not in str(other.requests)
    assert "sk-anthropic" in str(other.requests[0].headers)
    assert "sk-my-one" not in str(world.log.events)
