"""Sandboxes that were made beforehand and claimed sleep, wake and go away as all others do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from lucid.sandbox.v1 import lifecycle_pb2 as lpb
from lucid.sandbox.v1.pool_pb2 import GetStatsRequest

from services.rpc.ids import new_id
from services.rpc.status import RemoteError
from tests.contract.launchers.conftest import running, settings_for
from tests.contract.launchers.sleeper import LIMITS, OFF, MovedClock, Sleeper
from tests.contract.launchers.test_pool import filled


@contextlib.asynccontextmanager
async def claimed(backend: str, folder: Path, **changes: float) -> AsyncIterator[Sleeper]:
    """One of the pool, with a clock that the test moves; the pool makes no more."""
    settings = settings_for(backend, folder, **{**LIMITS, **OFF, **changes}, pool_size=1)
    clock = MovedClock()
    async with running(settings, clock) as client:
        await filled(client)
        sleeper = Sleeper(client, settings, new_id("sbx"))
        sleeper.clock = clock
        assert (await sleeper.bring_up()).warm
        try:
            yield sleeper
        finally:
            await sleeper.delete()


def of(backend: str, *words: str) -> list[str]:
    """What is told; without containers nothing is paused."""
    return [word for word in words if backend == "docker" or word not in ("PAUSED", "RESUMED")]


async def test_it_sleeps_and_wakes_also_for_a_service_that_comes_later(backend: str, tmp_path: Path) -> None:
    async with claimed(backend, tmp_path) as sleeper:
        await sleeper.create("kept", "as it was\n")
        assert await sleeper.pause() == (backend == "docker")
        assert (await sleeper.read("kept")).data == b"as it was\n"
        assert await sleeper.hibernate()
        assert await sleeper.state() == "HIBERNATED"
        assert (await sleeper.read("kept")).data == b"as it was\n"
        await sleeper.pause()
        async with running(sleeper.settings, sleeper.clock) as client:
            late = Sleeper(client, sleeper.settings, sleeper.sandbox_id)
            assert await late.state() == ("PAUSED" if backend == "docker" else "READY")
            assert (await late.read("kept")).data == b"as it was\n"
        told = await sleeper.until_told(
            *of(backend, "READY", "PAUSED", "RESUMED", "SAVED", "HIBERNATED", "REBUILT", "PAUSED", "RESUMED")
        )
        rebuilt = next(each for each in told if each.what == lpb.Transition.WHAT_REBUILT)
        assert rebuilt.workspace_kept
        assert rebuilt.workspace_id == told[0].workspace_id != ""


async def test_the_ladder_counts_its_use_and_deletes_its_files(backend: str, tmp_path: Path) -> None:
    async with claimed(backend, tmp_path, idle_timeout=600.0, retention=1.0) as sleeper:
        await sleeper.create("kept", "x")
        for _ in range(3):
            sleeper.clock.passes(400)
            await sleeper.run("true")
            await asyncio.sleep(0.3)
        assert await sleeper.words() == ["READY"]
        sleeper.clock.passes(700)
        await sleeper.until_told("READY", "SAVED", "HIBERNATED")
        sleeper.clock.passes(timedelta(days=2).total_seconds())
        await sleeper.until_told("READY", "SAVED", "HIBERNATED", "DESTROYED")
        made = await sleeper.bring_up()
        assert (made.workspace_kept, made.checkpoint_id) == (False, (await sleeper.saved())[0].checkpoint_id)
        assert (await sleeper.run("ls")).output == b""


async def test_to_look_at_it_is_no_use_of_it(backend: str, tmp_path: Path) -> None:
    async with claimed(backend, tmp_path) as sleeper:
        asked = GetStatsRequest(sandbox_id=sleeper.sandbox_id)
        await asyncio.sleep(1.1)  # a call holds it awake so long
        assert (await sleeper.client.get_stats(asked)).processes > 0
        await sleeper.pause()
        with contextlib.suppress(RemoteError):
            await sleeper.client.get_stats(asked)
        assert await sleeper.state() == ("PAUSED" if backend == "docker" else "READY")
        assert await sleeper.words() == of(backend, "READY", "PAUSED")
        await sleeper.hibernate()
        with contextlib.suppress(RemoteError):
            await sleeper.client.get_stats(asked)
        assert await sleeper.state() == "HIBERNATED"
