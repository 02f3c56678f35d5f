"""A person's terminal: it is typed into, sized, left and come back to; the agent's stop and epoch spare it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from lucid.sandbox.v1 import commands_pb2 as pb
from lucid.sandbox.v1.sandbox_pb2 import CreateSandboxRequest

from services.rpc.status import RemoteError
from tests.contract.launchers.conftest import Bench, order

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Screen:
    """One page that shows a terminal and types into it."""

    def __init__(self, bench: Bench, key: str, writer: str = "page") -> None:
        self.bench, self.key, self.writer = bench, key, writer
        self.shown = b""
        self.position = 0
        self.typed = 0
        self.started = pb.OpenTerminalResponse.Started()
        self.exit: pb.OpenTerminalResponse.Exit | None = None
        self._changed = asyncio.Condition()

    async def follow(self, **fields: Any) -> None:
        request = pb.OpenTerminalRequest(sandbox_id=self.bench.sandbox_id, terminal_id=self.key, **fields)
        async for frame in self.bench.client.open_terminal(request):
            async with self._changed:
                if frame.HasField("started"):
                    self.started = frame.started
                elif frame.HasField("output"):
                    assert frame.output.offset >= self.position
                    self.position = frame.output.offset + len(frame.output.data)
                    self.shown += frame.output.data
                else:
                    self.exit = frame.exit
                self._changed.notify_all()

    async def type(self, text: str) -> None:
        """As the page does: what was not accepted is sent again."""
        data = text.encode()
        goal = self.typed + len(data)
        while self.typed < goal:
            rest = data[len(data) - (goal - self.typed) :]
            self.typed = await self.write(self.typed, rest[:65536])

    async def write(self, offset: int, data: bytes) -> int:
        request = pb.WriteTerminalRequest(
            sandbox_id=self.bench.sandbox_id,
            terminal_id=self.key,
            writer_id=self.writer,
            offset=offset,
            data=data,
        )
        return (await self.bench.client.write_terminal(request)).accepted

    async def shows(self, text: bytes) -> None:
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(lambda: text in self.shown), 30)
            except TimeoutError:
                pytest.fail(f"{text!r} is not in {self.shown[-2000:]!r}")

    async def opened(self) -> None:
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: self.started.columns > 0), 30)

    async def ended(self) -> pb.OpenTerminalResponse.Exit:
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: self.exit is not None), 30)
        assert self.exit is not None
        return self.exit

    async def close(self) -> None:
        await self.bench.client.close_terminal(
            pb.CloseTerminalRequest(sandbox_id=self.bench.sandbox_id, terminal_id=self.key)
        )


@contextlib.asynccontextmanager
async def screen(bench: Bench, key: str = "", writer: str = "page", **fields: Any) -> AsyncIterator[Screen]:
    """A page that has the terminal open, until the block ends; the terminal stays."""
    made = Screen(bench, key or bench.key(), writer)
    following = asyncio.create_task(made.follow(**fields))
    try:
        await made.opened()
        yield made
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following


async def listed(bench: Bench) -> dict[str, pb.ListTerminalsResponse.Terminal]:
    answer = await bench.client.list_terminals(pb.ListTerminalsRequest(sandbox_id=bench.sandbox_id))
    return {found.terminal_id: found for found in answer.terminals}


async def refusal(call: Any) -> str:
    with pytest.raises(RemoteError) as refused:
        await call
    return refused.value.reason


async def test_typing_and_reading(shared: Bench) -> None:
    await shared.run("export CARRIED=yes; mkdir -p place; cd place")
    async with screen(shared) as page:
        await page.type("echo $((6*7)) $CARRIED $TERM; stty size; pwd; tty\n")
        await page.shows(b"42 yes xterm-256color\r\n24 120\r\n/workspace/place\r\n/dev/pts/")
        await page.type("exit 3\n")
        await page.shows(b"exit")
        end = await page.ended()
        assert (end.exit_code, end.reason) == (3, pb.OpenTerminalResponse.Exit.REASON_EXITED)
    await shared.run("cd /workspace")
    assert page.key not in await listed(shared)
    assert await refusal(page.write(page.typed, b"x")) == "INPUT_CLOSED"


async def test_control_c_ends_what_runs_and_not_the_shell(shared: Bench) -> None:
    async with screen(shared) as page:
        await page.type("sleep 1000; echo over $?\n")
        await shared.until("pgrep -x sleep >/dev/null")
        await page.type("\x03")
        await page.type("echo still $((1+1))\n")
        await page.shows(b"still 2\r\n")
        await page.close()


async def test_another_size_reaches_the_programs(shared: Bench) -> None:
    async with screen(shared, columns=80, rows=30) as page:
        await page.type("stty size\n")
        await page.shows(b"30 80\r\n")
        await page.type("(trap 'echo told $((3+3)); exit' WINCH; echo ready $((5+5)); while :; do sleep 0.02; done)\n")
        await page.shows(b"ready 10\r\n")
        size = {"sandbox_id": shared.sandbox_id, "terminal_id": page.key, "columns": 100, "rows": 40}
        await shared.client.resize_terminal(pb.ResizeTerminalRequest(**size))
        await page.shows(b"told 6\r\n")
        await page.type("stty size\n")
        await page.shows(b"40 100\r\n")
        assert ((await listed(shared))[page.key].columns, page.started.columns) == (100, 80)
        await page.close()


async def test_left_and_come_back_to(shared: Bench) -> None:
    async with screen(shared) as page:
        await page.type("until [ -f back ]; do sleep 0.02; done; echo was $((40+2))\n")
        await page.shows(b"back ]")
    await shared.run("touch back")
    async with screen(shared, page.key, from_offset=page.position, attach_only=True) as again:
        await again.shows(b"was 42\r\n")
        assert again.started.attached
    async with screen(shared, page.key) as whole:
        await whole.shows(b"was 42\r\n")
        assert whole.shown.startswith(page.shown)
        await whole.close()
        end = await whole.ended()
        assert end.reason == pb.OpenTerminalResponse.Exit.REASON_CLOSED
        await whole.close()


async def test_two_pages_type_each_byte_once(shared: Bench) -> None:
    async with screen(shared) as one, screen(shared, one.key, "other") as two:
        await one.type("cat >typed\n")
        await shared.until("[ -f typed ]")
        await two.type("from two\n")
        assert await two.write(0, b"from two\n") == 9
        assert await refusal(two.write(99, b"x")) == "INPUT_GAP"
        await one.type("from one\n\x04")
        await one.type("echo done $((2+3))\n")
        await two.shows(b"done 5\r\n")
        assert (await shared.read("typed")).data == b"from two\nfrom one\n"
        await one.close()


async def test_a_flood_keeps_the_last_of_it_and_can_be_ended(shared: Bench) -> None:
    async with screen(shared) as page:
        await page.type("yes | head -c 3000000; echo; echo end $((3+4))\n")
        await page.shows(b"end 7\r\n")
    async with screen(shared, page.key) as late:
        await late.shows(b"end 7\r\n")
        assert len(late.shown) <= 256 * 1024 + 64 * 1024
        assert late.position == page.position or late.position > 3_000_000
        await late.type("yes\n")
        await late.shows(b"y\r\ny\r\n")
        await late.close()
    assert (await shared.run("pgrep -x yes")).output == b""


async def test_a_long_paste_comes_whole(shared: Bench) -> None:
    text = "".join(f"{number:07}\n" for number in range(20_000))
    async with screen(shared) as page:
        await page.type("stty -echo; cat >pasted; stty echo\n")
        await shared.until("[ -f pasted ]")
        await page.type(text + "\x04")
        await page.type("echo pasted $((4+4))\n")
        await page.shows(b"pasted 8\r\n")
        assert (await shared.read("pasted")).data.decode() == text
        await page.close()


@pytest.mark.asyncio(loop_scope="function")
async def test_no_stop_and_no_epoch_of_the_agent_touches_it(bench: Bench) -> None:
    async with screen(bench) as page:
        await page.type("sleep 1000 &\n")
        await page.type("echo here $((1+2))\n")
        await page.shows(b"here 3\r\n")
        agents = await bench.run("sleep 1000 & echo on")
        assert agents.output == b"on\n"
        newer: CreateSandboxRequest = order(bench.sandbox_id)
        newer.epoch = 9
        await bench.client.create_sandbox(newer)
        await bench.stop()
        assert (await bench.run("pgrep -x sleep -a | grep -c 1000", epoch=9)).output == b"1\n"
        await page.type("jobs; echo alive $((2+2))\n")
        await page.shows(b"alive 4\r\n")
        assert b"Running" in page.shown


@pytest.mark.asyncio(loop_scope="function")
async def test_nothing_of_the_agent_hides_behind_a_terminal(bench: Bench) -> None:
    async with screen(bench, "mine") as page:
        await page.type("echo up $((1+2))\n")
        await page.shows(b"up 3\r\n")
        for mark in ("terminal:mine", ""):
            await bench.run(f"LUCID_COMMAND={bench.sandbox_id}/{mark} setsid sleep 1000 & echo on")
        assert await bench.stop() >= 2
        assert (await bench.run("pgrep -x sleep -a | grep 1000")).output == b""
        assert "mine" in await listed(bench)


async def test_closing_ends_what_does_not_listen(shared: Bench) -> None:
    async with screen(shared) as page:
        await page.type("trap '' HUP TERM; sleep 1001\n")
        await shared.until("pgrep -f 'sleep 1001' >/dev/null")
        await page.close()
        assert (await shared.run("pgrep -x sleep -a | grep 1001")).output == b""


@pytest.mark.asyncio(loop_scope="function")
async def test_it_ends_with_the_sandbox(bench: Bench) -> None:
    async with screen(bench) as page:
        await page.type("echo up $((1+2))\n")
        await page.shows(b"up 3\r\n")
        await bench.kill_helper()
        end = await page.ended()
        assert end.reason == pb.OpenTerminalResponse.Exit.REASON_SANDBOX_LOST
    assert await refusal(Screen(bench, page.key).follow(attach_only=True)) == "TERMINAL_NOT_FOUND"


@pytest.mark.asyncio(loop_scope="function")
async def test_no_more_than_eight(bench: Bench) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(8):
            page = await stack.enter_async_context(screen(bench))
            await page.shows(b"$")
        assert await refusal(Screen(bench, "ninth").follow()) == "SANDBOX_BUSY"
        await page.close()
        one_more = await stack.enter_async_context(screen(bench, "ninth"))
        await one_more.shows(b"$")
        assert len(await listed(bench)) == 8
