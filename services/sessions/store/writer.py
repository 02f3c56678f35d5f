"""The one writer of a process: what waits from all sessions goes into one transaction, then they are all woken.

Inside the transaction each session's row is locked, the lease is checked, the transition decides on the row as it is,
and its events get the next numbers. The fence and the events are one transaction, so a paused owner cannot write late.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from lucid.sessions.v1.event_pb2 import Event
from sqlalchemy import Connection, Select, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.rpc import logs
from services.rpc.errors import LucidError
from services.rpc.ids import new_ulid
from services.sessions.domain.errors import Fenced, SessionNotFound, StoreUnavailable
from services.sessions.domain.models import Change, Draft, Lease
from services.sessions.ports import Transition
from services.sessions.store.database import AWAY, Database
from services.sessions.store.rows import change_row, followed_row, to_record
from services.sessions.store.tables import events, progress, sessions

log = logs.get_logger("lucid.sessions.writer")
GROUP = 500
ATTEMPTS = 3
Publish = Callable[[str, list[tuple[Event, bytes]]], None]
_ENDS = ("text_completed", "command_completed")
_FIXED = frozenset({"session_id", "owner_id", "request_id", "task", "model", "sandbox_id", "log_epoch", "lease_epoch"})
_MUTABLE = tuple(column.name for column in sessions.c if column.name not in _FIXED)
# Built once: to put a statement together takes longer than to run it.
_INSERT = insert(events)
_UPDATE = update(sessions).where(sessions.c.session_id == bindparam("which"))
_ENDED = delete(progress).where(
    progress.c.session_id == bindparam("ended_session"), progress.c.item_id == bindparam("ended_item")
)


@dataclass
class Pending:
    """One caller's wish, and where its answer goes."""

    session_id: str
    decide: Transition
    lease: Lease | None
    answer: "asyncio.Future[list[Event]]"


@dataclass
class _Group:
    """What one transaction has come to so far."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    now: float = 0.0
    inserts: list[dict[str, Any]] = field(default_factory=list)
    stored: dict[str, list[tuple[Event, bytes]]] = field(default_factory=dict)
    by_key: dict[tuple[str, str], Event] = field(default_factory=dict)
    ended: list[dict[str, str]] = field(default_factory=list)
    answers: list[tuple[Pending, list[Event] | LucidError]] = field(default_factory=list)


class GroupWriter:
    """Start `run` as a task; `submit` from anywhere on the loop."""

    def __init__(self, database: Database, publish: Publish) -> None:
        self._database = database
        self._publish = publish
        self._locked = _locking(database)
        self._waiting: list[Pending] = []
        self._wake = asyncio.Event()
        self._closed = False

    async def submit(self, session_id: str, decide: Transition, lease: Lease | None) -> list[Event]:
        """The transition's events, once they are durable."""
        answer: asyncio.Future[list[Event]] = asyncio.get_running_loop().create_future()
        self._waiting.append(Pending(session_id, decide, lease, answer))
        self._wake.set()
        # A caller that goes away does not undo what is on its way into the log.
        return await asyncio.shield(answer)

    async def run(self) -> None:
        """Commits groups until `close`, then what still waits."""
        while self._waiting or not self._closed:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            await self._commit(batch)

    def close(self) -> None:
        """Lets `run` come to its end."""
        self._closed = True
        self._wake.set()

    async def _commit(self, batch: list[Pending]) -> None:
        doubtful: _Group | None = None
        look_up = False
        attempt = 0
        while attempt < ATTEMPTS:
            group = _Group()
            try:
                group = await self._transaction(batch, group, doubtful, look_up)
            except AWAY as error:
                log.warning("commit failed", extra={"attempt": attempt, "error": type(error).__name__})
                doubtful = group if group.stored else doubtful
                await asyncio.sleep(0.05 * 4**attempt)
                attempt += 1
            except Exception as error:
                if look_up or not isinstance(error, IntegrityError):
                    await self._one_by_one(batch, error)
                    return
                # A key is in the log already. That is rare, so keys are looked up only now.
                look_up = True
            else:
                self._answer(group)
                return
        _refuse(batch, StoreUnavailable())

    async def _one_by_one(self, batch: list[Pending], error: Exception) -> None:
        """A change that cannot be stored is refused; those it happened to be grouped with are stored."""
        if len(batch) == 1:
            log.error("a change cannot be stored", extra={"session": batch[0].session_id}, exc_info=error)
            _refuse(batch, error)
            return
        for pending in batch:
            await self._commit([pending])

    def _answer(self, group: _Group) -> None:
        for session_id, stored in group.stored.items():
            self._publish(session_id, stored)
        for pending, result in group.answers:
            if pending.answer.done():
                continue
            if isinstance(result, LucidError):
                pending.answer.set_exception(result)
            else:
                pending.answer.set_result(result)

    async def _transaction(self, batch: list[Pending], group: _Group, doubtful: _Group | None, look_up: bool) -> _Group:
        """`doubtful`: the try before, whose commit was not answered; if it is in the log it is the answer."""
        async with self._database.transaction() as transaction:
            await transaction.run(lambda connection: self._lock(connection, group, batch))
            if doubtful is not None and await transaction.run(lambda connection: _landed(connection, doubtful)):
                return doubtful
            for pending in batch:
                try:
                    change = _decide(group, pending)
                    if look_up:
                        await transaction.run(partial(_find, group=group, session_id=pending.session_id, change=change))
                    result: list[Event] | LucidError = _change(group, pending.session_id, change)
                except LucidError as error:
                    result = error
                group.answers.append((pending, result))
            await transaction.commit(lambda connection: _write(connection, group))
        return group

    def _lock(self, connection: Connection, group: _Group, batch: Iterable[Pending]) -> None:
        ids = sorted({pending.session_id for pending in batch})
        rows = [dict(row) for row in connection.execute(self._locked, {"ids": ids}).mappings()]
        group.rows = {row["session_id"]: row for row in rows}
        group.now = rows[0]["now"] if rows else 0.0


