"""`WS /api/v1/stream`: sign-in at the door, then watches, unwatches and pings until either side goes."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from lucid.gateway.v1.accounts_pb2 import StreamRequest

from services.gateway.convert import headers_of, visit_of
from services.gateway.domain.errors import OriginRefused, TooManyWatches
from services.gateway.domain.models import Identity, Visit
from services.gateway.ports import Ports
from services.gateway.socket import wire
from services.gateway.socket.watch import Watch, close_all
from services.gateway.socket.writer import Writer
from services.gateway.usecases.admit import admit
from services.rpc import logs
from services.rpc.errors import LucidError, Unauthenticated
from services.rpc.identity import user_metadata
from services.rpc.ids import new_ulid

GARBAGE, NOBODY = 1003, 4010
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
log = logs.get_logger("lucid.gateway.stream")


@dataclass(frozen=True)
class Limits:
    """Of one socket. Bytes and seconds."""

    watches: int
    buffer: int
    stall: float
    recheck: float


class Garbage(Exception):
    """The other side does not speak our protocol."""


class Stream:
    """Accepts sockets."""

    def __init__(
        self, ports: Ports, sessions: grpc.aio.Channel, allowed_origins: tuple[str, ...], limits: Limits
    ) -> None:
        self._ports = ports
        self._sessions = sessions
        self._allowed = allowed_origins
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One socket, from its handshake to its end."""
        await receive()
        # Not a safe visit: a socket opened by a foreign page would read everything with the cookie.
        visit = visit_of(scope["scheme"], headers_of(scope["headers"]), safe=False)
        try:
            await self.identify(visit)
        except OriginRefused:
            await send({"type": "websocket.close", "code": 1008})
            return
        except Unauthenticated as error:
            await send({"type": "websocket.accept"})
            await _close(send, NOBODY, error.message)
            return
        await send({"type": "websocket.accept"})
        await Connection(self, visit, self._sessions, self._limits, send).run(receive)

    async def identify(self, visit: Visit) -> Identity:
        """Who it is now. Raises Unauthenticated, OriginRefused."""
        identity = await admit(self._ports, visit, self._allowed)
        if identity is None:
            raise Unauthenticated
        return identity


class Connection:
    """One socket that is open."""

    def __init__(self, door: Stream, visit: Visit, sessions: grpc.aio.Channel, limits: Limits, send: Send) -> None:
        self._door = door
        self._visit = visit
        self._sessions = sessions
        self._limits = limits
        self._send = send
        self._writer = Writer(self._send_bytes)
        self._watches: dict[int, Watch] = {}

    async def run(self, receive: Receive) -> None:
        """Reads, writes and re-checks the identity side by side; the first to end ends all."""
        tasks = [
            asyncio.create_task(self._read(receive)),
            asyncio.create_task(self._writer.run(self._forget)),
            asyncio.create_task(self._recheck()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await close_all(list(self._watches.values()))
        await self._part(tasks)

    async def _part(self, tasks: "list[asyncio.Task[None]]") -> None:
        """Says why, where there is somebody left to hear it."""
        for task in tasks:
            error = None if task.cancelled() else task.exception()
            if isinstance(error, Garbage):
                await _close(self._send, GARBAGE, str(error))
            elif isinstance(error, LucidError):
                await _close(self._send, NOBODY, error.message)
            elif error is not None and not isinstance(error, ConnectionError | OSError):
                log.error("stream failed", exc_info=error)
                await _close(self._send, 1011, "Something went wrong on our side.")

    async def _send_bytes(self, message: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": message})

    async def _read(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            await self._obey(_parse(message.get("bytes")))

    async def _obey(self, request: StreamRequest) -> None:
        kind = request.WhichOneof("request")
        if kind == "watch":
            await self._watch(request.watch)
        elif kind == "unwatch":
            watch = self._watches.get(request.unwatch.stream_id)
            if watch is not None:
                watch.stop()
        elif kind == "ping":
            await self._writer.answer(wire.PONG)
        else:
            raise Garbage("Unknown message")

    async def _watch(self, asked: StreamRequest.Watch) -> None:
        stream_id = asked.stream_id
        before = self._watches.get(stream_id)
        if stream_id < 1 or not asked.HasField("watch") or (before is not None and not before.ended):
            raise Garbage("A watch needs a stream_id of its own and what to watch")
        if len(self._watches) >= self._limits.watches:
            await self._writer.answer(wire.end(stream_id, TooManyWatches()))
            return
        # Asked anew for every watch: a sign-out or an expired token counts at once.
        identity = await self._door.identify(self._visit)
        metadata = (*user_metadata(identity.token), ("x-request-id", new_ulid()))
        watch = Watch(stream_id, self._writer.offer, self._limits.buffer, self._limits.stall)
        self._watches[stream_id] = watch
        watch.start(self._sessions, asked.watch.SerializeToString(), metadata)

    def _forget(self, watch: Watch) -> None:
        if self._watches.get(watch.stream_id) is watch:
            del self._watches[watch.stream_id]

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(self._limits.recheck)
            await self._door.identify(self._visit)


def _parse(data: bytes | None) -> StreamRequest:
    if data is None:
        raise Garbage("Only binary messages are spoken here")
    try:
        return StreamRequest.FromString(data)
    except DecodeError as error:
        raise Garbage("Not a StreamRequest") from error


async def _close(send: Send, code: int, reason: str) -> None:
    await send({"type": "websocket.close", "code": code, "reason": reason[:120]})
