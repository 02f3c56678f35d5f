"""ListSandboxes, WatchSandboxes, GetStats: whose they are, in pages, as they change, what they use."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
from lucid.sandbox.v1 import sandbox_pb2 as pb
from lucid.sandbox.v1.pool_pb2 import GetStatsRequest, GetStatsResponse

from services.rpc.identity import service_metadata
from services.rpc.ids import new_id
from services.rpc.status import RemoteError
from services.sandbox.client import SandboxClient
from tests.contract.launchers.conftest import KEY, OWNER, Bench, order, running, settings_for

READY, LOST = pb.Sandbox.STATE_READY, pb.Sandbox.STATE_LOST
Watch = AsyncGenerator[pb.WatchSandboxesResponse, None]


async def test_an_owner_lists_the_own_ones_in_pages(tmp_path: Path) -> None:
    settings = settings_for("bubblewrap", tmp_path)
    async with running(settings) as client:
        mine = [new_id("sbx") for _ in range(3)]
        for sandbox_id in mine:
            await client.create_sandbox(order(sandbox_id))
        theirs = order(new_id("sbx"))
        theirs.owner_id = "usr_other"
        other = client.acting_as(service_metadata(KEY, "usr_other"))
        await other.create_sandbox(theirs)
        first = await client.list_sandboxes(pb.ListSandboxesRequest(page_size=2))
        asked = pb.ListSandboxesRequest(page_size=2, page_token=first.next_page_token)
        second = await client.list_sandboxes(asked)
        assert [s.sandbox_id for s in (*first.sandboxes, *second.sandboxes)] == mine[::-1]
        assert {(s.owner_id, s.state) for s in first.sandboxes} == {(OWNER, READY)}
        assert not second.next_page_token
        (only,) = (await other.list_sandboxes(pb.ListSandboxesRequest())).sandboxes
        assert only.sandbox_id == theirs.sandbox_id
        nobody = client.acting_as(service_metadata(KEY, ""))
        assert len((await nobody.list_sandboxes(pb.ListSandboxesRequest())).sandboxes) == 4
        with pytest.raises(RemoteError) as refused:
            await client.list_sandboxes(pb.ListSandboxesRequest(page_token="mine"))
        assert refused.value.reason == "INVALID_REQUEST"
        for sandbox_id in mine:
            await Bench(client, settings, sandbox_id).delete()
        await Bench(other, settings, theirs.sandbox_id).delete()


async def until(watch: Watch, sandbox_id: str, state: "pb.Sandbox.State.ValueType") -> pb.WatchSandboxesResponse:
    """The first message that tells of this state."""
    async with asyncio.timeout(20):
        async for told in watch:
            if (sandbox_id, state) in {(s.sandbox_id, s.state) for s in told.sandboxes}:
                return told
    raise AssertionError


async def test_a_watcher_sees_them_come_change_and_go_and_takes_it_up_again(tmp_path: Path) -> None:
    settings = settings_for("bubblewrap", tmp_path)
    async with running(settings) as client:
        bench = Bench(client, settings, new_id("sbx"))
        async with aclosing(client.watch_sandboxes(pb.WatchSandboxesRequest())) as watch:
            first = await anext(watch)
            assert (first.whole, list(first.sandboxes), list(first.gone)) == (True, [], [])
            await bench.bring_up()
            seen = await until(watch, bench.sandbox_id, READY)
            assert not seen.whole
            await bench.kill_helper()
            await until(watch, bench.sandbox_id, LOST)
        theirs = order(new_id("sbx"))
        theirs.owner_id = "usr_other"
        other = client.acting_as(service_metadata(KEY, "usr_other"))
        await other.create_sandbox(theirs)
        await Bench(other, settings, theirs.sandbox_id).delete()
        again = pb.WatchSandboxesRequest(revision=seen.revision)
        async with aclosing(client.watch_sandboxes(again)) as watch:
            missed = await anext(watch)
            assert [(s.sandbox_id, s.state) for s in missed.sandboxes] == [(bench.sandbox_id, LOST)]
            await bench.delete()
            async with asyncio.timeout(20):
                while not (told := await anext(watch)).gone:
                    pass
            assert list(told.gone) == [bench.sandbox_id]
    async with running(settings) as client, aclosing(client.watch_sandboxes(again)) as watch:
        assert (await anext(watch)).whole  # the service is another one: what the number meant is not known


async def test_what_a_sandbox_uses(bench: Bench, backend: str) -> None:
    async def stats() -> GetStatsResponse:
        return await bench.client.get_stats(GetStatsRequest(sandbox_id=bench.sandbox_id))

    before = await stats()
    assert before.disk_total_bytes > before.disk_free_bytes > 0
    assert before.processes >= 1
    # Under bubblewrap there is a limit where control groups can be made.
    possible = [(256 << 20, 120)] if backend == "docker" else [(256 << 20, 120), (0, 0)]
    assert (before.memory_limit_bytes, before.processes_limit) in possible
    hog = "import time; kept = bytearray(b'x' * (100 << 20)); open('up', 'w').close(); time.sleep(1000)"
    holding = asyncio.create_task(bench.run(f'python3 -c "{hog}"', "hog"))
    await bench.until("[ -f up ]")
    during = await stats()
    assert 80 << 20 < during.memory_bytes - before.memory_bytes < 200 << 20
    assert during.processes > before.processes
    assert during.cpu_ms > before.cpu_ms
    await bench.stop("hog")
    await holding


async def test_one_that_does_not_run_is_not_started_for_it(tmp_path: Path) -> None:
    async with running(settings_for("bubblewrap", tmp_path)) as client:
        bench = Bench(client, settings_for("bubblewrap", tmp_path), new_id("sbx"))
        await bench.bring_up()
        await bench.kill_helper()
        await _lost(client, bench.sandbox_id)
        with pytest.raises(RemoteError) as refused:
            await client.get_stats(GetStatsRequest(sandbox_id=bench.sandbox_id))
        assert refused.value.reason == "SANDBOX_UNAVAILABLE"
        await _lost(client, bench.sandbox_id)
        await bench.delete()


async def _lost(client: SandboxClient, sandbox_id: str) -> None:
    async with aclosing(client.watch_sandboxes(pb.WatchSandboxesRequest())) as watch:
        await until(watch, sandbox_id, LOST)
