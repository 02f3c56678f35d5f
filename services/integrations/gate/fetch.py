"""One fetch. What there is to fetch always comes from the provider, with the token; the objects may come from a copy.

Only protocol version 2 is looked into (gitprotocol-v2), and only requests that are small and plain; everything else
goes to the provider as it is.
"""

import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import chain

from services.integrations.domain.models import LOCAL, Gate
from services.integrations.domain.pktline import BadPacketLine, PacketReader
from services.integrations.gate.answers import answer_type, check
from services.integrations.gate.http import HttpConnection
from services.integrations.ports import GitCall, GitUpstream, Ports

MAX_REQUEST_BYTES = 512 * 1024
MAX_OFFERED = 100_000
GZIP = 31  # zlib's word for it
_PLAIN = (b"want ", b"have ", b"shallow ", b"deepen", b"filter ")


@dataclass(frozen=True)
class FetchRequest:
    """`command`: ls-refs or fetch; `wants`: commits that a fetch asks for."""

    command: str
    wants: frozenset[str] = frozenset()


@dataclass
class Offer:
    """The commits in an answer to ls-refs, as it passes by. `whole` unless it was too long or no such answer."""

    commits: set[str] = field(default_factory=set)
    whole: bool = True
    _reader: PacketReader = field(default_factory=lambda: PacketReader(delimited=True))

    def feed(self, data: bytes) -> None:
        """More of the answer."""
        if not self.whole:
            return
        self._reader.feed(data)
        try:
            while (found := self._reader.next())[0]:
                self.commits.add((found[1] or b"")[:40].decode("latin-1"))
        except BadPacketLine:
            self.whole = False
        self.whole = self.whole and len(self.commits) <= MAX_OFFERED


async def serve_fetch(ports: Ports, upstream: GitUpstream, http: HttpConnection, gate: Gate, call: GitCall) -> None:
    """Answers `git-upload-pack`. Raises Refusal, ClientGone, ProviderUnavailable."""
    cache = ports.repository_cache
    if cache is None or gate.repository.provider == LOCAL or call.protocol != "version=2":
        await _pass_on(upstream, http, gate, call, http.body())
        return
    body = http.body()
    head = await _beginning(body)
    request = read_request(head, call.content_encoding)
    if request is None:
        await _pass_on(upstream, http, gate, call, _chained(head, body))
    elif request.command == "ls-refs":
        offer = Offer()
        await _pass_on(upstream, http, gate, call, _chained(head, body), offer.feed)
        if offer.whole:
            cache.offered(gate.session_id, offer.commits)
    elif await cache.holds(gate.session_id, upstream, call, request.wants):
        await _pass_on(cache, http, gate, call, _chained(head, body))
    else:
        await _pass_on(upstream, http, gate, call, _chained(head, body))
        cache.fill_later(upstream, call)


def read_request(body: bytes, encoding: str) -> FetchRequest | None:
    """A request of version 2; None for what is not understood here, or not whole."""
    try:
        lines = list(_lines(_decoded(body) if encoding else body))
    except (BadPacketLine, zlib.error, ValueError):
        return None
    if not lines or lines.pop() is not None or None in lines:
        return None
    texts = [line.removesuffix(b"\n") for line in lines if line is not None]
    if texts[:1] == [b"command=ls-refs"]:
        return FetchRequest("ls-refs")
    arguments = texts[texts.index(b"") + 1 :] if b"" in texts else []
    if texts[:1] != [b"command=fetch"] or any(b" " in one and not one.startswith(_PLAIN) for one in arguments):
        return None
    wants = [one.removeprefix(b"want ").decode("latin-1") for one in arguments if one.startswith(b"want ")]
    return FetchRequest("fetch", frozenset(wants))


def _lines(body: bytes) -> list[bytes | None]:
    reader = PacketReader(delimited=True)
    reader.feed(body)
    found = []
    while (line := reader.next())[0]:
        found.append(line[1])
    if reader.rest:
        raise BadPacketLine
    return found


def _decoded(body: bytes) -> bytes:
    unpacking = zlib.decompressobj(GZIP)
    text = unpacking.decompress(body, MAX_REQUEST_BYTES)
    if not unpacking.eof:
        msg = "not whole, or too long"
        raise ValueError(msg)
    return text


async def _beginning(body: AsyncIterator[bytes]) -> bytes:
    """The request, or as much of it as tells that it is too long."""
    head = bytearray()
    async for data in body:
        head += data
        if len(head) > MAX_REQUEST_BYTES:
            break
    return bytes(head)


async def _chained(head: bytes, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for data in chain([head] if head else []):
        yield data
    async for data in body:
        yield data


async def _pass_on(
    upstream: GitUpstream,
    http: HttpConnection,
    gate: Gate,
    call: GitCall,
    body: AsyncIterator[bytes],
    look: Callable[[bytes], None] | None = None,
) -> None:
    async with upstream.exchange(call, body) as reply:
        check(gate, call, reply)
        await http.start_answer(200, answer_type(call))
        async for data in reply.body():
            if look is not None:
                look(data)
            await http.send(data)
        await http.end_answer()
