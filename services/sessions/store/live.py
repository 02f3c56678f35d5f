"""What is in progress, and who follows it (events.md §4).

A session in use keeps an append-only list of serialised answers; a watcher is a cursor into it and a wake-up. Resume,
fan-out, batching and back-pressure are this one structure. A session that nobody follows and nobody runs keeps nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lucid.sessions.v1.event_pb2 import (
    CHANNEL_MESSAGE,
    CHANNEL_THOUGHT,
    Event,
    Frame,
    Heartbeat,
    ItemCursor,
    ItemProgress,
    Reset,
)

from services.rpc.errors import LucidError
from services.sessions.domain.errors import Leaving, Resync, SessionNotFound
from services.sessions.store.frames import delta_response, event_response, frame_response, rest_of_delta
from services.sessions.store.waking import Waking

MAX_BUFFERED = 8 * 1024 * 1024
MAX_MESSAGE = 256 * 1024
DELTA_PIECE = 64 * 1024
HEARTBEAT_SECONDS = 15.0
_TEXTS = frozenset({CHANNEL_THOUGHT, CHANNEL_MESSAGE})
STARTS = frozenset({"text_started", "command_started"})
ENDS = frozenset({"text_completed", "command_completed"})


@dataclass
class OpenBytes:
    """One channel of an item in progress."""

    item_id: str
    channel: int
    data: bytearray
    started_seq: int = 0
    started: bytes = b""


@dataclass
class _Answer:
    """`late`: the number of an event that is told again, to those only whose window begins after it."""

    data: bytes
    is_delta: bool
    late: int = 0


class Watcher:
    """A cursor into a session's answers. `first`: it was not shown the events up to this one.

    `ahead`: the bytes it has of items of which less, or nothing, was known here when it came: it was at a replica that
    is nearer to the owner.
    """

    def __init__(
        self,
        stream: "SessionStream",
        durable_only: bool,
        first: int = 0,
        ahead: Mapping[tuple[str, int], int] | None = None,
    ) -> None:
        self._stream = stream
        self._durable_only = durable_only
        self._first = first
        self._ahead = ahead or {}
        self.picky = durable_only or bool(ahead)
        self.position = stream.end
        self.wake = asyncio.Event()

    def take(self) -> bytes:
        """Everything that waits, joined, at most MAX_MESSAGE (or one answer). Raises Resync if too much was missed."""
        stream = self._stream
        if stream.ending is not None:
            raise stream.ending
        if self.position < stream.begin:
            raise Resync
        parts: list[bytes] = []
        size = 0
        while self.position < stream.end:
            answer = stream.answer(self.position)
            if size and size + len(answer.data) > MAX_MESSAGE:
                return b"".join(parts)
            self.position += 1
            if data := self._wanted(answer) if self.picky else answer.data:
                parts.append(data)
                size += len(data)
        self.wake.clear()
        return b"".join(parts)

    def _wanted(self, answer: _Answer) -> bytes:
        if (self._durable_only and answer.is_delta) or answer.late > self._first:
            return b""
        return rest_of_delta(answer.data, self._ahead) if answer.is_delta and self._ahead else answer.data


@dataclass
class SessionStream:
    """A session in use. `seq`: the last event published here (0: none yet).

    `adopted`: the started events, by item, of what an earlier owner has left open. `ending`: what watchers are told.
    """

    waking: Waking = field(default_factory=Waking)
    seq: int = 0
    begin: int = 0
    answers: list[_Answer] = field(default_factory=list)
    buffered: int = 0
    items: dict[tuple[str, int], OpenBytes] = field(default_factory=dict)
    adopted: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    watchers: set[Watcher] = field(default_factory=set)
    pins: int = 0
    ending: type[LucidError] | None = None

    @property
    def end(self) -> int:
        """Where the next answer will stand."""
        return self.begin + len(self.answers)

    @property
    def idle(self) -> bool:
        """Nothing here that is not in the database."""
        return not self.items and not self.adopted and not self.watchers and not self.pins

    def answer(self, position: int) -> _Answer:
        """The answer at a position that is still kept."""
        return self.answers[position - self.begin]

    def push(self, data: bytes, *, is_delta: bool, late: int = 0) -> None:
        """Adds an answer and wakes the watchers; without any it is dropped."""
        if not self.watchers:
            self.begin += len(self.answers)
            self.answers.clear()
            self.buffered = 0
            return
        self.answers.append(_Answer(data, is_delta, late))
        self.buffered += len(data)
        self.waking.wake(self.watchers)
        if self.buffered > MAX_BUFFERED or len(self.answers) & 1023 == 0:
            self._trim()

    def push_late(self, seq: int, data: bytes) -> None:
        """Tells an event again to those whose window begins after it."""
        for watcher in self.watchers:
            watcher.picky = True
        self.push(data, is_delta=False, late=seq)

    def _trim(self) -> None:
        """Drops what everybody has; beyond the bound also what a slow one has not: it is told to resync."""
        slowest = min(watcher.position for watcher in self.watchers)
        keep = max(0, slowest - self.begin)
        size = self.buffered - sum(len(answer.data) for answer in self.answers[:keep])
        while size > MAX_BUFFERED and keep < len(self.answers):
            size -= len(self.answers[keep].data)
            keep += 1
        del self.answers[:keep]
        self.begin += keep
        self.buffered = size

    def end_watchers(self, ending: type[LucidError]) -> None:
        """Their streams end with this."""
        self.ending = ending
        for watcher in self.watchers:
            watcher.wake.set()

    def open_items(self) -> list[OpenBytes]:
        """Items whose started event is in the log, in the order of those events."""
        return sorted((item for item in self.items.values() if item.started_seq), key=lambda item: item.started_seq)


class Hub:
    """All sessions in use of this process. Everything here is synchronous: one step can not be torn by another."""

    def __init__(self) -> None:
        self._streams: dict[str, SessionStream] = {}
        self._waking = Waking()
        self.leaving = False

    def stream(self, session_id: str) -> SessionStream:
        """The session's stream, made if it is not in use yet."""
        found = self._streams.get(session_id)
        if found is None:
            found = self._streams[session_id] = SessionStream(self._waking)
        return found

    def publish(self, session_id: str, stored: Iterable[tuple[Event, bytes]]) -> None:
        """Events that have just become durable, in order."""
        stream = self._streams.get(session_id)
        if stream is None:
            return
        for event, data in stored:
            self._follow_item(stream, event, data)
            # A watcher may have read it in the database before it was told of here.
            if event.seq <= stream.seq:
                continue
            stream.seq = event.seq
            stream.push(event_response(data), is_delta=False)
        self.release(session_id)

    def adopt(self, session_id: str, seq: int, started: Iterable[tuple[Event, bytes]]) -> None:
        """A new owner tells where the log stands and which items are open in it."""
        stream = self.stream(session_id)
        # Only where nothing was published yet: an event that is committed and not yet published must still reach
        # those who follow already.
        stream.seq = stream.seq or seq
        for event, data in started:
            # The new owner opens the item only when it goes on with it.
            stream.adopted[event.item_id] = (event.seq, data)
            self._follow_item(stream, event, data)

    @staticmethod
    def _follow_item(stream: SessionStream, event: Event, data: bytes) -> None:
        """Marks the item of a started event, and lets go of that of a completed one."""
        kind = event.WhichOneof("payload")
        if kind not in STARTS and kind not in ENDS:
            return
        for key in [key for key in stream.items if key[0] == event.item_id]:
            if kind in ENDS:
                del stream.items[key]
            else:
                stream.items[key].started_seq, stream.items[key].started = event.seq, data
        if kind in ENDS:
            stream.adopted.pop(event.item_id, None)

    def open(self, session_id: str, item_id: str, channel: int, data: bytes = b"") -> None:
        """An item begins, or is taken up again with the bytes it has."""
        stream = self.stream(session_id)
        started = stream.adopted.get(item_id, (0, b""))
        stream.items.setdefault((item_id, channel), OpenBytes(item_id, channel, bytearray(data), *started))

    def write(self, session_id: str, item_id: str, channel: int, offset: int, data: bytes) -> None:
        """Bytes of an open item; those it has already are not sent twice."""
        stream = self.stream(session_id)
        item = stream.items.get((item_id, channel))
        if item is None:
            return
        have = len(item.data)
        if offset > have or offset + len(data) <= have:
            return
        fresh = data[have - offset :]
        item.data += fresh
        stream.push(delta_response(item_id, channel, have, fresh, stream.seq), is_delta=True)

    def content(self, session_id: str, item_id: str, channel: int) -> bytes:
        """What the item has so far."""
        stream = self._streams.get(session_id)
        item = stream.items.get((item_id, channel)) if stream else None
        return bytes(item.data) if item else b""

    def texts(self, session_id: str) -> dict[tuple[str, int], bytes]:
        """The open texts of a session, for check-points; a command's output is kept by its sandbox."""
        stream = self._streams.get(session_id)
        items = stream.items.values() if stream else ()
        return {(item.item_id, item.channel): bytes(item.data) for item in items if item.channel in _TEXTS}

    def drop(self, session_id: str) -> None:
        """The owner has let go: what is in progress here is in progress no more."""
        stream = self._streams.get(session_id)
        if stream is not None:
            stream.items.clear()
            stream.adopted.clear()
            self.release(session_id)

    def forget(self, session_id: str) -> None:
        """The session is deleted: its watchers are told."""
        stream = self._streams.pop(session_id, None)
        if stream is not None:
            stream.end_watchers(SessionNotFound)

    def leave(self) -> None:
        """This process is about to end: watchers are told to come back, which leads them elsewhere."""
        self.leaving = True
        for stream in self._streams.values():
            stream.end_watchers(Leaving)

    def release(self, session_id: str) -> None:
        """Keeps nothing of a session that nobody follows and nobody runs."""
        stream = self._streams.get(session_id)
        if stream is not None and stream.idle:
            del self._streams[session_id]


