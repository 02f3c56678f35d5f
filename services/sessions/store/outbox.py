"""What an owner still has to show to replicas that follow its sessions.

Nothing is queued here: the bytes stay in the open items, and for each reader only how far it was sent is kept. However
slow the bus is, this takes no memory and a token costs one look-up; what has gathered meanwhile goes in one piece.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from lucid.sessions.bus.v1.bus_pb2 import Note, Piece, Progress
from lucid.sessions.v1.event_pb2 import ItemCursor

from services.sessions.store.live import SessionStream

PIECE = 64 * 1024
AT_ONCE = 1024 * 1024
PATIENCE = 5.0
Key = tuple[str, int]


@dataclass
class _Reader:
    """One replica that follows one session. `until`: it must have said so again by then (monotonic seconds)."""

    until: float
    sent: dict[Key, int] = field(default_factory=dict)
    told: bool = False


@dataclass(frozen=True)
class Parcel:
    """One note to one replica, and how far its reader is once it has arrived."""

    replica: str
    note: Note
    reader: _Reader
    sent: dict[Key, int]

    @property
    def size(self) -> int:
        """Bytes of open items."""
        return sum(len(piece.data) for piece in self.note.progress.pieces)


class Outbox:
    """`ring` is called when there is something to take. `find` answers the stream of a session in use."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self.find: Callable[[str], SessionStream | None] = lambda _: None
        self._ring = ring
        self._readers: dict[str, dict[str, _Reader]] = {}
        self._grown: dict[str, None] = {}

    @property
    def waiting(self) -> bool:
        """There is something to take."""
        return bool(self._grown)

    def follow(self, session_id: str, replica: str, cursors: Iterable[ItemCursor], *, anew: bool) -> None:
        """A replica follows a session of ours, or still does."""
        readers = self._readers.setdefault(session_id, {})
        until = time.monotonic() + PATIENCE
        if not anew and replica in readers:
            readers[replica].until = until
            return
        readers[replica] = _Reader(until, {(cursor.item_id, int(cursor.channel)): cursor.have for cursor in cursors})
        self.grown(session_id)

    def grown(self, session_id: str) -> None:
        """An open item has more bytes than before, or there is one more."""
        if session_id in self._readers and session_id not in self._grown:
            self._grown[session_id] = None
            self._ring()

    def forget(self, session_id: str) -> None:
        """The session is ours no more."""
        self._readers.pop(session_id, None)
        self._grown.pop(session_id, None)

    def take(self) -> list[Parcel]:
        """About AT_ONCE bytes of what is to be sent; what is over comes with the next take."""
        parcels: list[Parcel] = []
        size = 0
        while self._grown and size < AT_ONCE:
            session_id = next(iter(self._grown))
            del self._grown[session_id]
            for replica, reader in self._current(session_id):
                if parcel := self._parcel(session_id, replica, reader):
                    parcels.append(parcel)
                    size += parcel.size
        return parcels

    def sent(self, parcels: Sequence[Parcel], receivers: Sequence[int]) -> None:
        """They have arrived at so many. Nobody there: the replica says it again if it comes back."""
        for parcel, count in zip(parcels, receivers, strict=True):
            session_id = parcel.note.session_id
            if not count:
                self._leave(session_id, parcel)
                continue
            parcel.reader.sent, parcel.reader.told = parcel.sent, True
            if not parcel.note.progress.whole:
                self.grown(session_id)

    def lost(self, parcels: Sequence[Parcel]) -> None:
        """They may not have arrived: they are taken again."""
        for parcel in parcels:
            self.grown(parcel.note.session_id)

    def _leave(self, session_id: str, parcel: Parcel) -> None:
        readers = self._readers.get(session_id, {})
        if readers.get(parcel.replica) is parcel.reader:
            del readers[parcel.replica]

    def _current(self, session_id: str) -> list[tuple[str, _Reader]]:
        """Its readers; those that have not said for long that they follow are dropped."""
        now = time.monotonic()
        readers = {
            replica: reader for replica, reader in self._readers.get(session_id, {}).items() if reader.until > now
        }
        if readers:
            self._readers[session_id] = readers
        else:
            self._readers.pop(session_id, None)
        return list(readers.items())

    def _parcel(self, session_id: str, replica: str, reader: _Reader) -> Parcel | None:
        """None where the reader has everything and was told so."""
        stream = self.find(session_id)
        progress, sent, room = Progress(whole=True), {}, AT_ONCE
        for item in stream.open_items() if stream else ():
            key = (item.item_id, item.channel)
            start = reader.sent.get(key, 0)
            end = min(len(item.data), start + room)
            for offset in range(start, end, PIECE):
                progress.pieces.append(
                    Piece(
                        item_id=item.item_id,
                        channel=item.channel,  # type: ignore[arg-type]
                        started_seq=item.started_seq,
                        offset=offset,
                        data=bytes(item.data[offset : min(offset + PIECE, end)]),
                    )
                )
            progress.whole = progress.whole and end == len(item.data)
            sent[key], room = end, room - max(0, end - start)
        if reader.told and not progress.pieces:
            return None
        return Parcel(replica, Note(session_id=session_id, progress=progress), reader, sent)
