"""A stop leaves no process behind."""

import asyncio
import contextlib
import time

import pytest

from services.rpc.status import RemoteError
from services.sandbox.backends import helper as helpers
from services.sandbox.backends import helper_commands
from tests.contract.launchers.conftest import Bench

STUBBORN = (
    "trap '' INT TERM; echo said; touch up; sleep 1000 & setsid sleep 1000 & (env -i setsid sleep 1000 &) ; sleep 1000"
)


@pytest.mark.parametrize("everything", [False, True])
async def test_nothing_of_a_stubborn_command_is_left_after_three_seconds(bench: Bench, everything: bool) -> None:
    running = asyncio.create_task(bench.run(STUBBORN, "stubborn"))
    await bench.until("[ -f up ]")
    began = time.monotonic()
    assert await bench.stop("" if everything else "stubborn") >= 4
    assert time.monotonic() - began < 3
    ran = await running
    assert (ran.reason, ran.output, ran.exit.head) == ("REASON_STOPPED", b"said\n", b"said\n")
    assert (await bench.run("pgrep -x sleep -a | grep 1000")).output == b""
    assert await bench.stop("stubborn") == 0


async def test_stopping_one_spares_the_others(bench: Bench) -> None:
    other = asyncio.create_task(bench.run("touch other; until [ -f go ]; do sleep 0.02; done; echo alive", "other"))
    first = asyncio.create_task(bench.run("touch first; sleep 1000", "first"))
    await bench.until("[ -f other ] && [ -f first ]")
    await bench.stop("first")
    assert (await first).reason == "REASON_STOPPED"
    await bench.run("touch go")
    assert (await other).output == b"alive\n"


async def test_a_helper_that_a_command_has_halted_is_replaced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper_commands, "STOP_SECONDS", 0.5)
    monkeypatch.setattr(helpers, "HELLO_SECONDS", 3.0)
    halting = asyncio.create_task(
        bench.run("echo run >>runs; until [ -f go ]; do sleep 0.02; done; kill -STOP $PPID; sleep 1000", "halting")
    )
    await bench.until("[ -f runs ]")
    with contextlib.suppress(RemoteError, TimeoutError):
        await asyncio.wait_for(bench.run("touch go; sleep 1000"), 1.0)
    while not halting.done():  # the stop that finds it halted is refused, and so is what runs there
        with contextlib.suppress(RemoteError):
            await bench.stop("halting")
        await asyncio.sleep(0.1)
    assert (await halting).reason == "REASON_SANDBOX_LOST"
    assert (await bench.run("pgrep -x sleep -a | grep 1000")).output == b""
    assert (await bench.run("echo run >>runs", "halting")).started.attached
    assert (await bench.read("runs")).data == b"run\n"


async def test_a_command_may_clean_up_when_it_is_asked_to_end(bench: Bench) -> None:
    running = asyncio.create_task(
        bench.run("trap 'echo bye; exit 7' TERM; touch up; while :; do sleep 0.05; done", "polite")
    )
    await bench.until("[ -f up ]")
    await bench.stop("polite")
    ran = await running
    assert (ran.output.splitlines()[-1], ran.exit.exit_code, ran.reason) == (b"bye", 7, "REASON_STOPPED")


@pytest.mark.parametrize("backend", [pytest.param("docker", marks=pytest.mark.docker)])
async def test_a_fork_bomb_is_held_at_its_limit_and_can_be_stopped(docker_engine: object, bench: Bench) -> None:
    running = asyncio.create_task(bench.run("touch up; bomb() { bomb | bomb & }; bomb; sleep 1000", "bomb"))
    await asyncio.sleep(1.5)
    await bench.stop("bomb")
    assert (await running).reason == "REASON_STOPPED"
    assert (await bench.run("echo calm")).output == b"calm\n"


@pytest.mark.parametrize("backend", [pytest.param("docker", marks=pytest.mark.docker)])
async def test_want_of_memory_is_told(docker_engine: object, bench: Bench) -> None:
    ran = await bench.run("python3 -c 'print(len(bytearray(10**9)))'")
    assert (ran.reason, ran.exit.exit_code) == ("REASON_OOM", 137)
    assert (await bench.run("echo here")).output == b"here\n"
