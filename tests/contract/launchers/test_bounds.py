"""What no command can do to its sandbox: fill the helper, the disk, the processor or the table of processes."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lucid.sandbox.v1 import commands_pb2 as cpb
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.status import RemoteError
from tests.contract.launchers.conftest import Bench, Ran, sandbox_on, settings_for

MIB = 1024 * 1024
LIMIT = 8 * MIB
BOMB = "echo armed; bomb() { bomb | bomb & }; bomb; until [ -f enough ]; do sleep 0.02; done"


@pytest.fixture
async def tight(backend: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """A sandbox whose commands may print 8 MiB, with room for 150 processes where that is limited."""
    settings = settings_for(backend, tmp_path, memory_limit="256m", pids_limit=150, output_limit=LIMIT)
    async with sandbox_on(settings) as made:
        yield made


async def listed(bench: Bench) -> dict[str, pb.Command]:
    request = cpb.ListCommandsRequest(sandbox_id=bench.sandbox_id, active_only=True)
    return {found.command_id: found for found in (await bench.client.list_commands(request)).commands}


async def grown(bench: Bench, key: str, count: int) -> None:
    """Returns once the command has so many processes."""
    for _ in range(5000):
        found = (await listed(bench)).get(key)
        if found is not None and found.processes >= count:
            return
    pytest.fail(f"{key} does not get to {count} processes: {found}")


async def printed(bench: Bench, key: str, beyond: int) -> int:
    """How much it has printed, once that is more."""
    request = cpb.ReadCommandLogRequest(
        sandbox_id=bench.sandbox_id, command_id=key, offset=beyond, limit=1, wait_ms=30_000
    )
    return (await bench.client.read_command_log(request)).total_bytes


async def test_a_command_that_prints_for_ever_is_ended(tight: Bench) -> None:
    ran = await tight.run("trap '' TERM; yes & yes")
    assert (ran.reason, ran.exit.truncated) == ("REASON_LIMIT", True)
    assert LIMIT <= ran.exit.total_bytes <= LIMIT + 2 * MIB
    assert (ran.exit.head[:4], ran.exit.tail[-2:]) == (b"y\ny\n", b"y\n")
    assert (await tight.run("pgrep -x yes")).output == b""
    ran = await tight.run(f"head -c {LIMIT - 1} /dev/zero")
    assert (ran.reason, ran.exit.total_bytes) == ("REASON_EXITED", LIMIT - 1)


@pytest.mark.parametrize("how", ["by order", "left behind"])
async def test_in_the_background_the_rest_is_taken_slowly(tight: Bench, how: str) -> None:
    key = tight.key()
    if how == "by order":
        await tight.run("exec yes", key, background=True)
    else:
        # Its first bytes come when its command has ended.
        await tight.run("(until [ -f go ]; do sleep 0.02; done; exec yes) & echo on", key)
        await tight.run("touch go")
    total = await printed(tight, key, LIMIT)
    began = time.monotonic()
    grown = await printed(tight, key, total + 2 * MIB) - total
    # At a mebibyte a second this much cannot have come faster, whatever else the machine does.
    assert time.monotonic() - began >= grown / MIB - 1.0
    assert key in await listed(tight)
    assert await tight.stop(key) == 1


async def test_a_flood_that_nobody_reads_is_nothing_to_the_helper(bench: Bench) -> None:
    async def size() -> int:
        return int((await bench.run("grep VmRSS /proc/$PPID/status")).output.split()[1])

    before = await size()
    stream = bench.client.run_command(bench.request("yes", "flood"))
    async for frame in stream:
        if frame.HasField("output"):
            break
    for _ in range(10):
        assert (await bench.run("echo quick")).output == b"quick\n"
    assert await size() < before + 12_000
    assert before < 40_000
    await bench.stop("flood")
    await stream.aclose()


async def test_a_bomb_is_cleared_without_a_fork(tight: Bench) -> None:
    running = asyncio.create_task(tight.run(BOMB, "bomb"))
    await grown(tight, "bomb", 80)
    assert await tight.stop("bomb") >= 80
    assert (await running).reason == "REASON_STOPPED"
    assert "bomb" not in await listed(tight)
    assert (await tight.run("echo calm")).output == b"calm\n"


async def come_late(tight: Bench) -> None:
    """Once it says "fork: retry: Resource temporarily unavailable"; to read that needs room too."""
    await printed(tight, "bomb", 0)
    await tight.run("echo calm", "late")


async def in_time(tight: Bench, command: str, key: str) -> Ran:
    """Asks again, as it is told to, while what is left of a bomb still fills the sandbox."""
    for _ in range(20):
        try:
            return await tight.run(command, key)
        except RemoteError as error:
            if error.reason != "SANDBOX_BUSY":
                raise
    return await tight.run(command, key)


@pytest.mark.docker
@pytest.mark.parametrize("backend", ["docker"])
async def test_who_comes_while_a_bomb_is_there_is_refused_and_the_bomb_is_ended(
    docker_engine: object, tight: Bench
) -> None:
    """Where processes are limited. Nobody has to stop it: the first who finds no room makes room."""
    running = asyncio.create_task(tight.run("while :; do sleep 1000 & done", "bomb"))
    await grown(tight, "bomb", 100)
    with pytest.raises(RemoteError, match="processes of bomb were ended") as refused:
        await come_late(tight)
    assert refused.value.reason == "SANDBOX_BUSY"
    late = await in_time(tight, "echo calm", "late")
    assert (late.output, late.started.attached) == (b"calm\n", False)
    ended = await running
    assert ended.reason == "REASON_LIMIT"
    assert "bomb" not in await listed(tight)


async def test_of_very_many_at_once_some_are_refused_and_none_is_lost(tight: Bench) -> None:
    async def one(number: int) -> Ran | str:
        try:
            return await tight.run(f"echo {number}; until [ -f all ]; do sleep 0.1; done", f"many{number}")
        except RemoteError as error:
            return error.reason

    many = [asyncio.create_task(one(number)) for number in range(200)]
    refused = asyncio.as_completed(many)
    assert {await next(refused) for _ in range(136)} == {"SANDBOX_BUSY"}
    await tight.create("all", "")
    answers = await asyncio.gather(*many)
    for number, ran in enumerate(answers):
        assert ran == "SANDBOX_BUSY" or (isinstance(ran, Ran) and ran.exit.head.startswith(b"%d\n" % number))
    again = await tight.run("echo late", f"many{answers.index('SANDBOX_BUSY')}")
    assert (again.output, again.started.attached) == (b"late\n", False)


async def test_when_memory_is_short_the_helper_is_not_the_one_to_go(bench: Bench) -> None:
    scores = "cat /proc/self/oom_score_adj /proc/$PPID/oom_score_adj; (setsid cat /proc/self/oom_score_adj)"
    mine, helpers, detached = map(int, (await bench.run(scores)).output.split())
    assert mine == detached == 700
    assert helpers < mine
