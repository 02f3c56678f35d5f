"""GateStore in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.integrations.domain.errors import Fenced, GateNotFound
from services.integrations.domain.models import Gate, Push, RefUpdate, Repository
from services.integrations.store.tables import gates, pushes
from services.storage.database import Database


class SqlGateStore:
    """Gates and what went through them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, gate: Gate) -> Gate:
        """Opens or reopens. Raises Fenced if a higher epoch was seen for the session."""
        try:
            async with self._database.begin() as database:
                if not await _replace(database, gate):
                    await database.execute(insert(gates).values(session_id=gate.session_id, **_values(gate)))
        except IntegrityError:  # another call was first; now there is a row to compare with
            async with self._database.begin() as database:
                await _replace(database, gate)
        return gate

    async def find(self, session_id: str) -> Gate | None:
        """The open gate of a session."""
        query = select(gates).where(gates.c.session_id == session_id, gates.c.is_open)
        async with self._database.connect() as database:
            row = (await database.execute(query)).one_or_none()
        return None if row is None else _gate(row)

    async def fence(self, session_id: str, epoch: int) -> None:
        """Remembers the epoch. Raises Fenced if a higher one was seen, GateNotFound if no gate is open."""
        where = (gates.c.session_id == session_id, gates.c.is_open)
        async with self._database.begin() as database:
            known = (await database.execute(select(gates.c.epoch).where(*where).with_for_update())).scalar()
            if known is None:
                raise GateNotFound
            if known > epoch:
                raise Fenced
            await database.execute(update(gates).where(*where).values(epoch=epoch))

    async def close(self, session_id: str) -> None:
        """Closes; the pushes stay listed."""
        async with self._database.begin() as database:
            await database.execute(update(gates).where(gates.c.session_id == session_id).values(is_open=False))

    async def record_pushes(self, gate: Gate, updates: Sequence[RefUpdate]) -> Sequence[Push]:
        """Stores accepted updates durably, numbered on."""
        session = gate.session_id
        async with self._database.begin() as database:
            # Takes the row's lock, so that two pushes of a session are numbered one after the other.
            await database.execute(update(gates).where(gates.c.session_id == session).values(session_id=session))
            query = select(func.coalesce(func.max(pushes.c.number), 0)).where(pushes.c.session_id == session)
            last = (await database.execute(query)).scalar_one()
            made = [
                Push(last + place, gate.repository.provider, gate.repository.full_name, moved)
                for place, moved in enumerate(updates, start=1)
            ]
            await database.execute(insert(pushes), [_push_values(session, push) for push in made])
        return made

    async def pushes(self, session_id: str, after_number: int = 0) -> Sequence[Push]:
        """In order."""
        where = (pushes.c.session_id == session_id, pushes.c.number > after_number)
        query = select(pushes).where(*where).order_by(pushes.c.number)
        async with self._database.connect() as database:
            return [_push(row) for row in await database.execute(query)]


async def _replace(database: AsyncConnection, gate: Gate) -> bool:
    """False if there is no row yet. Raises Fenced."""
    mine = gates.c.session_id == gate.session_id
    moved = await database.execute(update(gates).where(mine, gates.c.epoch <= gate.epoch).values(**_values(gate)))
    if moved.rowcount:
        return True
    known = (await database.execute(select(gates.c.epoch).where(mine))).scalar()
    # A lower epoch here is a row that came between the two statements: to be replaced, not to be stopped by.
    if known is not None and known > gate.epoch:
        raise Fenced
    return False


def _values(gate: Gate) -> dict[str, Any]:
    repository = gate.repository
    return {
        "owner_id": gate.owner_id,
        "provider": repository.provider,
        "host": gate.host,
        "base_url": gate.base_url,
        "full_name": repository.full_name,
        "url": repository.url,
        "clone_url": repository.clone_url,
        "default_branch": repository.default_branch,
        "private": repository.private,
        "description": repository.description,
        "epoch": gate.epoch,
        "is_open": True,
    }


def _gate(row: Row[Any]) -> Gate:
    repository = Repository(
        row.provider, row.full_name, row.url, row.clone_url, row.default_branch, row.private, row.description
    )
    return Gate(row.session_id, row.owner_id, repository, row.host, row.base_url, row.epoch)


def _push_values(session_id: str, push: Push) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "number": push.number,
        "provider": push.provider,
        "repo": push.repo,
        "branch": push.update.branch,
        "old_commit": push.update.old_commit,
        "commit_id": push.update.commit,
    }


def _push(row: Row[Any]) -> Push:
    return Push(row.number, row.provider, row.repo, RefUpdate(row.branch, row.old_commit, row.commit_id))
