"""Two services of one data folder, as while one follows the other: one helper, and neither harms the other's work."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.rpc.ids import new_id
from services.rpc.status import RemoteError
from services.sandbox.backends import raising
from services.sandbox.server import end_sandboxes
from tests.contract.launchers.conftest import Bench, order, running, settings_for

FOLLOWED = "echo run >>runs; for n in 1 2 3; do until [ -f go$n ]; do sleep 0.02; done; echo $n; done"


@pytest.fixture
async def two(backend: str, tmp_path: Path) -> AsyncIterator[tuple[Bench, Bench]]:
    settings = settings_for(backend, tmp_path)
    async with running(settings) as first, running(settings) as second:
        sandbox_id = new_id("sbx")
        await asyncio.gather(*(client.create_sandbox(order(sandbox_id)) for client in (first, second)))
        yield Bench(first, settings, sandbox_id), Bench(second, settings, sandbox_id)
        await Bench(second, settings, sandbox_id).delete()


async def test_both_use_the_one_helper_and_the_end_of_one_is_nothing_to_the_other(backend: str, tmp_path: Path) -> None:
    settings = settings_for(backend, tmp_path)
    sandbox_id = new_id("sbx")
    async with contextlib.AsyncExitStack() as staying:
        second = Bench(await staying.enter_async_context(running(settings)), settings, sandbox_id)
        async with running(settings) as client:
            first = Bench(client, settings, sandbox_id)
            made = await asyncio.gather(first.bring_up(), second.bring_up())
            assert sorted(answer.created for answer in made) == [False, True]
            assert await first.helper() == await second.helper()
            runs = [asyncio.create_task(bench.run(FOLLOWED, "both")) for bench in (first, second)]
            await second.run("until [ -f runs ]; do sleep 0.02; done; touch go1")
            await first.run("touch go2")
            left = runs.pop(0)
            left.cancel()
        await second.run("touch go3")
        [ran] = await asyncio.gather(*runs)
        assert (ran.output, ran.reason) == (b"1\n2\n3\n", "REASON_EXITED")
        assert (await second.read("runs")).data == b"run\n"
        await second.delete()


async def test_a_key_asked_of_both_at_once_is_started_once(two: tuple[Bench, Bench]) -> None:
    for number in range(10):
        both = await asyncio.gather(*(bench.run(f"echo {number} >>runs", f"k{number}") for bench in two))
        assert sorted(ran.started.attached for ran in both) == [False, True]
    assert (await two[0].read("runs")).data == b"".join(b"%d\n" % number for number in range(10))


async def test_the_end_of_the_helper_is_seen_by_both_and_there_is_one_after_it(two: tuple[Bench, Bench]) -> None:
    runs = [asyncio.create_task(bench.run("echo run >>runs; sleep 1000", "lost")) for bench in two]
    await two[0].until("[ -f runs ]")
    await two[1].kill_helper()
    assert [ran.reason for ran in await asyncio.gather(*runs)] == ["REASON_SANDBOX_LOST"] * 2
    assert await two[0].helper() == await two[1].helper()
    assert (await two[0].read("runs")).data == b"run\n"


async def test_a_sandbox_that_one_deletes_is_gone_for_the_other(two: tuple[Bench, Bench]) -> None:
    await two[1].run("true")
    await two[0].delete()
    with pytest.raises(RemoteError) as refused:
        await two[1].run("true")
    assert refused.value.reason == "SANDBOX_NOT_FOUND"


async def test_an_epoch_of_the_past_is_refused_whichever_service_is_asked(two: tuple[Bench, Bench]) -> None:
    """The first service has seen epoch 1 only: the helper knows better."""
    await two[0].run("echo first >>runs", "first", epoch=1)
    await two[1].run("echo second >>runs", "second", epoch=2)
    for asked in (two[0].run("echo late >>runs", "late", epoch=1), two[0].run("", "first", epoch=1)):
        with pytest.raises(RemoteError) as refused:
            await asked
        assert refused.value.reason == "FENCED"
    assert (await two[0].read("runs")).data == b"first\nsecond\n"


async def test_epochs_and_keys_survive_the_service_and_the_helper(backend: str, tmp_path: Path) -> None:
    settings = settings_for(backend, tmp_path)
    sandbox_id = new_id("sbx")
    async with running(settings) as client:
        bench = Bench(client, settings, sandbox_id)
        await bench.bring_up()
        await bench.run("echo run >>runs", "key", epoch=5)
    for kills in (False, True):
        async with running(settings) as client:
            bench = Bench(client, settings, sandbox_id)
            if kills:
                await bench.kill_helper()
            for refused in (
                bench.run("echo late >>runs", "late", epoch=4),
                bench.edit("late", create={"content": "x"}, epoch=4),
            ):
                with pytest.raises(RemoteError) as error:
                    await refused
                assert error.value.reason == "FENCED"
            assert (await bench.run("echo run >>runs", "key", epoch=5)).started.attached
            assert (await bench.read("runs")).data == b"run\n"
    async with running(settings) as client:
        await Bench(client, settings, sandbox_id).delete()


async def test_a_helper_of_another_build_is_replaced_once_nothing_runs_in_it(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(backend, tmp_path)
    sandbox_id = new_id("sbx")
    async with running(settings) as client:
        old = Bench(client, settings, sandbox_id)
        await old.bring_up()
        helper = await old.helper()
        waiting = asyncio.create_task(
            old.run("touch up; until [ -f go ]; do sleep 0.02; done; echo went on", "waiting")
        )
        await old.until("[ -f up ]")
        waiting.cancel()
    monkeypatch.setattr(raising, "build", lambda: "another")
    async with running(settings) as client:
        new = Bench(client, settings, sandbox_id)
        assert await new.helper() == helper
        await new.run("touch go")
        assert (await new.run("", "waiting")).output == b"went on\n"
    async with running(settings) as client:
        new = Bench(client, settings, sandbox_id)
        assert await new.helper() != helper
        assert (await new.run("", "waiting")).output == b"went on\n"
        await new.delete()


async def test_a_helper_that_speaks_another_version_is_ended_and_its_command_is_lost(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(backend, tmp_path)
    sandbox_id = new_id("sbx")
    async with running(settings) as client:
        old = Bench(client, settings, sandbox_id)
        await old.bring_up()
        broken = asyncio.create_task(old.run("echo run >>runs; sleep 1000", "old"))
        await old.until("[ -f runs ]")
        broken.cancel()
    with monkeypatch.context() as newer:
        newer.setattr(raising, "VERSION", 2)
        async with running(settings) as client:
            with pytest.raises(RemoteError) as refused:  # ours speaks version 1 still
                await Bench(client, settings, sandbox_id).run("true")
            assert refused.value.reason == "SANDBOX_UNAVAILABLE"
    async with running(settings) as client:
        new = Bench(client, settings, sandbox_id)
        assert (await new.run("echo run >>runs", "old")).reason == "REASON_SANDBOX_LOST"
        assert (await new.read("runs")).data == b"run\n"
        await new.delete()


async def test_down_ends_what_a_stopped_service_has_left(backend: str, tmp_path: Path) -> None:
    settings = settings_for(backend, tmp_path)
    sandbox_id = new_id("sbx")
    async with running(settings) as client:
        bench = Bench(client, settings, sandbox_id)
        await bench.bring_up()
        broken = asyncio.create_task(bench.run("echo run >>runs; sleep 1000", "ended"))
        await bench.until("[ -f runs ]")
        broken.cancel()
    await asyncio.to_thread(end_sandboxes, tmp_path)
    async with running(settings) as client:
        bench = Bench(client, settings, sandbox_id)
        assert (await bench.run("echo run >>runs", "ended")).reason == "REASON_SANDBOX_LOST"
        assert (await bench.run("pgrep -x sleep -a | grep 1000")).output == b""
        await bench.delete()
