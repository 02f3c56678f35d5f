"""The one client for outward HTTP. It follows no redirect, bounds what it reads, and tells nobody what was sent.

httpx2 rather than httpx: the same interface, the better kept of the two, and already here under the model clients.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpcore2
import httpx2

from services.integrations.backends.http_guard import ForbiddenAddress, GuardedTransport, HostRules, PrivateAddress
from services.integrations.domain.errors import InvalidBaseUrl, OutcomeUnknown, ProviderUnavailable

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 15.0
STREAM_IDLE_SECONDS = 600.0
MAX_BODY_BYTES = 5 * 1024 * 1024
USER_AGENT = "lucid-ai"
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpcore2.ConnectError, httpcore2.ConnectTimeout)
_FAILED = (httpx2.HTTPError, httpx2.InvalidURL, httpcore2.NetworkError, httpcore2.TimeoutException, OSError)
_BROKEN = (httpcore2.ProtocolError, httpcore2.ProxyError, httpcore2.UnsupportedProtocol)


@dataclass(frozen=True)
class Answer:
    """A whole answer. The body stays in the backend that asked; it is never forwarded."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body. Raises ProviderUnavailable if it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ProviderUnavailable("The provider's answer could not be read.") from error


class GuardedClient:
    """Shared by all providers of the process."""

    def __init__(self, rules: HostRules) -> None:
        self._client = httpx2.AsyncClient(
            transport=GuardedTransport(rules),
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Closes connections."""
        await self._client.aclose()

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: object = None) -> Answer:
        """One JSON request.

        Raises InvalidBaseUrl for where we do not call, ProviderUnavailable, or OutcomeUnknown for a write that may
        have taken place.
        """
        timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        try:
            async with self._client.stream(method, url, headers=dict(headers), json=body, timeout=timeout) as answer:
                return Answer(answer.status_code, dict(answer.headers), await _bounded(answer))
        except (ForbiddenAddress, PrivateAddress) as error:
            raise InvalidBaseUrl from error
        except _NEVER_SENT as error:
            raise ProviderUnavailable from error
        except (*_FAILED, *_BROKEN) as error:
            raise (ProviderUnavailable if method == "GET" else OutcomeUnknown) from error

    @contextlib.asynccontextmanager
    async def stream(
        self, method: str, url: str, headers: Mapping[str, str], body: AsyncIterator[bytes] | None
    ) -> AsyncIterator[httpx2.Response]:
        """One streamed exchange, unbounded in size, bounded in silence. Raises ProviderUnavailable."""
        timeout = httpx2.Timeout(STREAM_IDLE_SECONDS, connect=CONNECT_SECONDS)
        try:
            async with self._client.stream(method, url, headers=dict(headers), content=body, timeout=timeout) as answer:
                yield answer
        except (*_NEVER_SENT, *_FAILED, *_BROKEN) as error:
            if isinstance(error, ConnectionError):
                raise  # the sandbox's side, not the provider's
            raise ProviderUnavailable from error


async def _bounded(answer: httpx2.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for data in answer.aiter_raw():
        size += len(data)
        if size > MAX_BODY_BYTES:
            raise httpx2.DecodingError("the answer is too large")
        parts.append(data)
    return b"".join(parts)
