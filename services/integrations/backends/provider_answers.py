"""What providers' answers have in common. Their own words in an error stay here; callers get ours."""

from collections.abc import Callable
from typing import Any, TypeVar

from services.integrations.backends.http_client import Answer
from services.integrations.domain.errors import (
    ProviderForbidden,
    ProviderUnavailable,
    RepositoryNotFound,
    TokenRefused,
)

PER_PAGE = 100
MAX_PAGES = 100
Shape = TypeVar("Shape")


def refusal(name: str, answer: Answer) -> Exception:
    """What an answer that is no success means. `name`: the provider, for people."""
    limited = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
    if answer.status == 429 or (answer.status == 403 and limited):
        return ProviderUnavailable(f"{name}'s rate limit is reached. Try again later.")
    if answer.status == 401:
        return TokenRefused(f"{name} refused the token. Connect the account again with a valid one.")
    if answer.status == 403:
        return ProviderForbidden(f"{name} does not let this token do that.")
    if answer.status == 404:
        return RepositoryNotFound()
    return ProviderUnavailable(f"{name} failed (HTTP {answer.status}). Try again later.")


def has_next(answer: Answer, rows: int) -> bool:
    """By the Link header where there is one; its address is never called, only its relation read."""
    link = answer.headers.get("link")
    return 'rel="next"' in link if link else rows >= PER_PAGE


def shaped(name: str, answer: Answer, read: Callable[[Any], Shape]) -> Shape:
    """The body, read. A 200 with a broken body is common in the wild: raises ProviderUnavailable."""
    body = answer.json()
    try:
        return read(body)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ProviderUnavailable(f"{name}'s answer could not be read.") from error
