"""When a provider says that it may be asked again: in headers, in the error object, or in its words."""

import email.utils
import math
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

LONGEST = 7 * 86400.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_WORDS = re.compile(
    r"\b(?:try(?:ing)? again|retry(?:ing)?)\s+(?:in|after)\s+"
    r"(?:((?:\d+(?:\.\d+)?(?:ms|s|m|h))+)|(\d+(?:\.\d+)?)\s*(m)?(?:illi)?s(?:ec(?:ond)?s?)?)\b",
    re.IGNORECASE,
)
# Two minutes behind the epoch's year 2001: a larger number is a point in time, a smaller one a duration.
_EPOCH = 1e9


def retry_hint(headers: Any, fields: Mapping[str, Any]) -> float:
    """Seconds to wait; 0 without a hint. The most exact source counts: headers, RetryInfo, words, limits' resets."""
    headers = headers if hasattr(headers, "get") else {}
    sources = (_retry_after(headers), _retry_info(fields), _in_words(fields.get("message")), _reset(headers))
    return next((min(found, LONGEST) for found in sources if found > 0), 0.0)


def _retry_after(headers: Any) -> float:
    """`retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110 §10.2.3)."""
    milliseconds = _number(headers.get("retry-after-ms"))
    return milliseconds / 1000 if milliseconds else _moment(headers.get("retry-after"))


def _retry_info(fields: Mapping[str, Any]) -> float:
    """google.rpc.RetryInfo, as Gemini sends it."""
    details = fields.get("details")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("RetryInfo"):
            return _duration(detail.get("retryDelay"))
    return 0.0


def _in_words(message: Any) -> float:
    """Such as `Please try again in 6m0.5s`."""
    found = _WORDS.search(message[:4000]) if isinstance(message, str) else None
    if found is None:
        return 0.0
    if found[1]:
        return _duration(found[1].lower())
    return _number(found[2]) * (0.001 if found[3] else 1.0)


def _reset(headers: Any) -> float:
    """When the limit that is used up is filled again. With several of them, the last one."""
    waits = [0.0]
    for prefix in ("x-ratelimit-", "anthropic-ratelimit-"):
        for what in ("requests", "tokens", "input-tokens", "output-tokens", ""):
            remaining, reset = (
                (f"{prefix}remaining-{what}", f"{prefix}reset-{what}")
                if prefix.startswith("x")
                else (f"{prefix}{what}-remaining", f"{prefix}{what}-reset")
            )
            if headers.get(remaining.rstrip("-")) in ("0", "0.0"):
                waits.append(_moment(headers.get(reset.rstrip("-"))))
    return max(waits)


def _moment(value: Any) -> float:
    """Seconds from now, of a number, a duration, a point in time in seconds or milliseconds, or a date."""
    number = _number(value)
    if number >= _EPOCH * 1000:
        return max(0.0, number / 1000 - time.time())
    if number >= _EPOCH:
        return max(0.0, number - time.time())
    return number or _duration(value) or _date(value)


def _date(value: Any) -> float:
    for read in (datetime.fromisoformat, email.utils.parsedate_to_datetime):
        try:
            return max(0.0, read(value).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError):
            continue
    return 0.0


def _duration(value: Any) -> float:
    """Such as `1.5s`, `6m0s`, `20ms`."""
    if not isinstance(value, str) or len(value) > 40 or _PART.sub("", value).strip():
        return 0.0
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (ValueError, TypeError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0
