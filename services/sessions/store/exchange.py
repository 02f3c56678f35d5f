"""This replica's end of the bus: gathers what is to be said, says it in few messages, and lets nobody wait for it."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

from google.protobuf.message import DecodeError
from lucid.sessions.bus.v1.bus_pb2 import Committed, Note, Notes

from services.rpc import logs
from services.rpc.ids import new_id
from services.sessions.ports import Bus
from services.sessions.store.outbox import Outbox, Parcel

log = logs.get_logger("lucid.sessions.exchange")
EVERYBODY = "lucid:sessions"
QUEUE = 10_000
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
FAREWELL = 0.5


def _deaf(_replica: str, _note: Note) -> None:
    """Until somebody listens."""


class Exchange:
    """`hear` is called with what others say, `joined` whenever what they said before may have been missed."""

    def __init__(self, bus: Bus) -> None:
        self.replica = new_id("rep")
        self.connected = False
        self.hear: Callable[[str, Note], None] = _deaf
        self.joined: Callable[[], None] = lambda: None
        self.outbox = Outbox(self.ring)
        self._bus = bus
        # The oldest hints are dropped first: whoever needs them finds out by its poll.
        self._queue: deque[Note] = deque(maxlen=QUEUE)
        self._committed: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._speaking = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to speak and to listen."""
        for name, loop in (("send", self._send), ("listen", self._listen)):
            self._tasks.append(asyncio.create_task(_for_ever(loop), name=f"bus-{name}"))

    async def stop(self) -> None:
        """Says what is left to say, if that can be done soon."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._flush()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._bus.close()

    def tell(self, note: Note) -> None:
        """To every other replica, soon; it may be lost."""
        self._queue.append(note)
        self._wake.set()

    def committed(self, session_id: str, seq: int) -> None:
        """The log of a session has grown up to there."""
        self._committed[session_id] = seq
        self._wake.set()

    def ring(self) -> None:
        """The outbox has something to take."""
        self._wake.set()

    async def _send(self) -> None:
        pause = SHORTEST_PAUSE
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._flush()
                pause = SHORTEST_PAUSE
            except ConnectionError as error:
                log.debug("not said", extra={"error": str(error)})
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _flush(self) -> None:
        async with self._speaking:
            messages, parcels = self._gathered()
            if not messages:
                return
            try:
                receivers = await self._bus.send(messages)
            except ConnectionError:
                self.outbox.lost(parcels)
                raise
            self.outbox.sent(parcels, receivers[len(messages) - len(parcels) :])

    def _gathered(self) -> tuple[list[tuple[str, bytes]], list[Parcel]]:
        """The next messages; the last of them carry the parcels."""
        notes = list(self._queue)
        notes += [Note(session_id=key, committed=Committed(seq=seq)) for key, seq in self._committed.items()]
        self._queue.clear()
        self._committed.clear()
        messages = [(EVERYBODY, self._encoded(*notes))] if notes else []
        parcels = self.outbox.take()
        if self.outbox.waiting:
            self._wake.set()
        return messages + [(_topic(parcel.replica), self._encoded(parcel.note)) for parcel in parcels], parcels

    def _encoded(self, *notes: Note) -> bytes:
        return Notes(replica=self.replica, notes=notes).SerializeToString()

    async def _listen(self) -> None:
        try:
            async with aclosing(self._bus.listen((EVERYBODY, _topic(self.replica)))) as messages:
                async for data in messages:
                    if data:
                        self._hear(data)
                    else:
                        self.connected = True
                        log.info("bus joined", extra={"replica": self.replica})
                        self.joined()
        except ConnectionError as error:
            level = log.warning if self.connected else log.debug
            level("bus lost: events are found by polling", extra={"error": str(error)})
        finally:
            self.connected = False
        await asyncio.sleep(LONGEST_PAUSE * random.uniform(0.2, 0.6))  # noqa: S311

    def _hear(self, data: bytes) -> None:
        try:
            said = Notes.FromString(data)
        except DecodeError:
            log.warning("not a note", extra={"bytes": len(data)})
            return
        if said.replica != self.replica:
            for note in said.notes:
                self.hear(said.replica, note)


def _topic(replica: str) -> str:
    return f"{EVERYBODY}:{replica}"


async def _for_ever(step: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        try:
            await step()
        except Exception as error:
            log.error("bus step failed", exc_info=error)
            await asyncio.sleep(LONGEST_PAUSE)
