"""Classes the failures of model calls. Neither a provider's raw answer nor a key ever reaches a message."""

import email.utils
import json
import time
from typing import Any

from services.rpc import logs
from services.sessions.backends.streams import BROKEN
from services.sessions.domain.conversation import FailureKind, ModelFailure

log = logs.get_logger("lucid.sessions.models")
_WORDS = {
    FailureKind.AUTH: "{provider} refuses the key. Check it in the settings.",
    FailureKind.QUOTA: "The credit at {provider} is used up. Top it up there, or choose another model.",
    FailureKind.RATE_LIMIT: "{provider} limits how often it may be called.",
    FailureKind.CONTEXT: "This session has become too long for the model. Start a new one, or choose a larger model.",
    FailureKind.CONFIG: "{provider} refuses the request ({detail}). Check the model's name and the address.",
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
}
_BY_TYPE = {
    "authentication_error": FailureKind.AUTH,
    "invalid_api_key": FailureKind.AUTH,
    "permission_error": FailureKind.AUTH,
    "billing_error": FailureKind.QUOTA,
    "insufficient_quota": FailureKind.QUOTA,
    "credit_balance_too_low": FailureKind.QUOTA,
    "rate_limit_error": FailureKind.RATE_LIMIT,
    "rate_limit_exceeded": FailureKind.RATE_LIMIT,
    "context_length_exceeded": FailureKind.CONTEXT,
    "request_too_large": FailureKind.CONTEXT,
    "invalid_request_error": FailureKind.CONFIG,
    "not_found_error": FailureKind.CONFIG,
    "model_not_found": FailureKind.CONFIG,
    "overloaded_error": FailureKind.TRANSIENT,
    "api_error": FailureKind.TRANSIENT,
    "server_error": FailureKind.TRANSIENT,
    "timeout_error": FailureKind.TRANSIENT,
}
_PHRASES = (
    ("prompt is too long", FailureKind.CONTEXT),
    ("context length", FailureKind.CONTEXT),
    ("context window", FailureKind.CONTEXT),
    ("maximum context", FailureKind.CONTEXT),
    ("credit balance", FailureKind.QUOTA),
    ("quota", FailureKind.QUOTA),
)


def classified(provider: str, error: Exception, pieces_seen: bool) -> ModelFailure:
    """Any exception of a client, its transport or our reading, as a ModelFailure."""
    if isinstance(error, ModelFailure):
        error.pieces_seen = error.pieces_seen or pieces_seen
        return error
    status = getattr(error, "status_code", None)
    log.warning("model call failed", extra={"provider": provider, "error": type(error).__name__, "status": status})
    if isinstance(status, int):
        headers = getattr(getattr(error, "response", None), "headers", {})
        return _refused(provider, status, getattr(error, "body", None), headers, pieces_seen)
    detail = BROKEN if pieces_seen else "it could not be reached, or its answer could not be read"
    return _failure(provider, FailureKind.TRANSIENT, detail.rstrip("."), 0.0, pieces_seen)


def in_stream(provider: str, error: Any) -> ModelFailure:
    """An error object that came as an event of the stream."""
    fields = error if isinstance(error, dict) else {}
    kind = _told(fields) or FailureKind.TRANSIENT
    return _failure(provider, kind, "it reports an error in mid-answer", 0.0, True)


def _refused(provider: str, status: int, body: Any, headers: Any, pieces_seen: bool) -> ModelFailure:
    kind = _BY_STATUS.get(status) or (FailureKind.TRANSIENT if status >= 500 else FailureKind.CONFIG)
    if isinstance(body, list) and body:
        body = body[0]  # Gemini wraps its error into a list
    fields = body.get("error", body) if isinstance(body, dict) else {}
    told = _told(fields if isinstance(fields, dict) else {})
    if kind is FailureKind.RATE_LIMIT and told is FailureKind.QUOTA and "insufficient_quota" in _types(fields):
        kind = FailureKind.QUOTA
    elif kind is FailureKind.CONFIG and told is not None:
        kind = told
    return _failure(provider, kind, f"status {status}", _hint(headers), pieces_seen)


def _types(fields: dict[str, Any]) -> set[str]:
    return {value for value in (fields.get("code"), fields.get("type"), fields.get("status")) if isinstance(value, str)}


def _told(fields: dict[str, Any]) -> FailureKind | None:
    """What the error object says of itself; the code is more exact than the type, a phrase than a plain refusal."""
    named = [_BY_TYPE[name] for name in (fields.get("code"), fields.get("type")) if name in _BY_TYPE]
    if named and named[0] is not FailureKind.CONFIG:
        return named[0]
    text = json.dumps(fields.get("message", ""), default=str).lower()
    phrases = [kind for phrase, kind in _PHRASES if phrase in text]
    return next(iter(phrases + named), None)


def _failure(provider: str, kind: FailureKind, detail: str, hint: float, pieces_seen: bool) -> ModelFailure:
    return ModelFailure(kind, _WORDS[kind].format(provider=provider, detail=detail), hint, pieces_seen)


def _hint(headers: Any) -> float:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds or a date, RFC 9110 §10.2.3); 0 without."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after") or "0"
        if value.replace(".", "", 1).isdecimal():
            return float(value)
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, AttributeError):
        return 0.0
