"""A key is started at most once, also when the helper dies."""

import asyncio

import pytest

from services.rpc.status import RemoteError
from tests.contract.launchers.conftest import Bench, running


async def test_a_key_whose_helper_died_is_not_run_again_and_its_output_is_kept(bench: Bench) -> None:
    lost = asyncio.create_task(bench.run("echo run >>runs; echo kept; sleep 1000", "lost"))
    await bench.until("[ -f runs ]")
    await bench.kill_helper()
    first = await lost
    assert (first.reason, first.output, first.exit.head) == ("REASON_SANDBOX_LOST", b"kept\n", b"kept\n")
    assert first.exit.WhichOneof("end") is None
    again = await bench.run("echo run >>runs", "lost")
    assert (again.started.attached, again.exit) == (True, first.exit)
    assert (await bench.read("runs")).data == b"run\n"
    assert (await bench.run("pgrep -x sleep -a | grep 1000")).output == b""


async def test_ended_commands_and_edits_are_remembered_by_the_next_service(bench: Bench) -> None:
    done = await bench.run("echo run >>runs; cd /tmp; export CARRIED=1; exit 5", "done")
    edited = await bench.edit("runs", "edit", insert={"after_line": 0, "text": "top"})
    async with running(bench.settings) as client:
        later = Bench(client, bench.settings, bench.sandbox_id)
        assert (await later.bring_up()).workspace_kept
        again = await later.run("echo run >>runs", "done")
        assert (again.exit, again.output) == (done.exit, b"")
        repeated = await later.edit("runs", "edit", insert={"after_line": 0, "text": "top"})
        assert (repeated.etag, repeated.repeated_call) == (edited.etag, True)
        assert (await later.read("/workspace/runs")).data == b"top\nrun\n"
        assert (await later.run("pwd; echo $CARRIED", "new")).output == b"/tmp\n1\n"


async def test_a_sandbox_taken_down_comes_back_on_its_workspace(bench: Bench) -> None:
    await bench.create("kept.txt", "kept")
    await bench.delete(keep_workspace=True)
    with pytest.raises(RemoteError) as refused:
        await bench.read("kept.txt")
    assert refused.value.reason == "SANDBOX_UNAVAILABLE"
    back = await bench.bring_up()
    assert (back.created, back.workspace_kept) == (True, True)
    assert (await bench.read("kept.txt")).data == b"kept"


async def test_taking_a_sandbox_down_ends_its_commands_as_lost(bench: Bench) -> None:
    lost = asyncio.create_task(bench.run("echo run >>runs; sleep 1000", "lost"))
    await bench.until("[ -f runs ]")
    await bench.delete(keep_workspace=True)
    assert (await lost).reason == "REASON_SANDBOX_LOST"
