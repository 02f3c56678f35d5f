"""More sandboxes than may start: who waits, at which place, and how one leaves the line."""

import asyncio
from pathlib import Path

import pytest
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.identity import service_metadata
from services.rpc.ids import new_id
from services.rpc.status import RemoteError
from services.sandbox.client import SandboxClient
from tests.contract.launchers.conftest import KEY, OWNER, Bench, order, running, settings_for


async def place(client: SandboxClient, sandbox_id: str) -> int:
    found = (await client.get_sandbox(pb.GetSandboxRequest(sandbox_id=sandbox_id))).sandbox
    assert (found.state == pb.Sandbox.STATE_QUEUED) == (found.queue_position > 0)
    return found.queue_position


async def queued(client: SandboxClient, sandbox_id: str, at: int) -> None:
    """Once it waits at this place."""
    for _ in range(200):
        try:
            if await place(client, sandbox_id) == at:
                return
        except RemoteError:  # its row is not there yet
            pass
        await asyncio.sleep(0.02)
    pytest.fail(f"{sandbox_id} is at {await place(client, sandbox_id)}, not at {at}")


async def test_at_the_limit_one_waits_until_another_is_gone(tmp_path: Path) -> None:
    settings = settings_for("bubblewrap", tmp_path, sandbox_limit=1)
    async with running(settings) as client:
        other = client.acting_as(service_metadata(KEY, "usr_other"))
        first, second, third = (new_id("sbx") for _ in range(3))
        await client.create_sandbox(order(first))
        waiting = asyncio.create_task(client.create_sandbox(order(second)))
        await queued(client, second, 1)
        request = order(third)
        request.owner_id = "usr_other"
        leaving = asyncio.create_task(other.create_sandbox(request))
        await queued(other, third, 2)
        await Bench(client, settings, first).delete()
        assert (await waiting).sandbox.state == pb.Sandbox.STATE_READY
        await queued(other, third, 1)
        leaving.cancel()
        await queued(other, third, 0)
        assert (await other.get_sandbox(pb.GetSandboxRequest(sandbox_id=third))).sandbox.state == pb.Sandbox.STATE_LOST
        with pytest.raises(RemoteError) as refused:
            await other.create_sandbox(request, seconds=0.3)
        assert refused.value.code.name == "DEADLINE_EXCEEDED"
        await queued(other, third, 0)
        for bench in (Bench(client, settings, second), Bench(other, settings, third)):
            await bench.delete()


async def test_one_that_is_deleted_while_it_waits_is_never_made(tmp_path: Path) -> None:
    settings = settings_for("bubblewrap", tmp_path, sandbox_limit=1)
    async with running(settings) as client:
        first, second = Bench(client, settings, new_id("sbx")), Bench(client, settings, new_id("sbx"))
        await first.bring_up()
        waiting = asyncio.create_task(second.bring_up())
        await queued(client, second.sandbox_id, 1)
        await second.delete()
        with pytest.raises(RemoteError) as refused:
            await waiting
        assert refused.value.reason == "SANDBOX_UNAVAILABLE"
        assert (await first.run("echo on")).output == b"on\n"
        await first.delete()
        assert not list((tmp_path / "sandboxes").glob("*"))


async def test_one_that_runs_already_waits_for_nobody(tmp_path: Path) -> None:
    settings = settings_for("bubblewrap", tmp_path, sandbox_limit=1)
    async with running(settings) as client:
        first = Bench(client, settings, new_id("sbx"))
        await first.bring_up()
    async with running(settings) as client:
        first = Bench(client, settings, first.sandbox_id)
        assert not (await first.bring_up()).created
        waiting = asyncio.create_task(client.create_sandbox(order(second := new_id("sbx"))))
        await queued(client, second, 1)
        assert not (await first.bring_up()).created
        await first.kill_helper()  # its place is free the moment it dies
        assert (await waiting).created
        await Bench(client, settings, second).delete()
        assert (await first.run("echo back")).output == b"back\n"
        await first.delete()


async def test_starts_one_after_the_other_come_up_all(backend: str, tmp_path: Path) -> None:
    settings = settings_for(backend, tmp_path, starts_at_once=1)
    async with running(settings) as client:
        benches = [Bench(client, settings, new_id("sbx")) for _ in range(3)]
        answers = await asyncio.gather(*(bench.bring_up() for bench in benches))
        assert all(answer.created for answer in answers)
        assert answers[0].sandbox.owner_id == OWNER
        await asyncio.gather(*(bench.delete() for bench in benches))
