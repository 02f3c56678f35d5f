"""Commands: output, ends, carried state, background processes."""

import asyncio
import contextlib

import pytest

from services.rpc.status import RemoteError
from tests.contract.launchers.conftest import Bench, Ran


async def test_output_comes_before_the_command_has_ended(bench: Bench) -> None:
    ran = Ran()
    async for frame in bench.client.run_command(
        bench.request("echo first; until [ -f go ]; do sleep 0.02; done; echo second")
    ):
        ran.take(frame)
        if ran.output == b"first\n":
            await bench.run("touch go")
    assert ran.output == b"first\nsecond\n"
    assert (ran.exit.exit_code, ran.reason, ran.exit.head) == (0, "REASON_EXITED", b"first\nsecond\n")


async def test_the_next_shell_finds_what_the_one_before_left(bench: Bench) -> None:
    await bench.run(
        "mkdir 'a b'; cd 'a b'; export NAME=$'two\\nlines'; greet() { echo \"hello $1\"; }; alias shout='echo LOUD'"
    )
    ran = await bench.run('pwd; echo "$NAME"; greet you; shout')
    assert ran.output == b"/workspace/a b\ntwo\nlines\nhello you\nLOUD\n"
    assert ran.started.cwd == ran.exit.cwd_after == "/workspace/a b"
    assert (await bench.run("pwd", cwd="/tmp")).output == b"/tmp\n"


@pytest.mark.parametrize(
    ("deadly", "code"), [("exit 3", 3), ("set -e; false; echo no", 1), ("set -u; echo $nothing", 127), ("exec true", 0)]
)
async def test_nothing_that_ends_a_shell_ends_the_sandbox(bench: Bench, deadly: str, code: int) -> None:
    await bench.run("export KEPT=1")
    assert (await bench.run(deadly)).exit.exit_code == code
    assert (await bench.run("echo $KEPT")).output == b"1\n"


async def test_a_shell_that_kills_itself_ends_by_a_signal(bench: Bench) -> None:
    ran = await bench.run("kill -9 $$")
    assert (ran.exit.signal, ran.exit.WhichOneof("end")) == ("SIGKILL", "signal")


async def test_both_outputs_come_in_the_order_they_were_printed_and_bytes_stay_as_they_are(bench: Bench) -> None:
    ran = await bench.run(r"echo one; echo two >&2; echo three; printf '\xff\x00\x1b[31m'; nosuchprogram")
    assert ran.output.startswith(b"one\ntwo\nthree\n\xff\x00\x1b[31m")
    assert b"line 1: nosuchprogram: command not found" in ran.output
    assert ran.exit.exit_code == 127


async def test_standard_input_is_empty(bench: Bench) -> None:
    assert (await bench.run("read line; echo $?")).output == b"1\n"


async def test_a_command_does_not_find_itself_by_its_text(bench: Bench) -> None:
    assert (await bench.run("pkill -f unmistakable; echo here")).output == b"here\n"


async def test_a_command_longer_than_an_argument_may_be(bench: Bench) -> None:
    ran = await bench.run(f": {'x' * 190_000}\necho done")
    assert ran.output == b"done\n"


async def test_a_time_limit_ends_everything(bench: Bench) -> None:
    ran = await bench.run("trap '' TERM; echo on; sleep 1000 & setsid sleep 1000 & sleep 1000", timeout_ms=300)
    assert (ran.reason, ran.output) == ("REASON_TIMEOUT", b"on\n")
    assert (await bench.run("pgrep -x sleep -a | grep 1000")).output == b""


async def test_what_is_left_running_is_counted_and_keeps_working(bench: Bench) -> None:
    ran = await bench.run("(for i in $(seq 100); do echo noise; sleep 0.02; done; touch finished) & echo started")
    assert (ran.output.partition(b"\n")[0], ran.reason) == (b"started", "REASON_EXITED")
    assert ran.exit.left_running >= 1
    assert ran.exit.duration_ms < 1500
    await bench.until("[ -f finished ]")


