"""Following a session at any replica, whichever of them runs it.

Durable events are read from the database, in order and without a gap; what others say, and a poll every second, only
tell when to look. What is in progress comes from the owner: each replica asks for the sessions it has watchers of, from
the bytes it has, and asks again after whatever may have lost something: a new connection, a gap, a new owner. Redis
therefore keeps nothing, and an empty or new one is as good as the old: a stored stream would have to be trimmed,
found again after a flush, and told from that of an owner before.

The bytes of an item at an offset are the same whoever tells them. So they are only ever joined on where they begin at
or before what is there, and nobody is shown one before the started event of its item.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from lucid.sessions.bus.v1.bus_pb2 import Followed, Note, Piece, Progress, Taken
from lucid.sessions.v1.event_pb2 import Event, ItemCursor

from services.rpc import logs
from services.rpc.errors import LucidError
from services.sessions.domain.models import SessionRecord, State
from services.sessions.store.exchange import Exchange
from services.sessions.store.frames import delta_response, event_response
from services.sessions.store.live import ENDS, STARTS, OpenBytes, SessionStream
from services.sessions.store.reading import channel_of, open_since
from services.sessions.store.watching import PAGE, LiveWatching

log = logs.get_logger("lucid.sessions.sharing")
POLL_SECONDS = 1.0
# How long a new watcher may wait for what the owner has; after that it comes as it comes. A watcher that goes to
# another replica every 200 ms has to get further at each.
OWNER_SECONDS = 0.1
# With these nobody runs the session although its turn is open, so nobody would answer.
_WITHOUT_OWNER = (State.WAITING, State.PAUSED)
ASK_AGAIN_SECONDS = 0.1
END = 2**32 - 1


@dataclass
class _Following:
    """A session that is watched here. `target`: there is more up to this event. `ended`: items that were completed.

    `doubtful`: items that the owner tells of and that began before anything was read here.
    """

    target: int = 0
    reading: "asyncio.Task[None] | None" = None
    ended: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    whole: asyncio.Event = field(default_factory=asyncio.Event)
    asked: float = 0.0


class SharedWatching(LiveWatching):
    """The LiveHub port, where sessions run in several processes."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange
        self._owned: set[str] = set()
        self._following: dict[str, _Following] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        exchange.outbox.find = self._streams.get
        exchange.joined = self._ask_for_all

    def start(self) -> None:
        """Begins to poll."""
        self._begin(self._poll())

    async def stop(self) -> None:
        """Ends what runs in the background."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hear(self, replica: str, note: Note) -> None:
        """What another replica says."""
        session_id, kind = note.session_id, note.WhichOneof("kind")
        if kind == "committed":
            self._read_up_to(session_id, note.committed.seq)
        elif kind == "progress":
            self._progress(session_id, note.progress)
        elif kind == "followed" and session_id in self._owned:
            self._exchange.outbox.follow(session_id, replica, note.followed.items, anew=note.followed.anew)
        elif kind == "taken":
            self._ask(session_id)
        elif kind == "deleted":
            self.forget(session_id)

    def publish(self, session_id: str, stored: Iterable[tuple[Event, bytes]]) -> None:
        """Events that this process has just stored, in order."""
        stored = list(stored)
        self._take_in(session_id, stored)
        self._exchange.committed(session_id, stored[-1][0].seq)
        self.release(session_id)

    def _take_in(self, session_id: str, stored: Iterable[tuple[Event, bytes]]) -> None:
        stream, following = self._streams.get(session_id), self._following.get(session_id)
        if stream is None:
            return
        for event, data in stored:
            if following is not None and stream.seq and event.seq > stream.seq + 1:
                # Others have written in between: watchers get that first.
                self._read_up_to(session_id, event.seq)
                return
            fresh = event.seq > stream.seq
            if fresh:
                stream.seq = event.seq
                stream.push(event_response(data), is_delta=False)
            self._note(session_id, stream, event, data, fresh=fresh)

    def _note(self, session_id: str, stream: SessionStream, event: Event, data: bytes, *, fresh: bool) -> None:
        """Begins or ends the event's item."""
        kind = event.WhichOneof("payload")
        following = self._following.get(session_id)
        if kind in STARTS:
            if fresh and following is not None and session_id not in self._owned:
                key = (event.item_id, channel_of(event))
                stream.items.setdefault(key, OpenBytes(*key, bytearray()))
            self._show(session_id, stream, event, data)
        elif kind in ENDS:
            self._follow_item(stream, event, data)
            if following is not None:
                following.ended.add(event.item_id)
                following.doubtful.discard(event.item_id)

    def _show(self, session_id: str, stream: SessionStream, event: Event, data: bytes) -> None:
        """The item's started event is known: what was held back is shown."""
        held = [item for item in stream.items.values() if item.item_id == event.item_id and not item.started_seq]
        self._follow_item(stream, event, data)
        for item in held:
            if item.data:
                answer = delta_response(item.item_id, item.channel, 0, bytes(item.data), stream.seq)
                stream.push(answer, is_delta=True)
        self._exchange.outbox.grown(session_id)

    def write(self, session_id: str, item_id: str, channel: int, offset: int, data: bytes) -> None:
        """Bytes of an open item; held back until its started event is known here."""
        stream = self.stream(session_id)
        item = stream.items.get((item_id, channel))
        if item is None:
            return
        have = len(item.data)
        if offset > have or offset + len(data) <= have:
            return
        fresh = data[have - offset :]
        item.data += fresh
        if item.started_seq:
            stream.push(delta_response(item_id, channel, have, fresh, stream.seq), is_delta=True)
            self._exchange.outbox.grown(session_id)

    def adopt(self, session_id: str, seq: int, started: Iterable[tuple[Event, bytes]]) -> None:
        """This process owns the session now; what it has seen of it as a follower is gone on with."""
        self._owned.add(session_id)
        stream, started = self.stream(session_id), list(started)
        opened = {event.item_id for event, _ in started}
        for key in [key for key in stream.items if key[0] not in opened]:
            del stream.items[key]
        if session_id not in self._following:
            stream.seq = max(stream.seq, seq)
        for event, data in started:
            # Where watchers here have not come so far yet, the item is shown once the event is read.
            if event.seq <= stream.seq:
                stream.adopted[event.item_id] = (event.seq, data)
                self._show(session_id, stream, event, data)
        self._read_up_to(session_id, seq)
        self._exchange.tell(Note(session_id=session_id, taken=Taken()))

    def drop(self, session_id: str) -> None:
        """This process owns the session no more; its watchers here follow the next owner."""
        self._owned.discard(session_id)
        self._exchange.outbox.forget(session_id)
        stream = self._streams.get(session_id)
        if stream is None or session_id not in self._following:
            super().drop(session_id)
            return
        stream.adopted.clear()
        for key in [key for key, item in stream.items.items() if not item.started_seq]:
            del stream.items[key]
        self._ask(session_id)

    def release(self, session_id: str) -> None:
        """Keeps nothing of a session that nobody follows and nobody runs here."""
        stream = self._streams.get(session_id)
        if stream is not None and not stream.watchers and not stream.pins:
            following = self._following.pop(session_id, None)
            if following is not None and following.reading is not None:
                following.reading.cancel()
            if session_id not in self._owned:
                stream.items.clear()
                stream.adopted.clear()
        super().release(session_id)

    def forget(self, session_id: str) -> None:
        """The session is deleted: its watchers are told."""
        self._owned.discard(session_id)
        self._following.pop(session_id, None)
        self._exchange.outbox.forget(session_id)
        super().forget(session_id)

    async def _catch_up(self, stream: SessionStream, record: SessionRecord) -> None:
        """A watcher begins where the log stands, with what is in progress as far as the owner can be asked."""
        session_id = record.session_id
        following = self._following.setdefault(session_id, _Following())
        if session_id not in self._owned and not following.asked:
            self._ask(session_id)
        self._read_up_to(session_id, record.seq)
        if following.reading is not None:
            await asyncio.wait((following.reading,))
        runs = record.turn_open and record.state not in _WITHOUT_OWNER
        if runs and self._exchange.connected and session_id not in self._owned:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OWNER_SECONDS):
                    await following.whole.wait()

    def _read_up_to(self, session_id: str, seq: int) -> None:
        stream, following = self._streams.get(session_id), self._following.get(session_id)
        if stream is None or following is None or not stream.seq or seq <= stream.seq:
            return
        following.target = max(following.target, seq)
        if following.reading is None:
            following.reading = self._begin(self._read(session_id, stream, following))

    async def _read(self, session_id: str, stream: SessionStream, following: _Following) -> None:
        assert self._store is not None
        try:
            while stream.seq < following.target:
                rows = await self._store.read(session_id, stream.seq, END, PAGE)
                if not rows:
                    return
                self._take_in(session_id, [(Event.FromString(data), data) for _, data in rows])
        except LucidError as error:
            log.info("not read on", extra={"session": session_id, "reason": error.reason})
        finally:
            following.reading = None

    def _progress(self, session_id: str, progress: Progress) -> None:
        stream, following = self._streams.get(session_id), self._following.get(session_id)
        if stream is None or following is None or session_id in self._owned:
            return
        for piece in progress.pieces:
            if piece.item_id not in following.ended:
                self._piece(session_id, stream, following, piece)
        if progress.whole and not following.doubtful:
            following.whole.set()

    def _piece(self, session_id: str, stream: SessionStream, following: _Following, piece: Piece) -> None:
        key = (piece.item_id, int(piece.channel))
        item = stream.items.get(key)
        if item is None:
            item = stream.items[key] = OpenBytes(*key, bytearray())
            if piece.started_seq > stream.seq:
                self._read_up_to(session_id, piece.started_seq)
            elif piece.item_id not in following.doubtful:
                following.doubtful.add(piece.item_id)
                self._begin(self._settle(session_id, stream, following, piece.item_id, piece.started_seq))
        if piece.offset > len(item.data):
            self._ask(session_id, pause=ASK_AGAIN_SECONDS)
            return
        self.write(session_id, piece.item_id, key[1], piece.offset, piece.data)

    async def _settle(
        self, session_id: str, stream: SessionStream, following: _Following, item_id: str, started_seq: int
    ) -> None:
        """Whether an item is open as the owner said is what the log says."""
        assert self._store is not None
        try:
            started = await open_since(self._store, session_id, item_id, started_seq)
        except LucidError as error:
            log.info("item not settled", extra={"session": session_id, "reason": error.reason})
            started = None
        if started is None or item_id in following.ended:
            for key in [key for key in stream.items if key[0] == item_id]:
                del stream.items[key]
        else:
            stream.push_late(started[0].seq, event_response(started[1]))
            self._show(session_id, stream, *started)
        following.doubtful.discard(item_id)
        if not following.doubtful:
            following.whole.set()

    def _ask(self, session_id: str, *, pause: float = 0.0) -> None:
        """Asks the owner for what is in progress from where we are; not if that was done within `pause` seconds."""
        following = self._following.get(session_id)
        now = asyncio.get_running_loop().time()
        if following is not None and session_id not in self._owned and now >= following.asked + pause:
            following.asked = now
            self._exchange.tell(self._followed(session_id, anew=True))

    def _ask_for_all(self) -> None:
        for session_id in self._following:
            self._ask(session_id)

    def _followed(self, session_id: str, *, anew: bool) -> Note:
        stream = self._streams.get(session_id)
        items = stream.items.values() if stream else ()
        have = [ItemCursor(item_id=item.item_id, channel=item.channel, have=len(item.data)) for item in items]  # type: ignore[arg-type]
        return Note(session_id=session_id, followed=Followed(items=have, anew=anew))

    async def _poll(self) -> None:
        """Finds what was not heard, and says what is followed here."""
        assert self._store is not None
        while True:
            await asyncio.sleep(POLL_SECONDS)
            watched = list(self._following)
            for session_id in watched:
                if session_id not in self._owned:
                    self._exchange.tell(self._followed(session_id, anew=False))
            if not watched:
                continue
            try:
                heads = await self._store.heads(watched)
            except LucidError as error:
                log.info("not polled", extra={"reason": error.reason})
                continue
            for session_id in watched:
                if session_id in heads:
                    self._read_up_to(session_id, heads[session_id])
                else:
                    self.forget(session_id)

    def _begin(self, step: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(step, name="sharing")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
