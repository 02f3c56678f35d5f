"""Classes the failures of model calls. Neither a provider's raw answer nor a key ever reaches a message.

The shapes are those of OpenAI, Anthropic, Gemini's compatible door, OpenRouter (numbers as codes), vLLM (the error's
fields at the top) and Ollama (a text as the error).
"""

import json
from collections.abc import Mapping
from typing import Any

from services.rpc import logs
from services.sessions.backends.hints import retry_hint
from services.sessions.backends.streams import BROKEN
from services.sessions.domain.conversation import FailureKind, ModelFailure

log = logs.get_logger("lucid.sessions.models")
_TEXTS = {
    FailureKind.AUTH: "{provider} refuses the key. Check it in the settings.",
    FailureKind.QUOTA: "The credit at {provider} is used up. Top it up there, or choose another model.",
    FailureKind.RATE_LIMIT: "{provider} limits how often it may be called.",
    FailureKind.CONTEXT: "This session has become too long for the model. Start a new one, or choose a larger model.",
    FailureKind.CONFIG: "{provider} refuses the request ({detail}). Check the model's name and the address.",
    FailureKind.OVERLOAD: "{provider} is overloaded at the moment.",
    FailureKind.TRANSIENT: "{provider} has a problem ({detail}).",
}
_BY_STATUS = {
    401: FailureKind.AUTH,
    402: FailureKind.QUOTA,
    403: FailureKind.AUTH,
    408: FailureKind.TRANSIENT,
    409: FailureKind.TRANSIENT,
    413: FailureKind.CONTEXT,
    425: FailureKind.TRANSIENT,
    429: FailureKind.RATE_LIMIT,
    503: FailureKind.OVERLOAD,
    529: FailureKind.OVERLOAD,
}
_BY_NAME = {
    "authentication_error": FailureKind.AUTH,
    "invalid_api_key": FailureKind.AUTH,
    "permission_error": FailureKind.AUTH,
    "permission_denied": FailureKind.AUTH,
    "unauthenticated": FailureKind.AUTH,
    "billing_error": FailureKind.QUOTA,
    "billing_hard_limit_reached": FailureKind.QUOTA,
    "insufficient_quota": FailureKind.QUOTA,
    "credit_balance_too_low": FailureKind.QUOTA,
    "exceeded_current_quota_error": FailureKind.QUOTA,
    "rate_limit_error": FailureKind.RATE_LIMIT,
    "rate_limit_exceeded": FailureKind.RATE_LIMIT,
    "resource_exhausted": FailureKind.RATE_LIMIT,
    "slow_down": FailureKind.RATE_LIMIT,
    "context_length_exceeded": FailureKind.CONTEXT,
    "exceed_context_size_error": FailureKind.CONTEXT,
    "request_too_large": FailureKind.CONTEXT,
    "overloaded_error": FailureKind.OVERLOAD,
    "unavailable": FailureKind.OVERLOAD,
    "unavailable_error": FailureKind.OVERLOAD,
    "service_unavailable": FailureKind.OVERLOAD,
}
# Only where there is no status: servers use them for anything.
_VAGUE = {
    "invalid_request_error": FailureKind.CONFIG,
    "invalid_argument": FailureKind.CONFIG,
    "not_found_error": FailureKind.CONFIG,
    "model_not_found": FailureKind.CONFIG,
}
_CONTEXT_PHRASES = (
    "prompt is too long",
    "context length",
    "context window",
    "context limit",
    "context size",
    "maximum context",
    "input token count",
    # OpenAI's rate limit that no waiting helps against: one request is larger than what a minute may hold.
    "request too large",
)
_PHRASES = (
    ("credit balance", FailureKind.QUOTA),
    ("insufficient credits", FailureKind.QUOTA),
    ("insufficient balance", FailureKind.QUOTA),
    ("api key not valid", FailureKind.AUTH),
    ("incorrect api key", FailureKind.AUTH),
    ("overloaded", FailureKind.OVERLOAD),
    ("server busy", FailureKind.OVERLOAD),
    ("at capacity", FailureKind.OVERLOAD),
    ("rate limit", FailureKind.RATE_LIMIT),
    ("rate-limited", FailureKind.RATE_LIMIT),
    # A moderation's 403 says nothing about the key.
    ("flagged", FailureKind.CONFIG),
)


def classified(provider: str, error: Exception, pieces_seen: bool) -> ModelFailure:
    """Any exception of a client, its transport or our reading, as a ModelFailure."""
    if isinstance(error, ModelFailure):
        error.pieces_seen = error.pieces_seen or pieces_seen
        return error
    status = getattr(error, "status_code", None)
    log.warning("model call failed", extra={"provider": provider, "error": type(error).__name__, "status": status})
    if isinstance(status, int):
        fields = _fields(getattr(error, "body", None))
        headers = getattr(getattr(error, "response", None), "headers", {})
        hint = retry_hint(headers, fields)
        return _failure(provider, _kind(status, fields), f"status {status}", hint, pieces_seen)
    detail = BROKEN if pieces_seen else "it could not be reached, or its answer could not be read"
    return _failure(provider, FailureKind.TRANSIENT, detail.rstrip("."), 0.0, pieces_seen)


def in_stream(provider: str, error: Any) -> ModelFailure:
    """An error object that came as an event of the stream."""
    fields = _fields({"error": error})
    code = fields.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 0
    return _failure(provider, _kind(status, fields), "it reports an error in mid-answer", retry_hint({}, fields), True)


def _fields(body: Any) -> dict[str, Any]:
    """The error object, wherever in the body it stands."""
    if isinstance(body, list) and body:
        body = body[0]  # Gemini wraps its error into a list
    error = body.get("error", body) if isinstance(body, dict) else body
    return error if isinstance(error, dict) else {"message": error}


def _kind(status: int, fields: Mapping[str, Any]) -> FailureKind:
    """The class. A name is more exact than a phrase, a phrase than a status; `status` 0: none."""
    names = [name.lower() for name in map(fields.get, ("code", "type", "status")) if isinstance(name, str)]
    told = json.dumps([fields.get("message"), fields.get("details"), fields.get("metadata")], default=str).lower()
    if status <= 500 and any(phrase in told for phrase in _CONTEXT_PHRASES):
        return FailureKind.CONTEXT
    if status == 429 and "perday" in told:
        return FailureKind.QUOTA
    found = [_BY_NAME[name] for name in names if name in _BY_NAME]
    if status in (0, 400, 403, 404, 422, 503):
        found += [kind for phrase, kind in _PHRASES if phrase in told]
        found += [FailureKind.QUOTA] if "quota" in told else []
    if found:
        return found[0]
    if status:
        return _BY_STATUS.get(status) or (FailureKind.TRANSIENT if status >= 500 else FailureKind.CONFIG)
    return next((_VAGUE[name] for name in names if name in _VAGUE), FailureKind.TRANSIENT)


def _failure(provider: str, kind: FailureKind, detail: str, hint: float, pieces_seen: bool) -> ModelFailure:
    return ModelFailure(kind, _TEXTS[kind].format(provider=provider, detail=detail), hint, pieces_seen)