async def test_a_flood_has_head_tail_and_a_count_and_can_be_had_again(bench: Bench) -> None:
    ran = await bench.run("seq 1 1000000", "flood")
    whole = b"".join(b"%d\n" % number for number in range(1, 1_000_001))
    assert ran.output == whole
    assert (ran.exit.total_bytes, ran.exit.truncated) == (len(whole), True)
    assert (ran.exit.head, ran.exit.tail) == (whole[: 16 * 1024], whole[-16 * 1024 :])
    again = await bench.run("", "flood", from_offset=6_000_000)
    assert again.started.attached
    assert again.output == whole[6_000_000:]


async def test_of_an_old_flood_the_middle_is_dropped(bench: Bench) -> None:
    await bench.run("head -c 12000000 /dev/zero", "old")
    again = await bench.run("", "old")
    kept = 4 * 1024 * 1024
    assert len(again.output) == 2 * kept
    assert 12_000_000 - kept in again.offsets
    assert again.exit.total_bytes == 12_000_000


async def test_a_reader_that_does_not_read_holds_the_command_up(bench: Bench) -> None:
    size = 40_000_000
    stream = bench.client.run_command(bench.request(f"head -c {size} /dev/zero; echo; echo over >over"))
    ran = Ran()
    async for frame in stream:
        ran.take(frame)
        if len(ran.offsets) == 1 and not ran.exit.total_bytes:
            await asyncio.sleep(1.0)
            assert (await bench.run("[ -f over ]")).exit.exit_code == 1
    assert len(ran.output) == size + 1
    assert ran.offsets[0] == 0


async def test_a_key_is_started_once_and_followed_by_many(bench: Bench) -> None:
    request = bench.request("echo run >>runs; until [ -f go ]; do sleep 0.02; done; echo done", "once")

    async def follow() -> Ran:
        ran = Ran()
        async for frame in bench.client.run_command(request):
            ran.take(frame)
        return ran

    followers = [asyncio.create_task(follow()) for _ in range(3)]
    await bench.until("[ -f runs ]")
    await bench.run("touch go")
    answers = await asyncio.gather(*followers)
    assert [ran.output for ran in answers] == [b"done\n"] * 3
    assert sorted(ran.started.attached for ran in answers) == [False, True, True]
    assert (await bench.run("", "once")).exit == answers[0].exit
    assert (await bench.read("runs")).data == b"run\n"


async def test_ending_the_call_does_not_end_the_command(bench: Bench) -> None:
    request = bench.request("echo before; until [ -f go ]; do sleep 0.02; done; echo after", "left")
    async with contextlib.aclosing(bench.client.run_command(request)) as stream:
        async for frame in stream:
            if frame.HasField("output"):
                break
    await bench.run("touch go")
    ran = await bench.run("", "left", attach_only=True, from_offset=3)
    assert (ran.output, ran.exit.exit_code, ran.exit.head) == (b"ore\nafter\n", 0, b"before\nafter\n")


async def test_attaching_to_what_was_never_started(bench: Bench) -> None:
    with pytest.raises(RemoteError) as refused:
        await bench.run("", "never", attach_only=True)
    assert refused.value.reason == "COMMAND_NOT_FOUND"


async def test_a_folder_that_is_not_there_is_the_commands_failure(bench: Bench) -> None:
    ran = await bench.run("echo no", cwd="nowhere")
    assert ran.exit.exit_code == 1
    assert b"nowhere" in ran.output


async def test_commands_run_side_by_side(bench: Bench) -> None:
    waiting = [bench.run(f"touch here{n}; until [ -f here{1 - n} ]; do sleep 0.02; done; echo {n}") for n in range(2)]
    assert [ran.output for ran in await asyncio.gather(*waiting)] == [b"0\n", b"1\n"]
