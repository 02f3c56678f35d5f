"""Rows of sandboxes in SQLite or Postgres."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.sandbox.domain.errors import SandboxNotFound
from services.sandbox.domain.lifecycle import Life
from services.sandbox.domain.models import Confinement, Sandbox
from services.sandbox.domain.network import NO_NETWORK, HostRule, NetworkMode, NetworkPolicy
from services.sandbox.store.tables import sandboxes, warm_sandboxes
from services.storage.database import Database


class SqlSandboxStore:
    """See ports.SandboxStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, sandbox_id: str) -> Sandbox | None:
        """See ports.SandboxStore."""
        async with self._database.connect() as connection:
            found = await connection.execute(select(sandboxes).where(sandboxes.c.sandbox_id == sandbox_id))
            row = found.mappings().one_or_none()
        return None if row is None else to_sandbox(row)

    async def put(self, sandbox: Sandbox) -> Sandbox:
        """See ports.SandboxStore."""
        try:
            async with self._database.begin() as connection:
                await connection.execute(insert(sandboxes).values(row_of(sandbox)))
        except IntegrityError:
            await self._renew(sandbox, "git_config", "removed")
        return await self.get(sandbox.sandbox_id) or sandbox

    async def reconfigure(self, sandbox: Sandbox) -> Sandbox:
        """See ports.SandboxStore."""
        await self._renew(sandbox, "image", "env", "removed")
        row = await self.get(sandbox.sandbox_id)
        if row is None:
            raise SandboxNotFound
        return row

    async def _renew(self, sandbox: Sandbox, *columns: str) -> None:
        row = row_of(sandbox)
        renewed = {name: row[name] for name in columns}
        async with self._database.begin() as connection:
            await connection.execute(
                update(sandboxes).where(sandboxes.c.sandbox_id == sandbox.sandbox_id).values(renewed)
            )

    async def raise_epoch(self, sandbox_id: str, epoch: int) -> bool:
        """See ports.SandboxStore."""
        mine = (sandboxes.c.sandbox_id == sandbox_id) & (sandboxes.c.epoch <= epoch)
        async with self._database.begin() as connection:
            changed = await connection.execute(update(sandboxes).where(mine).values(epoch=epoch))
        return changed.rowcount == 1

    async def mark_removed(self, sandbox_id: str) -> None:
        """See ports.SandboxStore."""
        async with self._database.begin() as connection:
            values = {"removed": True, "life": Life.HIBERNATED.value}
            await connection.execute(update(sandboxes).where(sandboxes.c.sandbox_id == sandbox_id).values(values))

    async def delete(self, sandbox_id: str) -> None:
        """See ports.SandboxStore."""
        async with self._database.begin() as connection:
            await connection.execute(delete(sandboxes).where(sandboxes.c.sandbox_id == sandbox_id))

    async def page(self, owner_id: str | None, before: str, limit: int) -> list[Sandbox]:
        """See ports.SandboxStore."""
        wanted = select(sandboxes).order_by(sandboxes.c.sandbox_id.desc()).limit(limit)
        if owner_id is not None:
            wanted = wanted.where(sandboxes.c.owner_id == owner_id)
        if before:
            wanted = wanted.where(sandboxes.c.sandbox_id < before)
        async with self._database.connect() as connection:
            return [to_sandbox(row) for row in (await connection.execute(wanted)).mappings()]

    async def bodies(self) -> dict[str, str]:
        """See ports.SandboxStore."""
        async with self._database.connect() as connection:
            # First those that may be claimed meanwhile.
            known = dict.fromkeys((await connection.execute(select(warm_sandboxes.c.warm_id))).scalars(), "")
            claimed = await connection.execute(select(sandboxes.c.sandbox_id, sandboxes.c.warm_id))
            return known | {warm_id or sandbox_id: sandbox_id for sandbox_id, warm_id in claimed}


def row_of(sandbox: Sandbox) -> dict[str, Any]:
    """As it is stored."""
    return {
        "sandbox_id": sandbox.sandbox_id,
        "owner_id": sandbox.owner_id,
        "session_id": sandbox.session_id,
        "image": sandbox.image,
        "env": dict(sandbox.env),
        "git_config": [list(entry) for entry in sandbox.git_config],
        "confinement": sandbox.confinement.value,
        "epoch": sandbox.epoch,
        "create_time": sandbox.create_time,
        "removed": sandbox.removed,
        "life": sandbox.life.value,
        "last_use": sandbox.last_use,
        "warned": sandbox.warned,
        "workspace_id": sandbox.workspace_id,
        "network": {"mode": sandbox.network.mode.value, "rules": [asdict(rule) for rule in sandbox.network.rules]},
        "warm_id": sandbox.warm_id,
    }


def to_sandbox(row: RowMapping) -> Sandbox:
    """The sandbox of a row."""
    return Sandbox(
        sandbox_id=row["sandbox_id"],
        owner_id=row["owner_id"],
        session_id=row["session_id"],
        image=row["image"],
        env=row["env"],
        git_config=tuple((key, value) for key, value in row["git_config"]),
        confinement=Confinement(row["confinement"]),
        epoch=row["epoch"],
        create_time=in_utc(row["create_time"]),
        removed=bool(row["removed"]),
        life=Life(row["life"]),
        last_use=None if row["last_use"] is None else in_utc(row["last_use"]),
        warned=bool(row["warned"]),
        workspace_id=row["workspace_id"],
        network=_network(row["network"]),
        warm_id=row["warm_id"],
    )


def in_utc(time: datetime) -> datetime:
    """A time as it was stored: SQLite keeps no zone."""
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _network(stored: dict[str, Any] | None) -> NetworkPolicy:
    """A sandbox that was made before there were policies has no network."""
    if not stored:
        return NO_NETWORK
    return NetworkPolicy(NetworkMode(stored["mode"]), tuple(HostRule(**rule) for rule in stored["rules"]))
