"""GitUpstream at a provider: the request is built anew from the session's record, with the token as Basic."""

import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx2

from services.integrations.backends.http_client import GuardedClient
from services.integrations.ports import GitCall, GitReply


@dataclass(frozen=True)
class _Reply:
    response: httpx2.Response

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names."""
        return self.response.headers

    def body(self) -> AsyncIterator[bytes]:
        """Raw bytes."""
        return self.response.aiter_raw()


class GitOverHttps:
    """`user`: x-access-token at GitHub, oauth2 at GitLab."""

    def __init__(self, client: GuardedClient, user: str) -> None:
        self._client = client
        self._user = user

    @contextlib.asynccontextmanager
    async def exchange(self, call: GitCall, body: AsyncIterator[bytes] | None) -> AsyncIterator[GitReply]:
        """Raises ProviderUnavailable."""
        url = f"{call.base_url}/{call.full_name}.git/{call.endpoint}"
        if call.query:
            url += f"?{call.query}"
        method = "GET" if body is None else "POST"
        async with self._client.stream(method, url, self._headers(call), body) as response:
            yield _Reply(response)

    def _headers(self, call: GitCall) -> dict[str, str]:
        headers = {"Accept": "*/*", "User-Agent": "git/lucid-gate"}
        if call.token:
            credentials = base64.b64encode(f"{self._user}:{call.token}".encode()).decode()
            headers["Authorization"] = f"Basic {credentials}"
        if call.protocol:
            headers["Git-Protocol"] = call.protocol
        if call.content_type:
            headers["Content-Type"] = call.content_type
        if call.content_encoding:
            headers["Content-Encoding"] = call.content_encoding
        if call.length is not None and call.content_type:
            headers["Content-Length"] = str(call.length)
        return headers