def reset(epoch: int) -> bytes:
    """Tells the watcher that its state belongs to another log."""
    return frame_response(Frame(reset=Reset(epoch=epoch, reason="EPOCH_CHANGED")))


def heartbeat(stream: SessionStream) -> bytes:
    """A sign of life with where everything stands."""
    beat = Heartbeat(last_seq=stream.seq)
    beat.time.GetCurrentTime()
    beat.open.extend(
        ItemProgress(item_id=item.item_id, channel=item.channel, length=len(item.data))  # type: ignore[arg-type]
        for item in stream.open_items()
    )
    return frame_response(Frame(heartbeat=beat))


async def follow(stream: SessionStream, watcher: Watcher) -> AsyncIterator[bytes]:
    """What comes after the snapshot, live."""
    loop = asyncio.get_running_loop()
    due, timer = loop.time() + HEARTBEAT_SECONDS, None

    def ring() -> None:
        nonlocal timer
        timer = None
        watcher.wake.set()

    try:
        while True:
            data = watcher.take()
            if not data and loop.time() >= due:
                data = heartbeat(stream)
            if data:
                due = loop.time() + HEARTBEAT_SECONDS
                yield data
                continue
            # One timer per silence, not one per token: where it rings too early it is set again.
            timer = timer or loop.call_at(due, ring)
            await watcher.wake.wait()
    finally:
        if timer is not None:
            timer.cancel()


def ahead_of(items: Sequence[tuple[OpenBytes, int]], cursors: Sequence[ItemCursor]) -> dict[tuple[str, int], int]:
    """The cursors that are further than what is known here."""
    known = {(item.item_id, item.channel): length for item, length in items}
    have = {(cursor.item_id, int(cursor.channel)): cursor.have for cursor in cursors}
    return {key: length for key, length in have.items() if length > known.get(key, 0)}


def snapshot(items: Sequence[tuple[OpenBytes, int]], cursors: Sequence[ItemCursor], after_seq: int) -> list[bytes]:
    """One delta per open item with the bytes the watcher lacks; `items` come with their length at registration."""
    have = {(cursor.item_id, int(cursor.channel)): cursor.have for cursor in cursors}
    answers = []
    for item, length in items:
        start = min(have.get((item.item_id, item.channel), 0), length)
        for offset in range(start, length, DELTA_PIECE):
            piece = bytes(item.data[offset : min(offset + DELTA_PIECE, length)])
            answers.append(delta_response(item.item_id, item.channel, offset, piece, after_seq))
    return answers
