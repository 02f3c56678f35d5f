"""Where outward HTTP may go: https to public addresses, after our own look-up, unless the operator allows the host."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import httpcore2
import httpx2

from services.rpc.logs import get_logger

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")
DEFAULT_PORTS = {"https": 443, "http": 80}
log = get_logger("integrations.http")


class ForbiddenAddress(httpx2.ConnectError):
    """The host is, or resolves to, something that we do not call."""


def is_public(address: str) -> bool:
    """Whether an IP address is reachable from the internet at large; embedded IPv4 addresses count as themselves."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip.sixtofour is not None or ip.teredo is not None or ip in _NAT64 or ip in _NAT64_LOCAL:
            return False
    return ip.is_global and not ip.is_multicast


class PrivateAddress(httpcore2.ConnectError):
    """A name that leads, or may lead, to somewhere that is not public."""


class HostRules:
    """`allowed`: `host` or `host:port` that the operator trusts although private or plain http."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(entry.strip().lower() for entry in allowed if entry.strip())

    def trusts(self, host: str, port: int) -> bool:
        """The operator's word stands for it."""
        return host.lower() in self._allowed or f"{host.lower()}:{port}" in self._allowed

    def check_url(self, url: httpx2.URL) -> None:
        """Raises ForbiddenAddress."""
        port = url.port or DEFAULT_PORTS.get(url.scheme, 0)
        plain = url.scheme == "https" or (url.scheme == "http" and self.trusts(url.host, port))
        if not plain or url.userinfo or not url.host:
            raise ForbiddenAddress("not an address that may be called")


class _PinnedNetwork(httpcore2.AsyncNetworkBackend):
    """Resolves a name itself, looks at every answer, and connects to one of just those."""

    def __init__(self, rules: HostRules) -> None:
        self._rules = rules
        self._real = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to an address that was checked."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("the name cannot be resolved") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not self._rules.trusts(host, port) and not all(is_public(address) for address in addresses):
            log.warning("outward call refused", extra={"host": host})
            raise PrivateAddress("the name does not lead to a public address")
        return await self._connect_first(addresses, port, timeout, local_address, socket_options)

    async def _connect_first(self, addresses: list[str], *options: Any) -> httpcore2.AsyncNetworkStream:
        failure: Exception = httpcore2.ConnectError("no address")
        for address in addresses:
            try:
                return await self._real.connect_tcp(address, *options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Never."""
        raise httpcore2.ConnectError("not an address that may be called")

    async def sleep(self, seconds: float) -> None:
        """Between connection attempts."""
        await asyncio.sleep(seconds)


class _Body(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> Any:
        async for data in self._stream:
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()


class GuardedTransport(httpx2.AsyncBaseTransport):
    """httpx's transport with our own look-up below it."""

    def __init__(self, rules: HostRules) -> None:
        self._rules = rules
        self._pool = httpcore2.AsyncConnectionPool(
            network_backend=_PinnedNetwork(rules), max_connections=100, keepalive_expiry=15.0, http2=False
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request, no redirects, nothing decoded."""
        self._rules.check_url(request.url)
        raw = request.url
        url = httpcore2.URL(scheme=raw.raw_scheme, host=raw.raw_host, port=raw.port, target=raw.raw_path)
        answer = await self._pool.handle_async_request(
            httpcore2.Request(
                method=request.method,
                url=url,
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Body(answer.stream))

    async def aclose(self) -> None:
        """Closes what is kept open."""
        await self._pool.aclose()
