"""From a name to the addresses that may be called."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable

from services.sandbox.backends.egress.refusal import Refused, Unreachable
from services.sandbox.backends.egress.request import Target
from services.sandbox.domain.network import BlockReason, HostRule

Resolve = Callable[[str, int], Awaitable[list[str]]]
RESOLVE_SECONDS = 10.0
MAX_ADDRESSES = 8
# Addresses that stand for IPv4 addresses, which may be anything: NAT64 (RFC 6052, 8215), IPv4-compatible (RFC 4291).
_WRAPPED = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
_SITE_LOCAL = ipaddress.ip_network("fec0::/10")


async def system_look_up(host: str, port: int) -> list[str]:
    """By this machine's resolver, whatever it is set to. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether it is reachable from the internet at large; one that wraps an IPv4 address is not."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # with a zone, or none at all
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None or ip.sixtofour is not None or ip.teredo is not None:
            return False
        if ip in _SITE_LOCAL or any(ip in network for network in _WRAPPED):
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


async def find(resolve: Resolve, target: Target, rule: HostRule) -> list[str]:
    """All addresses of the name. One that is not public spoils them all, unless the rule trusts the host.

    Raises Refused, Unreachable.
    """
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await resolve(target.host, target.port)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise Unreachable("the name cannot be resolved") from error
    if not found:
        raise Unreachable("the name cannot be resolved")
    if not rule.private and not all(map(is_public, found)):
        raise Refused(BlockReason.PRIVATE_ADDRESS, target.host, target.port)
    return found[:MAX_ADDRESSES]


async def connect(addresses: list[str], port: int, seconds: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To the first of these addresses that answers; no name is looked up again. Raises Unreachable."""
    cause: Exception | None = None
    for address in addresses:
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.open_connection(address, port, flags=socket.AI_NUMERICHOST)
        except (OSError, TimeoutError) as error:
            cause = error
    raise Unreachable("the host cannot be reached") from cause
