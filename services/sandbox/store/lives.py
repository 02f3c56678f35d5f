"""What becomes of sandboxes: their lives in the rows, what is told of it in order, and which checkpoints are kept."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.rpc.ids import new_id
from services.sandbox.domain.lifecycle import Checkpoint, Life, Repository, Told, Transition, What
from services.sandbox.domain.models import Sandbox
from services.sandbox.store.sql import in_utc, to_sandbox
from services.sandbox.store.tables import checkpoints, sandboxes, transitions
from services.storage.database import Database

ATTEMPTS = 50


class SqlLives:
    """See ports.Lives."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def move(
        self, sandbox_id: str, was: frozenset[Life], life: Life, now: datetime, told: Told | None = None
    ) -> str | None:
        """See ports.Lives."""
        values: dict[str, Any] = {"life": life.value}
        if told is not None and told.workspace_id:
            values["workspace_id"] = told.workspace_id
        known = sandboxes.c.life.in_([each.value for each in was]) & ~sandboxes.c.removed
        return await self._change(sandbox_id, known, values, now, told)

    async def tell(self, sandbox_id: str, now: datetime, told: Told) -> str | None:
        """See ports.Lives."""
        return await self._change(sandbox_id, sandboxes.c.sandbox_id == sandbox_id, {}, now, told)

    async def life(self, sandbox_id: str) -> Life | None:
        """See ports.Lives."""
        mine = (sandboxes.c.sandbox_id == sandbox_id) & ~sandboxes.c.removed
        async with self._database.connect() as connection:
            found = (await connection.execute(select(sandboxes.c.life).where(mine))).scalar()
        return None if found is None else Life(found)

    async def warn(self, sandbox: Sandbox, now: datetime, told: Told) -> bool:
        """See ports.Lives."""
        same = (sandboxes.c.warned.is_(False)) & (sandboxes.c.last_use == sandbox.last_use)
        return await self._change(sandbox.sandbox_id, same, {"warned": True}, now, told) is not None

    async def _change(
        self, sandbox_id: str, condition: Any, values: Mapping[str, Any], now: datetime, told: Told | None
    ) -> str | None:
        for attempt in range(ATTEMPTS):
            try:
                async with self._database.begin() as connection:
                    return await _changed(connection, sandbox_id, condition, values, now, told)
            except IntegrityError:  # another one was given the same number, and was faster
                if attempt == ATTEMPTS - 1:
                    raise
        return None

    async def touch(self, uses: Mapping[str, datetime]) -> None:
        """See ports.Lives."""
        async with self._database.begin() as connection:
            for body, time in uses.items():
                earlier = (sandboxes.c.last_use < time) | sandboxes.c.last_use.is_(None)
                mine = ((sandboxes.c.sandbox_id == body) | (sandboxes.c.warm_id == body)) & earlier
                await connection.execute(update(sandboxes).where(mine).values(last_use=time, warned=False))

    async def living(self) -> list[Sandbox]:
        """See ports.Lives."""
        gone = sandboxes.c.removed | sandboxes.c.life.in_([Life.NEW.value, Life.EMPTIED.value])
        async with self._database.connect() as connection:
            rows = (await connection.execute(select(sandboxes).where(~gone))).mappings().all()
        return [to_sandbox(row) for row in rows]

    async def transitions(self, after: int, limit: int) -> tuple[list[Transition], int]:
        """See ports.Lives."""
        query = select(transitions).where(transitions.c.number > after).order_by(transitions.c.number).limit(limit)
        async with self._database.connect() as connection:
            rows = (await connection.execute(query)).mappings().all()
            last = (await connection.execute(select(func.max(transitions.c.number)))).scalar()
        return [_transition(row) for row in rows], last or 0

    async def last_told(self, sandbox_id: str, what: tuple[What, ...]) -> Transition | None:
        """See ports.Lives."""
        mine = (transitions.c.sandbox_id == sandbox_id) & transitions.c.what.in_([each.value for each in what])
        query = select(transitions).where(mine).order_by(transitions.c.number.desc()).limit(1)
        async with self._database.connect() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else _transition(row)

    async def trim(self, before: datetime) -> None:
        """See ports.Lives."""
        last = select(func.max(transitions.c.number)).scalar_subquery()
        old = (transitions.c.time < before) & (transitions.c.number < last)
        async with self._database.begin() as connection:
            await connection.execute(delete(transitions).where(old))

    async def keep(self, checkpoint: Checkpoint, request_id: str) -> None:
        """See ports.Lives."""
        row = {
            "checkpoint_id": checkpoint.checkpoint_id,
            "sandbox_id": checkpoint.sandbox_id,
            "request_id": request_id,
            "create_time": checkpoint.create_time,
            "content": {
                "reason": checkpoint.reason,
                "bytes": checkpoint.bytes,
                "commits": checkpoint.commits,
                "files": checkpoint.files,
                "workspace_id": checkpoint.workspace_id,
                "left_out": list(checkpoint.left_out),
                "repositories": [asdict(each) for each in checkpoint.repositories],
            },
        }
        async with self._database.begin() as connection:
            await connection.execute(insert(checkpoints).values(row))

    async def checkpoints(
        self, sandbox_id: str, limit: int, before: str = "", request_id: str = ""
    ) -> list[Checkpoint]:
        """See ports.Lives."""
        query = select(checkpoints).where(checkpoints.c.sandbox_id == sandbox_id)
        if before:
            query = query.where(checkpoints.c.checkpoint_id < before)
        if request_id:
            query = query.where(checkpoints.c.request_id == request_id)
        async with self._database.connect() as connection:
            found = await connection.execute(query.order_by(checkpoints.c.checkpoint_id.desc()).limit(limit))
            return [_checkpoint(row) for row in found.mappings()]

    async def drop(self, checkpoint_ids: list[str]) -> None:
        """See ports.Lives."""
        async with self._database.begin() as connection:
            await connection.execute(delete(checkpoints).where(checkpoints.c.checkpoint_id.in_(checkpoint_ids)))


