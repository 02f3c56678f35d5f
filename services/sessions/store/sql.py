"""The EventStore on SQLite and Postgres."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from lucid.sessions.v1.event_pb2 import Event
from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from services.sessions.domain.environment import Environment
from services.sessions.domain.errors import SessionNotFound
from services.sessions.domain.models import Change, Draft, Lease, Leftover, Repository, Request, SessionRecord
from services.sessions.ports import Transition
from services.sessions.store import cursors, environments, leftovers
from services.sessions.store.database import Database
from services.sessions.store.migrating import migrate
from services.sessions.store.rows import change_row, new_row, to_record
from services.sessions.store.tables import events, progress, sessions
from services.sessions.store.writer import GroupWriter, Publish, number

LAST = 2**31 - 1
_REQUESTS = (sessions.c.session_id, sessions.c.stop_requested, sessions.c.pause_requested)
# Built once: to put a statement together takes longer than to run it.
_GET = select(sessions).where(sessions.c.session_id == bindparam("session"))
_BY_REQUEST = select(sessions).where(
    sessions.c.owner_id == bindparam("owner"), sessions.c.request_id == bindparam("request")
)
_FIND = select(events.c.data).where(events.c.session_id == bindparam("session"), events.c.key == bindparam("wanted"))
_READ = (
    select(events.c.seq, events.c.data)
    .where(
        events.c.session_id == bindparam("session"),
        events.c.seq > bindparam("after"),
        events.c.seq <= bindparam("upto"),
    )
    .order_by(events.c.seq)
    .limit(bindparam("most"))
)


class SqlEventStore:
    """Sessions and their logs. `lease_seconds`: how long an owner may be silent before another one takes over."""

    def __init__(
        self, database: Database, publish: Publish, lease_seconds: float, on_deleted: Callable[[str], None]
    ) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._publish = publish
        self._on_deleted = on_deleted
        self._writer = GroupWriter(database, publish)
        self._writing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Migrates and begins to write."""
        await migrate(self._database)
        self._writing = asyncio.create_task(self._writer.run(), name="event-writer")

    async def stop(self) -> None:
        """Writes what waits, then closes."""
        if self._writing is not None:
            self._writer.close()
            await self._writing
        await self._database.dispose()

    async def create(self, record: SessionRecord, request_id: str, change: Change) -> SessionRecord:
        """Stores a new session with its first events; the same (owner, request_id) answers the first one."""
        if known := await self._by_request(record.owner_id, request_id):
            return known
        row = new_row(record, request_id)
        stored: list[tuple[Draft, bytes]] = []
        change_row(row, change)

        def work(connection: Connection) -> None:
            now = connection.execute(select(self._database.now)).scalar_one()
            row.update(create_time=now, update_time=now)
            for draft in change.drafts:
                stored.append((draft, number(draft.event, row, now)))
            connection.execute(insert(sessions).values(row))
            rows = [
                {"session_id": record.session_id, "seq": draft.event.seq, "key": draft.key or None, "data": data}
                for draft, data in stored
            ]
            connection.execute(insert(events), rows)

        try:
            await self._database.write(work)
        except IntegrityError:
            # The same request came twice at once; the other one won.
            if known := await self._by_request(record.owner_id, request_id):
                return known
            raise
        self._publish(record.session_id, [(draft.event, data) for draft, data in stored])
        return to_record(row)

    async def _by_request(self, owner_id: str, request_id: str) -> SessionRecord | None:
        return await self._one(_BY_REQUEST, {"owner": owner_id, "request": request_id})

    async def _one(self, query: Select[Any], which: dict[str, str]) -> SessionRecord | None:
        row = await self._database.read(lambda connection: connection.execute(query, which).mappings().one_or_none())
        return None if row is None else to_record(dict(row))

    async def get(self, session_id: str) -> SessionRecord:
        """Raises SessionNotFound."""
        record = await self._one(_GET, {"session": session_id})
        if record is None:
            raise SessionNotFound(session_id=session_id)
        return record

    async def list_sessions(
        self, owner_id: str, before: tuple[float, str] | None, limit: int, query: str
    ) -> list[SessionRecord]:
        """Most recently changed first."""
        wanted: Any = select(sessions).where(sessions.c.owner_id == owner_id)
        if before is not None:
            changed, session_id = before
            earlier = and_(sessions.c.update_time == changed, sessions.c.session_id < session_id)
            wanted = wanted.where(or_(sessions.c.update_time < changed, earlier))
        if query:
            needle = query.lower()
            holds = [
                func.lower(column).contains(needle, autoescape=True) for column in (sessions.c.title, sessions.c.task)
            ]
            wanted = wanted.where(or_(*holds))
        wanted = wanted.order_by(sessions.c.update_time.desc(), sessions.c.session_id.desc()).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(wanted).mappings().all())
        return [to_record(dict(row)) for row in rows]

    async def delete(self, session_id: str) -> None:
        """Removes the session with its log, and remembers in the same step that gate and sandbox have to go."""
        gone = delete(sessions).where(sessions.c.session_id == session_id)

        def work(connection: Connection) -> None:
            leftovers.remember(connection, self._database, session_id)
            connection.execute(gone)

        await self._database.write(work)
        self._on_deleted(session_id)

    async def take_leftovers(self, limit: int) -> list[Leftover]:
        """Deleted sessions whose gate and sandbox are to be removed now. Each comes again until it is forgotten."""
        return await leftovers.take_due(self._database, limit)

    async def forget_leftover(self, session_id: str) -> None:
        """Gate and sandbox are surely gone."""
        await leftovers.forget(self._database, session_id)

    async def cursor(self, name: str) -> int:
        """How far what another service tells in order was read; 0 at the beginning."""
        return await cursors.get(self._database, name)

    async def move_cursor(self, name: str, before: int, number: int) -> None:
        """Goes on from `before`; nothing where another replica has moved it since."""
        await cursors.move(self._database, name, before, number)

    async def environment(self, owner_id: str, repository: Repository) -> Environment:
        """What the owner has set for their sessions on a repository; NOTHING where nothing was set."""
        return await environments.get(self._database, owner_id, repository)

    async def save_environment(self, owner_id: str, repository: Repository, wanted: Environment) -> None:
        """In place of what was set; NOTHING removes it."""
        await environments.save(self._database, owner_id, repository, wanted)

    async def apply(self, session_id: str, transition: Transition, lease: Lease | None = None) -> list[Event]:
        """Runs a transition in the next group and answers its events as stored."""
        return await self._writer.submit(session_id, transition, lease)

    async def read(self, session_id: str, after: int, upto: int, limit: int) -> list[tuple[int, bytes]]:
        """(seq, stored bytes) with after < seq <= upto, in order."""
        bounds = {"session": session_id, "after": after, "upto": min(upto, LAST), "most": limit}
        rows = await self._database.read(lambda connection: connection.execute(_READ, bounds).all())
        return [(seq, data) for seq, data in rows]

    async def find(self, session_id: str, key: str) -> Event | None:
        """The event stored under a key."""
        which = {"session": session_id, "wanted": key}
        data = await self._database.read(lambda connection: connection.execute(_FIND, which).scalar_one_or_none())
        return None if data is None else Event.FromString(data)

    async def count_active(self) -> int:
        """How many sessions have a turn open."""
        query = select(func.count()).select_from(sessions).where(sessions.c.turn_open)
        return await self._database.read(lambda connection: int(connection.execute(query).scalar_one()))

    async def claim(self, worker: str, limit: int, held: Collection[str] = ()) -> list[SessionRecord]:
        """Takes over sessions that are wanted, or whose time to wake has come, and whose lease is free or has run out,
        each with a new epoch; not those `held`.

        What the worker owns and does not hold is free too: a claim whose answer was lost, or a session that was let go
        without the database.
        """
        now = self._database.now
        waking = and_(sessions.c.wake_at > 0, sessions.c.wake_at <= now)
        due = or_(sessions.c.wanted, waking)
        ownerless = or_(sessions.c.lease_until < now, sessions.c.lease_owner == worker)
        claimable = and_(due, ownerless, sessions.c.session_id.not_in(held))
        free = select(sessions.c.session_id).where(claimable).limit(limit)
        # A read first: on SQLite every write transaction holds up the log's writer.
        if await self._database.read(lambda connection: connection.execute(free.limit(1)).first()) is None:
            return []
        if self._database.locks_rows:
            free = free.with_for_update(skip_locked=True)
        claimed = (
            update(sessions)
            .where(sessions.c.session_id.in_(free.scalar_subquery()))
            .values(lease_owner=worker, lease_epoch=sessions.c.lease_epoch + 1, lease_until=now + self._lease_seconds)
            .returning(sessions)
        )
        rows = await self._database.write(lambda connection: connection.execute(claimed).mappings().all())
        return [to_record(dict(row)) for row in rows]

    async def take(self, worker: str, session_id: str) -> SessionRecord | None:
        """Takes one session over, with a new epoch, that has no work to do and no owner; None where it has."""
        now = self._database.now
        rests = and_(sessions.c.session_id == session_id, ~sessions.c.wanted, sessions.c.lease_until < now)
        taken = (
            update(sessions)
            .where(rests)
            .values(lease_owner=worker, lease_epoch=sessions.c.lease_epoch + 1, lease_until=now + self._lease_seconds)
            .returning(sessions)
        )
        row = await self._database.write(lambda connection: connection.execute(taken).mappings().one_or_none())
        return None if row is None else to_record(dict(row))

    async def renew(self, worker: str, session_ids: Sequence[str]) -> dict[str, Request]:
        """Extends leases; answers those still ours with what is requested of them."""
        ours = and_(sessions.c.session_id.in_(session_ids), sessions.c.lease_owner == worker)
        values = {"lease_until": self._database.now + self._lease_seconds}
        renewed = update(sessions).values(values).returning(*_REQUESTS)
        rows = await self._database.write(lambda connection: self._lease(connection, ours, renewed))
        return {session_id: _request(stop, pause) for session_id, stop, pause in rows}

    def _lease(self, connection: Connection, ours: ColumnElement[bool], change: Any) -> Sequence[Any]:
        """Changes leases. The rows are locked first, in the order in which the writer locks: else the two could wait
        for each other. A step of its own, so that the change sees them as they are once they are locked."""
        ids = select(sessions.c.session_id).where(ours).order_by(sessions.c.session_id)
        if self._database.locks_rows:
            ids = ids.with_for_update(key_share=True)
        locked = connection.execute(ids).scalars().all()
        return connection.execute(change.where(sessions.c.session_id.in_(locked))).all() if locked else []

    async def heads(self, session_ids: Collection[str]) -> dict[str, int]:
        """The last number of each session's log; those that are gone are missing."""
        query = select(sessions.c.session_id, sessions.c.seq).where(sessions.c.session_id.in_(session_ids))
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {session_id: seq for session_id, seq in rows}  # noqa: C416 typed rows

    async def release(self, worker: str) -> None:
        """Gives all leases of a worker back at once."""
        released = update(sessions).values(lease_owner="", lease_until=0.0).returning(sessions.c.session_id)
        ours = sessions.c.lease_owner == worker
        await self._database.write(lambda connection: self._lease(connection, ours, released))

    async def save_progress(self, items: Mapping[tuple[str, str, int], bytes]) -> None:
        """Check-points the bytes of open items; those of a session that is being deleted may be lost with it."""
        where = [{"session": session_id, "item": item, "chan": channel} for session_id, item, channel in items]
        which = and_(
            progress.c.session_id == bindparam("session"),
            progress.c.item_id == bindparam("item"),
            progress.c.channel == bindparam("chan"),
        )
        rows = [
            {"session_id": session_id, "item_id": item, "channel": channel, "data": data}
            for (session_id, item, channel), data in items.items()
        ]

        def work(connection: Connection) -> None:
            connection.execute(delete(progress).where(which), where)
            connection.execute(insert(progress), rows)

        with contextlib.suppress(IntegrityError):
            await self._database.write(work)

    async def load_progress(self, session_id: str) -> dict[tuple[str, int], bytes]:
        """The last check-points."""
        query = select(progress.c.item_id, progress.c.channel, progress.c.data).where(
            progress.c.session_id == session_id
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {(item, channel): data for item, channel, data in rows}


def _request(stop: bool, pause: bool) -> Request:
    if stop:
        return Request.STOP
    return Request.PAUSE if pause else Request.NOTHING
