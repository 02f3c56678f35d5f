"""The one writer of a socket: takes turns between its watches, joins what came meanwhile."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from services.gateway.socket.watch import Watch

# A message goes out at once if the last one is this long ago; what comes sooner is gathered. A single conversation's
# tokens are never held back by it, a hundred conversations' are sent in bundles.
GATHER_SECONDS = 0.01
# Gathering is for tokens; history is sent as fast as the socket takes it.
GATHER_BYTES = 32 * 1024


class Writer:
    """Sends one message at a time; waiting for the socket is what slows the watches down."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], gather: float = GATHER_SECONDS) -> None:
        self._send = send
        self._gather = gather
        self._turns: deque[Watch] = deque()
        self._control: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._emptied = asyncio.Event()

    def offer(self, watch: Watch) -> None:
        """The watch has something; it gets its turn."""
        if not watch.listed:
            watch.listed = True
            self._turns.append(watch)
            self._wake.set()

    async def answer(self, message: bytes) -> None:
        """A message of the socket's own; waits until it is taken, so that a flood of requests slows itself down."""
        self._control.append(message)
        self._emptied.clear()
        self._wake.set()
        await self._emptied.wait()

    async def run(self, done: Callable[[Watch], None]) -> None:
        """Until cancelled or the socket ends; `done` is told of watches whose end was sent."""
        loop = asyncio.get_running_loop()
        last = 0.0
        while True:
            await self._wake.wait()
            rest = last + self._gather - loop.time()
            if rest > 0 and not self._control and sum(watch.waiting for watch in self._turns) < GATHER_BYTES:
                await asyncio.sleep(rest)
            self._wake.clear()
            await self._round(done)
            last = loop.time()

    async def _round(self, done: Callable[[Watch], None]) -> None:
        while self._control:
            await self._send(self._control.popleft())
        self._emptied.set()
        for _ in range(len(self._turns)):
            watch = self._turns.popleft()
            message = watch.take()
            if watch.has_more:
                self._turns.append(watch)
                self._wake.set()
            else:
                watch.listed = False
            if message:
                await self._send(message)
            if watch.done:
                done(watch)
