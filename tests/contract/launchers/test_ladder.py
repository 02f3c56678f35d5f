"""A sandbox that nobody uses is paused, put away, deleted; any call brings it back; what is at work is spared."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from lucid.sandbox.v1 import commands_pb2 as cpb
from lucid.sandbox.v1 import files_pb2 as fpb
from lucid.sandbox.v1 import lifecycle_pb2 as lpb
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.identity import Verifier, service_metadata
from services.rpc.ids import new_id
from services.rpc.status import RemoteError
from services.rpc.testing import inproc
from services.sandbox.client import SandboxClient
from services.sandbox.server import build
from tests.contract.launchers.conftest import KEY, OWNER, SECRET, Bench, running, settings_for
from tests.contract.launchers.sleeper import OFF, Sleeper, sleeper_on

RUNGS = {"pause_after": 300.0, "idle_timeout": 6000.0, "retention": 1.0}
KINDS: dict[str, Callable[[Sleeper], Awaitable[Any]]] = {
    "run": lambda sleeper: sleeper.run("cat kept"),
    "stop": lambda sleeper: sleeper.stop(),
    "read": lambda sleeper: sleeper.read("kept"),
    "edit": lambda sleeper: sleeper.create("new", "x"),
    "tree": lambda sleeper: sleeper.client.list_tree(pb.ListTreeRequest(sandbox_id=sleeper.sandbox_id)),
    "snapshot": lambda sleeper: sleeper.snapshot(),
    "save": lambda sleeper: sleeper.save(),
    "create": lambda sleeper: sleeper.bring_up(),
    "resume": lambda sleeper: sleeper.client.resume_sandbox(lpb.ResumeSandboxRequest(sandbox_id=sleeper.sandbox_id)),
}


@pytest.fixture
async def sleeper(backend: str, tmp_path: Path) -> AsyncIterator[Sleeper]:
    async with sleeper_on(backend, tmp_path, **OFF) as made:
        await made.create("kept", "as it was\n")
        yield made


@pytest.fixture
async def climber(backend: str, tmp_path: Path) -> AsyncIterator[Sleeper]:
    async with sleeper_on(backend, tmp_path, **RUNGS) as made:
        await made.create("kept", "as it was\n")
        yield made


def of(backend: str, *words: str) -> list[str]:
    """What is told; without containers nothing is paused."""
    return [word for word in words if backend == "docker" or word not in ("PAUSED", "RESUMED")]


async def test_every_kind_of_call_wakes_a_paused_sandbox(backend: str, sleeper: Sleeper) -> None:
    helper = await sleeper.helper()
    for kind in KINDS.values():
        assert await sleeper.pause() == (backend == "docker")
        assert await sleeper.state() == ("PAUSED" if backend == "docker" else "READY")
        await kind(sleeper)
        assert await sleeper.state() == "READY"
    assert await sleeper.helper() == helper
    assert (await sleeper.read("kept")).data == b"as it was\n"
    rests = [word for word in await sleeper.words() if word != "SAVED"]
    assert rests == of(backend, "READY", *["PAUSED", "RESUMED"] * len(KINDS))


async def test_every_kind_of_call_brings_back_what_was_put_away(sleeper: Sleeper) -> None:
    for name, kind in KINDS.items():
        assert await sleeper.hibernate()
        assert await sleeper.state() == "HIBERNATED"
        await kind(sleeper)
        if name == "stop":  # nothing runs in there that it would have to be woken for
            assert await sleeper.state() == "HIBERNATED"
            assert await sleeper.hibernate() == ""
            await sleeper.run("true")
        assert await sleeper.state() == "READY"
    assert (await sleeper.read("kept")).data == b"as it was\n"
    assert (await sleeper.words()).count("LOST") == 0


async def test_the_rungs_one_after_another(backend: str, climber: Sleeper) -> None:
    climber.clock.passes(400)
    await climber.until_told(*of(backend, "READY", "PAUSED"))
    climber.clock.passes(5500)
    warned = (await climber.until_told(*of(backend, "READY", "PAUSED", "IDLE_WARNING")))[-1]
    assert 0 < (warned.idle_deadline.ToDatetime() - climber.clock.now().replace(tzinfo=None)).total_seconds() < 300
    climber.clock.passes(300)
    told = await climber.until_told(*of(backend, "READY", "PAUSED", "IDLE_WARNING", "SAVED", "HIBERNATED"))
    assert (told[-2].files, told[-2].commits) == (1, 0)
    assert told[-1].checkpoint_id == told[-2].checkpoint_id
    assert (await climber.read("kept")).data == b"as it was\n"
    assert (await climber.words())[-1] == "REBUILT"
    assert (await climber.told())[-1].workspace_kept
    climber.clock.passes(25 * 3600)
    for _ in range(300):
        if (await climber.words())[-1] == "DESTROYED":
            break
        await asyncio.sleep(0.03)
    assert (await climber.words())[-2:] == ["SAVED", "DESTROYED"]
    with pytest.raises(RemoteError) as refused:
        await climber.read("kept")
    assert refused.value.reason == "SANDBOX_UNAVAILABLE"
    made = await climber.bring_up()
    assert (made.created, made.workspace_kept, made.checkpoint_id) == (
        True,
        False,
        (await climber.saved())[0].checkpoint_id,
    )
    assert (await climber.run("ls")).output == b""
    assert not (await climber.told())[-1].workspace_kept
    assert made.transition_id == (await climber.told())[-1].transition_id


async def test_a_rung_that_is_switched_off_is_left_out(backend: str, tmp_path: Path) -> None:
    async with sleeper_on(backend, tmp_path, pause_after=0.0, idle_timeout=600.0, retention=0.0) as sleeper:
        sleeper.clock.passes(1e6)
        await sleeper.until_told("READY", "HIBERNATED")


WORKS = {
    "a command": "touch up; sleep 1000",
    "a listener": 'python3 -c \'import socket,time; s=socket.socket(); s.bind(("127.0.0.1", 5999)); s.listen(); '
    'open("up", "w"); time.sleep(1000)\' </dev/null >/dev/null 2>&1 &',
    "held output": "(touch up; sleep 1000) &",
    "the processor": "(touch up; while :; do :; done) </dev/null >/dev/null 2>&1 &",
}


async def test_what_is_at_work_is_spared_and_then_not(backend: str, climber: Sleeper) -> None:
    for name, command in WORKS.items():
        running_one = asyncio.create_task(climber.run(command))
        await climber.until("[ -f up ] && rm up")
        for _ in range(3):
            climber.clock.passes(7000)
            await asyncio.sleep(1.5)
        assert await climber.words() == ["READY"], name
        if name != "the processor":
            with pytest.raises(RemoteError) as refused:
                await climber.hibernate()
            assert refused.value.reason == "SANDBOX_IN_USE"
        await climber.stop()
        await running_one
    climber.clock.passes(7000)
    await climber.until_told("READY", "SAVED", "HIBERNATED")


async def test_a_command_that_comes_while_it_is_put_to_sleep_runs(sleeper: Sleeper) -> None:
    """Whoever is first, the command runs once, and nothing is lost."""
    for number in range(12):
        asleep = sleeper.hibernate() if number % 3 == 2 else sleeper.pause()
        ran, slept = await asyncio.gather(sleeper.run(f"echo {number} >>runs"), asleep, return_exceptions=True)
        assert not isinstance(ran, BaseException)
        assert ran.exit.exit_code == 0, number
        if isinstance(slept, BaseException):
            assert isinstance(slept, RemoteError)
            assert slept.reason == "SANDBOX_IN_USE"
    assert (await sleeper.read("runs")).data == b"".join(b"%d\n" % number for number in range(12))
    assert "LOST" not in await sleeper.words()


async def test_who_listens_for_changes_does_not_hold_it_awake_and_a_terminal_does(sleeper: Sleeper) -> None:
    asked = fpb.WatchFilesRequest(sandbox_id=sleeper.sandbox_id)
    async with contextlib.aclosing(sleeper.client.watch_files(asked)) as changes:
        await anext(changes)
        assert await sleeper.hibernate()
    terminal = cpb.OpenTerminalRequest(sandbox_id=sleeper.sandbox_id, terminal_id="t")
    async with contextlib.aclosing(sleeper.client.open_terminal(terminal)) as shown:
        await anext(shown)
        with pytest.raises(RemoteError, match="in use"):
            await sleeper.hibernate()
    with pytest.raises(RemoteError, match="a terminal is open"):  # nobody looks at it, and it is there
        await sleeper.hibernate()
    await sleeper.client.close_terminal(cpb.CloseTerminalRequest(sandbox_id=sleeper.sandbox_id, terminal_id="t"))
    assert await sleeper.hibernate()


async def test_restart_ends_what_runs_and_keeps_the_files(sleeper: Sleeper) -> None:
    lost = asyncio.create_task(sleeper.run("touch up; sleep 1000"))
    await sleeper.until("[ -f up ]")
    await sleeper.client.restart_sandbox(lpb.RestartSandboxRequest(sandbox_id=sleeper.sandbox_id))
    assert (await lost).reason == "REASON_SANDBOX_LOST"
    assert (await sleeper.read("kept")).data == b"as it was\n"
    assert (await sleeper.run("pgrep -x sleep -a | grep 1000")).output == b""
    assert await sleeper.words() == ["READY", "REBUILT"]


async def test_keep_alive_moves_the_end_away(climber: Sleeper) -> None:
    for _ in range(4):
        climber.clock.passes(5000)
        answer = await climber.client.keep_alive(lpb.KeepAliveRequest(sandbox_id=climber.sandbox_id))
        assert answer.idle_deadline.ToDatetime() > climber.clock.now().replace(tzinfo=None)
        await asyncio.sleep(0.3)
    assert "HIBERNATED" not in await climber.words()


async def test_two_services_and_a_restart(backend: str, sleeper: Sleeper) -> None:
    """What one has put to sleep is woken by the other, and by one that starts later."""
    async with running(sleeper.settings, sleeper.clock) as client:
        other = Bench(client, sleeper.settings, sleeper.sandbox_id)
        await other.run("true")
        for bench, by in ((other, sleeper), (sleeper, sleeper)):
            await asyncio.sleep(1.1)  # a call of the other service holds it awake so long
            await by.pause()
            assert (await bench.read("kept")).data == b"as it was\n"
        await sleeper.pause()
    async with running(sleeper.settings, sleeper.clock) as client:
        late = Bench(client, sleeper.settings, sleeper.sandbox_id)
        assert await sleeper.state() == ("PAUSED" if backend == "docker" else "READY")
        assert (await late.read("kept")).data == b"as it was\n"
    assert await sleeper.words() == of(backend, "READY", *["PAUSED", "RESUMED"] * 3)


async def test_who_stops_reading_uses_it_no_more(tmp_path: Path) -> None:
    """In one process, where nobody but the reader ends a stream."""
    settings = settings_for("bubblewrap", tmp_path, **OFF)
    service = await build(settings, lambda target: pytest.fail(target))
    async with inproc(service, verifier=Verifier(SECRET, KEY)) as channel:
        bench = Bench(SandboxClient(channel, service_metadata(KEY, OWNER)), settings, new_id("sbx"))
        await bench.bring_up()
        for command in ("echo whole", "echo begun; sleep 1000"):
            async with contextlib.aclosing(bench.client.run_command(bench.request(command))) as frames:
                async for frame in frames:
                    if frame.HasField("output"):
                        break
        await bench.stop()
        await bench.client.hibernate_sandbox(lpb.HibernateSandboxRequest(sandbox_id=bench.sandbox_id))
        await bench.delete()