async def _changed(
    connection: AsyncConnection,
    sandbox_id: str,
    condition: Any,
    values: Mapping[str, Any],
    now: datetime,
    told: Told | None,
) -> str | None:
    """The id of what was told, empty for nothing; None where the row is not as it must be."""
    mine = (sandboxes.c.sandbox_id == sandbox_id) & condition
    if values:
        changed = await connection.execute(update(sandboxes).where(mine).values(values))
        if changed.rowcount != 1:
            return None
    row = (await connection.execute(select(sandboxes).where(sandboxes.c.sandbox_id == sandbox_id))).mappings().first()
    if row is None:
        return None
    if told is None:
        return ""
    number = (await connection.execute(select(func.coalesce(func.max(transitions.c.number), 0)))).scalar_one() + 1
    entry = {name: row[name] for name in ("sandbox_id", "session_id", "owner_id", "image", "confinement")}
    entry |= {"number": number, "transition_id": new_id("trs"), "what": told.what.value, "time": now}
    await connection.execute(insert(transitions).values(entry | {"told": _stored(told)}))
    return str(entry["transition_id"])


def _stored(told: Told) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(told).items() if value and name != "what"}
    if told.idle_deadline is not None:
        fields["idle_deadline"] = told.idle_deadline.isoformat()
    return fields


def _transition(row: RowMapping) -> Transition:
    fields = dict(row["told"])
    if "idle_deadline" in fields:
        fields["idle_deadline"] = datetime.fromisoformat(fields["idle_deadline"])
    names = ("number", "transition_id", "sandbox_id", "session_id", "owner_id", "image", "confinement")
    told = Told(What(row["what"]), **fields)
    return Transition(**{name: row[name] for name in names}, time=in_utc(row["time"]), told=told)


def _checkpoint(row: RowMapping) -> Checkpoint:
    content = dict(row["content"])
    return Checkpoint(
        checkpoint_id=row["checkpoint_id"],
        sandbox_id=row["sandbox_id"],
        create_time=in_utc(row["create_time"]),
        left_out=tuple(content.pop("left_out")),
        repositories=tuple(Repository(**each) for each in content.pop("repositories")),
        **content,
    )
