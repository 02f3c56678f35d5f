"""One caller: its request, the address, the name in TLS, then bytes both ways."""

import asyncio
import contextlib
import re
from dataclasses import dataclass

from services.sandbox.backends.egress.addresses import Resolve, connect, find
from services.sandbox.backends.egress.client_hello import HelloReader
from services.sandbox.backends.egress.limits import DEFAULT, Limits
from services.sandbox.backends.egress.refusal import Refused, answer
from services.sandbox.backends.egress.request import MAX_HEAD, Target, parse
from services.sandbox.domain.network import BlockReason, HostRule, NetworkMode, NetworkPolicy

CHUNK = 64 * 1024
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
# TLS alert, fatal: unrecognized_name. The caller's own words for it are better than those of a cut connection.
WRONG_NAME = bytes((21, 3, 3, 0, 2, 2, 112))
END_OF_HEAD = b"\r\n\r\n"
_PREAMBLE = re.compile(rb"LUCID/1 ([0-9]{1,10})\n")
_NOT_TEXT = re.compile(rb"[^\t\r\n -~]")


@dataclass
class Call:
    """A caller. `number`: what the forwarder inside calls the connection; 0 where it did not come that way."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    limits: Limits = DEFAULT
    number: int = 0
    target: Target | None = None
    is_tunnel: bool = False
    sent: int = 0
    received: int = 0
    broken: str = ""

    def refuse(self, refused: Refused, policy: NetworkPolicy) -> None:
        """Tells the caller, in the language that it speaks at this moment."""
        if not self.is_tunnel:
            self.writer.write(answer(refused.status, refused.words(policy)))
        elif refused.reason in (BlockReason.NO_NAME, BlockReason.OTHER_NAME, BlockReason.HIDDEN_NAME):
            self.writer.write(WRONG_NAME)


async def serve(call: Call, policy: NetworkPolicy, resolve: Resolve) -> None:
    """From the first byte to the last. Raises Refused, Unreachable, OSError."""
    head, early = await _head(call)
    if not head:
        return
    call.target = parse(head)
    addresses = await find(resolve, call.target, _rule(policy, call.target))
    far_reader, far_writer = await connect(addresses, call.target.port, call.limits.connect)
    try:
        call.is_tunnel = True
        call.writer.write(ESTABLISHED)
        hello = await _hello(call, call.target, early)
        call.sent += len(hello)
        far_writer.write(hello)
        await _exchange(call, far_reader, far_writer)
    finally:
        far_writer.close()


def _rule(policy: NetworkPolicy, target: Target) -> HostRule:
    if policy.mode is NetworkMode.OFF:
        raise Refused(BlockReason.NETWORK_OFF, target.host, target.port)
    rule = policy.rule_for(target.host, target.port)
    if rule is None:
        raise Refused(BlockReason.NOT_ALLOWED, target.host, target.port)
    return rule


async def _head(call: Call) -> tuple[bytes, bytes]:
    """The head of the request and what came after it; both empty for a caller that says nothing."""
    said = b""
    try:
        async with asyncio.timeout(call.limits.head):
            while END_OF_HEAD not in said:
                data = await call.reader.read(CHUNK)
                if not data and not said:
                    return b"", b""
                said = _without_preamble(call, said + data)
                before_end = said.partition(END_OF_HEAD)[0]
                if not data or len(before_end) > MAX_HEAD or _NOT_TEXT.search(before_end):
                    raise Refused(BlockReason.BAD_REQUEST, status=400)
    except TimeoutError:
        raise Refused(BlockReason.TOO_SLOW, status=408) from None
    head, end, early = said.partition(END_OF_HEAD)
    return head + end, early


def _without_preamble(call: Call, said: bytes) -> bytes:
    """The forwarder's line, if it came that way. It says nothing but whom to tell of a refusal."""
    match = _PREAMBLE.match(said) if not call.number else None
    if match is None:
        return said
    call.number = int(match[1])
    return said[match.end() :]


async def _hello(call: Call, target: Target, early: bytes) -> bytes:
    """The first message of TLS, which must name the target. Raises Refused."""
    hello = HelloReader()
    data = early
    try:
        async with asyncio.timeout(call.limits.hello):
            while (name := hello.feed(data)) is None:
                data = await call.reader.read(CHUNK)
                if not data:
                    raise Refused(BlockReason.NOT_TLS)
    except TimeoutError:
        raise Refused(BlockReason.TOO_SLOW) from None
    if name != target.host:
        raise Refused(BlockReason.OTHER_NAME)
    return bytes(hello.raw)


async def _exchange(call: Call, far_reader: asyncio.StreamReader, far_writer: asyncio.StreamWriter) -> None:
    """Both ways until both have ended, nothing moves for long, or it has been open for too long."""
    loop = asyncio.get_running_loop()
    last = loop.time() + call.limits.total

    async def up() -> None:
        while data := await call.reader.read(CHUNK):
            limit.reschedule(min(last, loop.time() + call.limits.idle))
            call.sent += len(data)
            far_writer.write(data)
            await far_writer.drain()
        with contextlib.suppress(OSError):
            far_writer.write_eof()

    async def down() -> None:
        while data := await far_reader.read(CHUNK):
            limit.reschedule(min(last, loop.time() + call.limits.idle))
            call.received += len(data)
            call.writer.write(data)
            await call.writer.drain()
        with contextlib.suppress(OSError):
            call.writer.write_eof()

    try:
        async with asyncio.timeout(call.limits.idle) as limit, asyncio.TaskGroup() as ways:
            ways.create_task(up())
            ways.create_task(down())
    except* OSError as broken:  # its time is over, or one of the two has gone: both are told by the end
        call.broken = repr(broken.exceptions[0])
