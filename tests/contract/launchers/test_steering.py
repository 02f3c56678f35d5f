"""What is done to a command that runs: bytes for its standard input, signals."""

import asyncio
import signal as signals
from pathlib import Path
from typing import Any

import pytest
from lucid.sandbox.v1 import commands_pb2 as cpb

from services.rpc.status import RemoteError
from tests.contract.launchers.conftest import Bench, Ran, sandbox_on, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def write(bench: Bench, key: str, offset: int, data: bytes, **fields: int) -> int:
    request = cpb.WriteStdinRequest(sandbox_id=bench.sandbox_id, command_id=key, offset=offset, data=data, **fields)
    return (await bench.client.write_stdin(request)).accepted


async def close(bench: Bench, key: str) -> None:
    await bench.client.close_stdin(cpb.CloseStdinRequest(sandbox_id=bench.sandbox_id, command_id=key))


async def signal(bench: Bench, key: str, name: str, request_id: str) -> int:
    request = cpb.SignalCommandRequest(
        sandbox_id=bench.sandbox_id, command_id=key, request_id=request_id, signal=f"SIGNAL_{name}"
    )
    return (await bench.client.signal_command(request)).signalled


async def refusal(call: Any) -> str:
    with pytest.raises(RemoteError) as refused:
        await call
    return refused.value.reason


async def started(bench: Bench, command: str, key: str, **fields: Any) -> asyncio.Task[Ran]:
    """The command, once it has said something."""
    running, said = Ran(), asyncio.Event()

    async def follow() -> Ran:
        async for frame in bench.client.run_command(bench.request(command, key, **fields)):
            running.take(frame)
            if running.output:
                said.set()
        return running

    task = asyncio.create_task(follow())
    await asyncio.wait_for(said.wait(), 30)
    return task


async def test_each_byte_is_written_once_however_often_it_is_sent(shared: Bench) -> None:
    key = shared.key()
    running = await started(shared, "echo on; cat; echo closed", key, stdin=True)
    assert await write(shared, key, 0, b"one\n") == 4
    assert await write(shared, key, 0, b"one\n") == 4
    assert await write(shared, key, 2, b"e\ntwo\n") == 8
    assert await refusal(write(shared, key, 9, b"x")) == "INPUT_GAP"
    await close(shared, key)
    await close(shared, key)
    assert await refusal(write(shared, key, 8, b"x")) == "INPUT_CLOSED"
    ran = await running
    assert (ran.output, ran.exit.exit_code) == (b"on\none\ntwo\nclosed\n", 0)
    assert await refusal(write(shared, key, 8, b"x")) == "INPUT_CLOSED"
    await close(shared, key)


async def test_a_command_that_does_not_read_takes_no_more_than_a_pipe(shared: Bench) -> None:
    key, part = shared.key(), b"x" * 65536
    running = await started(shared, "echo on; until [ -f read ]; do sleep 0.02; done; wc -c", key, stdin=True)
    sent = await write(shared, key, 0, part)
    while (now := await write(shared, key, sent, part)) > sent:
        sent = now
    assert 0 < sent < 10 * 65536
    await shared.run("touch read")
    goal = sent + 300_000
    while sent < goal:
        sent = await write(shared, key, sent, part[: goal - sent])
    await close(shared, key)
    assert (await running).output.split()[-1] == str(goal).encode()


async def test_without_it_there_is_no_input(shared: Bench) -> None:
    key = shared.key()
    running = await started(shared, "echo on; until [ -f over ]; do sleep 0.02; done; cat", key)
    assert await refusal(write(shared, key, 0, b"x")) == "INPUT_CLOSED"
    assert await refusal(write(shared, "never", 0, b"x")) == "COMMAND_NOT_FOUND"
    await shared.run("touch over")
    assert (await running).output == b"on\n"


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2"])
async def test_a_signal_comes_once(shared: Bench, name: str) -> None:
    key = shared.key()
    command = f"trap 'echo got; n=$((n+1))' {name}; echo on; until [ -f {name} ]; do sleep 0.02; done; echo $n"
    running = await started(shared, command, key)
    assert await signal(shared, key, name, f"{key}-1") >= 1
    assert await signal(shared, key, name, f"{key}-1") >= 1
    await asyncio.gather(signal(shared, key, name, f"{key}-2"), signal(shared, key, name, f"{key}-2"))
    # A signal that comes while another of its kind waits is one with it: so the second is sent when the first is over.
    await shared.run(f"touch {name}")
    ran = await running
    assert ran.output.splitlines()[-1] in (b"1", b"2")
    assert ran.output.count(b"got") == int(ran.output.splitlines()[-1])


async def test_a_signal_that_the_service_was_started_to_ignore(tmp_path: Path) -> None:
    """As under nohup, or in the background of a script."""
    kept = {number: signals.signal(number, signals.SIG_IGN) for number in (signals.SIGHUP, signals.SIGQUIT)}
    try:
        async with sandbox_on(settings_for("bubblewrap", tmp_path)) as bench:
            key = bench.key()
            running = await started(bench, "trap 'echo got; exit' HUP QUIT; echo on; while :; do sleep 0.02; done", key)
            assert await signal(bench, key, "HUP", "once") >= 1
            assert b"got\n" in (await running).output
    finally:
        for number, handler in kept.items():
            signals.signal(number, handler)


async def test_killed_by_a_signal(shared: Bench) -> None:
    key = shared.key()
    running = await started(shared, "echo on; sleep 1000; echo no", key)
    assert await signal(shared, key, "KILL", key) >= 1
    ran = await running
    assert (ran.exit.signal, ran.reason, ran.output) == ("SIGKILL", "REASON_EXITED", b"on\n")
    assert await signal(shared, key, "KILL", f"{key}-again") == 0
    assert await refusal(signal(shared, "never", "TERM", key)) == "COMMAND_NOT_FOUND"


@pytest.mark.asyncio(loop_scope="function")
async def test_an_owner_of_the_past_steers_nothing(bench: Bench) -> None:
    running = await started(bench, "echo on; cat", "cat", stdin=True, epoch=5)
    old = {"sandbox_id": bench.sandbox_id, "command_id": "cat", "epoch": 4}
    calls = (
        write(bench, "cat", 0, b"x", epoch=4),
        bench.client.close_stdin(cpb.CloseStdinRequest(**old)),
        bench.client.signal_command(cpb.SignalCommandRequest(**old, request_id="r", signal="SIGNAL_KILL")),
    )
    for call in calls:
        assert await refusal(call) == "FENCED"
    assert await write(bench, "cat", 0, b"still\n", epoch=5) == 6
    await bench.client.close_stdin(cpb.CloseStdinRequest(**{**old, "epoch": 6}))
    assert (await running).output == b"on\nstill\n"
