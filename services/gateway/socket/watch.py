"""One watch: takes serialised answers from sessions, keeps a bounded heap of them for the socket's writer."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

import grpc

from services.gateway.backends import raw
from services.gateway.domain.errors import Resync, StreamEnded
from services.gateway.socket import wire
from services.rpc.errors import LucidError
from services.rpc.identity import Metadata

METHOD = "/lucid.sessions.v1.SessionsService/WatchEvents"
JOINED_BYTES = 256 * 1024


class Watch:
    """What waits for one stream id.

    While the heap is full nothing more is read from sessions, which has bounds of its own. If the socket then takes
    nothing at all for `stall` seconds, the heap is dropped and the page is told to watch again from where it is.
    `ready` is called once whenever there is something to take after there was nothing.
    """

    def __init__(self, stream_id: int, ready: Callable[["Watch"], None], buffer: int, stall: float) -> None:
        self.stream_id = stream_id
        self.listed = False
        self._ready = ready
        self._buffer = buffer
        self._stall = stall
        self._prefix = wire.prefix_of(stream_id)
        self._heap: deque[bytes] = deque()
        self._size = 0
        self._room = asyncio.Event()
        self._ended = False
        self._ending = b""
        self._task: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        """Nothing more comes to the heap; what is in it may still wait to be taken."""
        return self._ended

    @property
    def waiting(self) -> int:
        """Bytes in the heap."""
        return self._size

    def start(self, channel: grpc.aio.Channel, request: bytes, metadata: Metadata) -> None:
        """Begins to read; the bytes are never looked into."""
        self._task = asyncio.create_task(self._pump(channel, request, metadata))

    def stop(self) -> None:
        """The page asked for the end."""
        self._cancel()
        self._finish(None, drop=True)

    async def close(self) -> None:
        """The socket is gone: nothing is left behind."""
        self._cancel()
        if self._task is not None:
            await asyncio.wait((self._task,))

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _pump(self, channel: grpc.aio.Channel, request: bytes, metadata: Metadata) -> None:
        call = raw.stream(channel, METHOD)(request, metadata=metadata)
        try:
            async with raw.reading(call) as answers:
                async for answer in answers:
                    if self._size >= self._buffer:
                        await self._wait_for_room()
                    self._put(answer)
            self._finish(StreamEnded())
        except grpc.RpcError as error:
            self._finish(raw.refusal_of(error))
        except TimeoutError:
            self._finish(Resync(), drop=True)

    async def _wait_for_room(self) -> None:
        """Raises TimeoutError when the socket took nothing for too long; any progress begins the time anew."""
        while self._size >= self._buffer:
            self._room.clear()
            async with asyncio.timeout(self._stall):
                await self._room.wait()

    def _put(self, answer: bytes) -> None:
        self._heap.append(answer)
        self._size += len(answer)
        self._ready(self)

    def _finish(self, error: LucidError | None, drop: bool = False) -> None:
        if self._ended:
            return
        if drop:
            self._heap.clear()
            self._size = 0
        self._ended, self._ending = True, wire.end(self.stream_id, error)
        self._ready(self)

    def take(self) -> bytes:
        """The next message for the socket: joined answers, or the end; empty if there is nothing."""
        if not self._heap:
            ending, self._ending = self._ending, b""
            return ending
        taken = [self._heap.popleft()]
        size = len(taken[0])
        while self._heap and size + len(self._heap[0]) <= JOINED_BYTES:
            taken.append(self._heap.popleft())
            size += len(taken[-1])
        self._size -= size
        self._room.set()
        return wire.frames(self._prefix, taken[0] if len(taken) == 1 else b"".join(taken))

    @property
    def has_more(self) -> bool:
        """Something is left to take."""
        return bool(self._heap) or bool(self._ending)

    @property
    def done(self) -> bool:
        """Its end was taken."""
        return self._ended and not self.has_more


async def close_all(watches: list[Watch]) -> None:
    """All of a socket's."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*(watch.close() for watch in watches))
