"""Following a session: history from the database, what is in progress, then live; without a gap and nothing twice."""

from collections.abc import AsyncGenerator, Sequence

from lucid.sessions.v1.event_pb2 import CaughtUp, Frame, ItemCursor

from services.sessions.domain.errors import CursorBeyondEnd, Leaving
from services.sessions.domain.models import SessionRecord
from services.sessions.ports import EventStore
from services.sessions.store.frames import event_response, frame_response
from services.sessions.store.live import MAX_MESSAGE, Hub, SessionStream, Watcher, ahead_of, follow, reset, snapshot

PAGE = 1000


class LiveWatching(Hub):
    """The hub together with the log behind it: the LiveHub port."""

    def __init__(self) -> None:
        super().__init__()
        self._store: EventStore | None = None

    def backed_by(self, store: EventStore) -> None:
        """The store publishes to the hub and the hub reads from the store, so one of them comes second."""
        self._store = store

    async def watch(
        self, session_id: str, epoch: int, after_seq: int, items: Sequence[ItemCursor], last_n: int, durable_only: bool
    ) -> AsyncGenerator[bytes, None]:
        """Serialised answers (see the proto). Raises SessionNotFound, CursorBeyondEnd, Resync."""
        assert self._store is not None
        stream = self.stream(session_id)
        # Pinned before the row is read, so that what becomes durable meanwhile is seen here.
        stream.pins += 1
        try:
            record = await self._store.get(session_id)
            stream.seq = stream.seq or record.seq
            await self._catch_up(stream, record)
            if self.leaving:
                raise Leaving
            if epoch and epoch != record.log_epoch:
                yield reset(record.log_epoch)
                after_seq, items = 0, ()
            if after_seq > max(stream.seq, record.seq):
                raise CursorBeyondEnd(last_seq=str(stream.seq))
            async for data in self._follow_from(session_id, stream, after_seq, items, last_n, durable_only):
                yield data
        finally:
            stream.pins -= 1
            self.release(session_id)

    async def _catch_up(self, stream: SessionStream, record: SessionRecord) -> None:
        """Where other processes write too, this is when to learn what they have written."""

    async def _follow_from(
        self,
        session_id: str,
        stream: SessionStream,
        after_seq: int,
        items: Sequence[ItemCursor],
        last_n: int,
        durable_only: bool,
    ) -> AsyncGenerator[bytes, None]:
        windowed = bool(last_n) and not after_seq
        first = max(0, stream.seq - last_n) if windowed else after_seq
        # Snapshot and registration are one step: nothing falls between, nothing comes twice.
        head = stream.seq
        open_items = [(item, len(item.data)) for item in stream.open_items()]
        watcher = Watcher(stream, durable_only, first if windowed else 0, ahead_of(open_items, items))
        stream.watchers.add(watcher)
        try:
            if windowed and (older := [item for item, _ in open_items if item.started_seq <= first]):
                # Else the deltas of these items would be dropped as unknown.
                yield b"".join(event_response(item.started) for item in older)
            async for data in self._history(session_id, first, head):
                yield data
            for data in [] if durable_only else snapshot(open_items, items, head):
                yield data
            yield frame_response(Frame(caught_up=CaughtUp(seq=head, first_available_seq=1 if head else 0)))
            async for data in follow(stream, watcher):
                yield data
        finally:
            stream.watchers.discard(watcher)

    async def _history(self, session_id: str, first: int, head: int) -> AsyncGenerator[bytes, None]:
        """Events first < seq <= head."""
        assert self._store is not None
        while first < head:
            rows = await self._store.read(session_id, first, head, PAGE)
            if not rows:
                return
            first = rows[-1][0]
            for data in _joined(rows):
                yield data


def _joined(rows: Sequence[tuple[int, bytes]]) -> list[bytes]:
    """Answers of about MAX_MESSAGE bytes."""
    messages: list[bytes] = []
    parts: list[bytes] = []
    size = 0
    for _, stored in rows:
        if size and size + len(stored) > MAX_MESSAGE:
            messages.append(b"".join(parts))
            parts, size = [], 0
        parts.append(event_response(stored))
        size += len(parts[-1])
    return [*messages, b"".join(parts)]
