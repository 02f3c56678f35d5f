"""Lives, transitions and checkpoints of sandboxes, on SQLite and on Postgres."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.sandbox.domain.lifecycle import UP, Checkpoint, Life, Repository, Told, What
from services.sandbox.store.database import migrate, open_database
from services.sandbox.store.lives import SqlLives
from services.sandbox.store.sql import SqlSandboxStore
from tests.contract.launchers.test_store import ROW

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
ALL = frozenset(Life)
SLEEPS = Told(What.PAUSED)


class Stores:
    """The rows, and their lives twice: as two services have them."""

    def __init__(self, url: str) -> None:
        self.databases = [open_database(url), open_database(url)]
        self.rows = SqlSandboxStore(self.databases[0])
        self.lives, self.other = (SqlLives(database) for database in self.databases)

    async def words(self) -> list[str]:
        return [each.told.what.value for each in (await self.lives.transitions(0, 1000))[0]]


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[Stores]:
    made = Stores(database_url)
    await migrate(made.databases[0])
    await made.rows.put(ROW)
    yield made
    for database in made.databases:
        await database.dispose()


async def test_a_life_is_moved_and_told_by_one_of_many(stores: Stores) -> None:
    assert await stores.lives.move(ROW.sandbox_id, UP, Life.PAUSED, NOW, SLEEPS) is None
    ready = Told(What.READY, workspace_id="ws", took_ms=7, workspace_kept=True)
    assert await stores.lives.move(ROW.sandbox_id, ALL, Life.AWAKE, NOW, ready)
    both = (stores.lives, stores.other)
    moved = await asyncio.gather(
        *(each.move(ROW.sandbox_id, frozenset({Life.AWAKE}), Life.PAUSED, NOW, SLEEPS) for each in both * 4)
    )
    assert len([each for each in moved if each is not None]) == 1
    [first, second], last = await stores.lives.transitions(0, 1000)
    assert (first.number, second.number, last) == (1, 2, 2)
    assert (first.told, first.session_id, first.owner_id, first.time) == (ready, ROW.session_id, ROW.owner_id, NOW)
    row = await stores.rows.get(ROW.sandbox_id)
    assert row is not None
    assert (row.life, row.workspace_id) == (Life.PAUSED, "ws")


async def test_numbers_have_no_gaps_in_the_order_in_which_they_are_seen(stores: Stores) -> None:
    """A reader that goes on from the last number it has seen misses none."""
    seen: list[int] = []

    async def read() -> None:
        while len(seen) < 60:
            found, _ = await stores.lives.transitions(seen[-1] if seen else 0, 7)
            seen.extend(each.number for each in found)
            await asyncio.sleep(0)

    async def tell(lives: SqlLives) -> None:
        for _ in range(10):
            assert await lives.tell(ROW.sandbox_id, NOW, SLEEPS)

    await asyncio.wait_for(asyncio.gather(read(), *(tell(each) for each in (stores.lives, stores.other) * 3)), 60)
    assert seen == list(range(1, 61))


async def test_what_is_taken_down_or_absent_is_not_moved(stores: Stores) -> None:
    await stores.rows.mark_removed(ROW.sandbox_id)
    assert await stores.lives.move(ROW.sandbox_id, ALL, Life.LOST, NOW, SLEEPS) is None
    assert await stores.lives.tell("sbx_absent0000", NOW, SLEEPS) is None
    assert await stores.words() == []
    assert await stores.lives.living() == []


async def test_a_use_is_kept_and_takes_the_warning_back(stores: Stores) -> None:
    await stores.lives.move(ROW.sandbox_id, ALL, Life.AWAKE, NOW)
    await stores.lives.touch({ROW.sandbox_id: NOW, "sbx_absent0000": NOW})
    await stores.lives.touch({ROW.sandbox_id: NOW - timedelta(hours=1)})
    [row] = await stores.lives.living()
    assert row.last_use == NOW
    told = Told(What.IDLE_WARNING, idle_deadline=NOW + timedelta(minutes=5))
    assert [await stores.lives.warn(row, NOW, told) for _ in range(2)] == [True, False]
    assert (await stores.lives.transitions(0, 1000))[0][0].told == told
    await stores.lives.touch({ROW.sandbox_id: NOW + timedelta(seconds=1)})
    assert not await stores.lives.warn(row, NOW, told)  # it was used meanwhile
    [row] = await stores.lives.living()
    assert not row.warned
    assert await stores.lives.warn(row, NOW, told)


async def test_old_transitions_go_but_never_the_last_number(stores: Stores) -> None:
    for days in (3, 2, 1):
        await stores.lives.tell(ROW.sandbox_id, NOW - timedelta(days=days), SLEEPS)
    await stores.lives.trim(NOW)
    found, last = await stores.lives.transitions(0, 1000)
    assert ([each.number for each in found], last) == ([3], 3)
    assert (await stores.lives.last_told(ROW.sandbox_id, (What.PAUSED, What.READY))) == found[0]
    assert await stores.lives.last_told(ROW.sandbox_id, (What.READY,)) is None


async def test_checkpoints_newest_first(stores: Stores) -> None:
    made = [
        Checkpoint(
            f"chk_{number}", ROW.sandbox_id, "asked", NOW, 10, 1, 2, "ws", ("ü",), (Repository(".", "b", "h", "t"),)
        )
        for number in range(3)
    ]
    for each in made:
        await stores.lives.keep(each, f"request{each.checkpoint_id}")
    await stores.lives.keep(replace(made[0], checkpoint_id="chk_9", sandbox_id="sbx_other"), "")
    assert await stores.lives.checkpoints(ROW.sandbox_id, 10) == made[::-1]
    assert await stores.lives.checkpoints(ROW.sandbox_id, 1, before="chk_2") == [made[1]]
    assert await stores.lives.checkpoints(ROW.sandbox_id, 1, request_id="requestchk_0") == [made[0]]
    await stores.lives.drop(["chk_1", "chk_2"])
    assert await stores.lives.checkpoints(ROW.sandbox_id, 10) == made[:1]
