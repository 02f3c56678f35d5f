"""A sandbox that goes away is told of once, with the reason, whoever notices it; and what it had is not made up."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.sandbox.server import end_sandboxes
from tests.contract.launchers.conftest import running
from tests.contract.launchers.sleeper import OFF, Sleeper, sleeper_on


@pytest.fixture
async def sleeper(backend: str, tmp_path: Path) -> AsyncIterator[Sleeper]:
    async with sleeper_on(backend, tmp_path, **OFF) as made:
        yield made


async def docker(*words: str) -> None:
    await asyncio.to_thread(subprocess.run, ["docker", *words], check=True, capture_output=True)


def container(sleeper: Sleeper) -> str:
    return f"lucid-sandbox-{sleeper.sandbox_id}"


async def test_a_killed_helper_is_told_of_within_a_look_and_once(sleeper: Sleeper) -> None:
    lost = asyncio.create_task(sleeper.run("sleep 1000"))
    await asyncio.sleep(0.2)
    await sleeper.kill_helper()
    assert (await lost).reason == "REASON_SANDBOX_LOST"
    told = await sleeper.until_told("READY", "LOST", "REBUILT")
    assert told[1].reason in ("its helper ended", "its process ended")
    assert told[2].workspace_kept
    assert told[2].workspace_id == told[0].workspace_id


async def test_one_that_nobody_uses_is_told_of_by_the_next_look(sleeper: Sleeper) -> None:
    await sleeper.kill_helper()
    await sleeper.until_told("READY", "LOST")
    assert await sleeper.state() == "LOST"
    assert (await sleeper.run("echo again")).output == b"again\n"
    await sleeper.until_told("READY", "LOST", "REBUILT")


@pytest.mark.docker
async def test_a_container_killed_and_one_removed_by_hand(docker_engine: object, tmp_path: Path) -> None:
    async with sleeper_on("docker", tmp_path, **OFF) as sleeper:
        await sleeper.create("kept", "x")
        await docker("kill", container(sleeper))
        assert (await sleeper.read("kept")).data == b"x"
        await docker("rm", "-f", container(sleeper))
        assert (await sleeper.read("kept")).data == b"x"
        told = await sleeper.until_told("READY", "LOST", "REBUILT", "LOST", "REBUILT")
        assert told[1].reason == "its container ended with code 137"
        # It is killed, then removed: whoever looks may come in between.
        assert told[3].reason in ("its container was removed", told[1].reason)
        assert await sleeper.pause()
        await docker("rm", "-f", container(sleeper))
        assert (await sleeper.read("kept")).data == b"x"
        assert (await sleeper.words())[-3:] == ["PAUSED", "LOST", "REBUILT"]


@pytest.mark.docker
async def test_volumes_removed_by_hand_are_another_workspace(docker_engine: object, tmp_path: Path) -> None:
    async with sleeper_on("docker", tmp_path, **OFF) as sleeper:
        await sleeper.create("kept", "x")
        await sleeper.save()
        await docker("rm", "-f", container(sleeper))
        await docker("volume", "rm", container(sleeper), f"{container(sleeper)}-state")
        made = await sleeper.bring_up()
        told = await sleeper.told()
        assert not told[-1].workspace_kept
        assert told[-1].workspace_id != told[0].workspace_id
        assert (made.sandbox.workspace_id, made.checkpoint_id) == (
            told[-1].workspace_id,
            (await sleeper.saved())[0].checkpoint_id,
        )


async def test_what_ended_while_no_service_was_there_is_told_by_the_next(backend: str, tmp_path: Path) -> None:
    async with sleeper_on(backend, tmp_path, **OFF) as first:
        await first.kill_helper()
        async with running(first.settings, first.clock) as client:
            await first.until_told("READY", "LOST")
            del client


async def test_the_end_of_all_by_the_operator_is_named(backend: str, tmp_path: Path) -> None:
    async with sleeper_on(backend, tmp_path, **OFF) as sleeper:
        await asyncio.to_thread(end_sandboxes, tmp_path)
        await sleeper.run("true")
        told = await sleeper.until_told("READY", "LOST", "REBUILT")
        assert told[1].reason == "it was ended with all others"
