"""Rows of sandboxes that are made beforehand. Which of the services gets one is decided here."""

import contextlib
from datetime import UTC

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.sandbox.domain.models import Confinement, Sandbox
from services.sandbox.domain.pool import WarmSandbox
from services.sandbox.store.sql import row_of
from services.sandbox.store.tables import sandboxes, warm_sandboxes
from services.storage.database import Database


class SqlWarmStore:
    """See ports.WarmStore."""

    def __init__(self, database: Database, instance: str) -> None:
        self._database = database
        self._instance = instance

    @property
    def instance(self) -> str:
        """See ports.WarmStore."""
        return self._instance

    async def all(self) -> list[WarmSandbox]:
        """See ports.WarmStore."""
        mine = select(warm_sandboxes).where(warm_sandboxes.c.instance == self._instance)
        async with self._database.connect() as connection:
            found = await connection.execute(mine.order_by(warm_sandboxes.c.create_time, warm_sandboxes.c.warm_id))
            return [_warm(row) for row in found.mappings()]

    async def add(self, warm: WarmSandbox) -> None:
        """See ports.WarmStore."""
        row = {
            "warm_id": warm.warm_id,
            "instance": warm.instance,
            "confinement": warm.confinement.value,
            "image": warm.image,
            "recipe": warm.recipe,
            "create_time": warm.create_time,
            "ready": warm.ready,
        }
        async with self._database.begin() as connection:
            await connection.execute(insert(warm_sandboxes).values(row))

    async def mark_ready(self, warm_id: str) -> bool:
        """See ports.WarmStore."""
        async with self._database.begin() as connection:
            this = update(warm_sandboxes).where(warm_sandboxes.c.warm_id == warm_id)
            return (await connection.execute(this.values(ready=True))).rowcount == 1

    async def drop(self, warm_id: str) -> bool:
        """See ports.WarmStore."""
        async with self._database.begin() as connection:
            this = delete(warm_sandboxes).where(warm_sandboxes.c.warm_id == warm_id)
            return (await connection.execute(this)).rowcount == 1

    async def claim(self, sandbox: Sandbox) -> bool:
        """See ports.WarmStore."""
        this = (warm_sandboxes.c.warm_id == sandbox.warm_id) & warm_sandboxes.c.ready
        with contextlib.suppress(IntegrityError):  # the sandbox has come into being meanwhile: the warm one stays
            async with self._database.begin() as connection:
                if (await connection.execute(delete(warm_sandboxes).where(this))).rowcount == 1:
                    await connection.execute(insert(sandboxes).values(row_of(sandbox)))
                    return True
        return False


def _warm(row: RowMapping) -> WarmSandbox:
    created = row["create_time"]
    return WarmSandbox(
        warm_id=row["warm_id"],
        instance=row["instance"],
        confinement=Confinement(row["confinement"]),
        image=row["image"],
        recipe=row["recipe"],
        create_time=created if created.tzinfo else created.replace(tzinfo=UTC),
        ready=bool(row["ready"]),
    )
