"""The rows of sandboxes, on SQLite and on Postgres."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.sandbox.domain.errors import SandboxNotFound
from services.sandbox.domain.lifecycle import Life
from services.sandbox.domain.models import Confinement, Sandbox
from services.sandbox.store.database import migrate, open_database
from services.sandbox.store.sql import SqlSandboxStore

ROW = Sandbox(
    sandbox_id="sbx_0123456789",
    owner_id="usr_1",
    session_id="ses_1",
    image="",
    env={"A": "ü"},
    git_config=(("user.name", "x"),),
    confinement=Confinement.BUBBLEWRAP,
    epoch=2**32 - 2,
    create_time=datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlSandboxStore]:
    database = open_database(database_url)
    await migrate(database)
    await migrate(database)  # again: nothing is missing
    yield SqlSandboxStore(database)
    await database.dispose()


async def test_a_row_comes_back_as_it_went(store: SqlSandboxStore) -> None:
    assert await store.get(ROW.sandbox_id) is None
    assert await store.put(ROW) == ROW
    assert await store.get(ROW.sandbox_id) == ROW
    assert await store.bodies() == {ROW.sandbox_id: ROW.sandbox_id}


async def test_putting_again_renews_what_may_change(store: SqlSandboxStore) -> None:
    await store.put(ROW)
    await store.mark_removed(ROW.sandbox_id)
    other = replace(ROW, owner_id="usr_2", epoch=1, env={"B": "2"}, git_config=())
    assert await store.put(other) == replace(ROW, git_config=(), life=Life.HIBERNATED)
    configured = replace(other, image="another", removed=True)
    assert await store.reconfigure(configured) == replace(
        ROW, env={"B": "2"}, git_config=(), image="another", removed=True, life=Life.HIBERNATED
    )
    with pytest.raises(SandboxNotFound):
        await store.reconfigure(replace(ROW, sandbox_id="sbx_absent"))


async def test_the_epoch_only_rises(store: SqlSandboxStore) -> None:
    await store.put(replace(ROW, epoch=3))
    assert await store.raise_epoch(ROW.sandbox_id, 3)
    assert await store.raise_epoch(ROW.sandbox_id, 2**32 - 1)
    assert not await store.raise_epoch(ROW.sandbox_id, 4)
    assert not await store.raise_epoch("sbx_absent", 4)


async def test_deleted_is_forgotten(store: SqlSandboxStore) -> None:
    await store.put(ROW)
    await store.delete(ROW.sandbox_id)
    await store.delete(ROW.sandbox_id)
    assert await store.get(ROW.sandbox_id) is None