def _locking(database: Database) -> Select[Any]:
    """The rows of a group. In the order of their ids, so that two writers cannot wait for each other; without the
    keys, so that a check-point, which only refers to the rows, does not wait at all."""
    mine = sessions.c.session_id.in_(bindparam("ids", expanding=True))
    query = select(sessions, database.now.label("now")).where(mine)
    return query.order_by(sessions.c.session_id).with_for_update(key_share=True) if database.locks_rows else query


def _landed(connection: Connection, doubtful: _Group) -> bool:
    """Whether an earlier try is in the log after all; all of it is, or none."""
    session_id, stored = next(iter(doubtful.stored.items()))
    event, data = stored[-1]
    query = select(events.c.data).where(events.c.session_id == session_id, events.c.seq == event.seq)
    return bool(connection.execute(query).scalar_one_or_none() == data)


def _decide(group: _Group, pending: Pending) -> Change:
    row = group.rows.get(pending.session_id)
    if row is None:
        raise SessionNotFound(session_id=pending.session_id)
    if pending.lease is not None and pending.lease.epoch != row["lease_epoch"]:
        raise Fenced(session_id=pending.session_id)
    return pending.decide(to_record(row))


def _find(connection: Connection, group: _Group, session_id: str, change: Change) -> None:
    """Looks for the keys of a change in the log."""
    keys = [draft.key for draft in change.drafts if draft.key and (session_id, draft.key) not in group.by_key]
    query = select(events.c.key, events.c.data).where(events.c.session_id == session_id, events.c.key.in_(keys))
    for key, data in connection.execute(query):
        group.by_key[session_id, key] = Event.FromString(data)


def _change(group: _Group, session_id: str, change: Change) -> list[Event]:
    """Its events as they will be stored, or as they are in the log already."""
    row = group.rows[session_id]
    answer = [group.by_key.get((session_id, draft.key)) or _store(group, row, draft) for draft in change.drafts]
    change_row(row, change)
    row["dirty"] = True
    if change.drafts and not change.quiet:
        row["update_time"] = group.now
    return answer


def _write(connection: Connection, group: _Group) -> None:
    if group.inserts:
        connection.execute(_INSERT, group.inserts)
    if group.ended:
        connection.execute(_ENDED, group.ended)
    changed = [
        {"which": session_id, **{name: row[name] for name in _MUTABLE}}
        for session_id, row in group.rows.items()
        if row.get("dirty")
    ]
    if changed:
        connection.execute(_UPDATE, changed)


def _refuse(batch: Iterable[Pending], error: Exception) -> None:
    for pending in batch:
        if not pending.answer.done():
            pending.answer.set_exception(error)


def number(event: Event, row: dict[str, Any], now: float) -> bytes:
    """Gives an event its place at the end of a session's log; answers the bytes to store."""
    row["seq"] += 1
    event.session_id, event.epoch, event.seq = row["session_id"], row["log_epoch"], row["seq"]
    event.event_id = event.event_id or new_ulid()
    event.time.CopyFrom(Timestamp(seconds=int(now), nanos=int((now % 1) * 1e6) * 1000))
    event.prev_hash = row["last_hash"]
    data = event.SerializeToString(deterministic=True)
    row["last_hash"] = hashlib.sha256(data).digest()
    return data


def _store(group: _Group, row: dict[str, Any], draft: Draft) -> Event:
    event = Event()
    # A copy: the group may be tried again, and the caller keeps its draft.
    event.CopyFrom(draft.event)
    data = number(event, row, group.now)
    session_id = row["session_id"]
    group.inserts.append({"session_id": session_id, "seq": event.seq, "key": draft.key or None, "data": data})
    group.stored.setdefault(session_id, []).append((event, data))
    if draft.key:
        group.by_key[session_id, draft.key] = event
    followed_row(row, event)
    if event.WhichOneof("payload") in _ENDS:
        group.ended.append({"ended_session": session_id, "ended_item": event.item_id})
    return event
