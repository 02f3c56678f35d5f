"""The one writer: turns, gathering, ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from lucid.gateway.v1.accounts_pb2 import StreamResponse

from services.gateway.socket.watch import Watch
from services.gateway.socket.writer import Writer


class Call:
    """A stream whose answers a test puts in."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (data := await self.queue.get()) is not None:
            yield data


class Channel:
    """Hands out such calls."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def unary_stream(self, _path: str) -> Any:
        def start(_request: bytes, metadata: Any) -> Call:
            self.calls.append(Call())
            return self.calls[-1]

        return start


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Desk:
    """A writer with a socket that a test can stop."""

    def __init__(self, gather: float) -> None:
        self.sent: list[StreamResponse] = []
        self.open = asyncio.Event()
        self.open.set()
        self.writer = Writer(self._send, gather)
        self.channel = Channel()
        self.gone: list[int] = []

    async def _send(self, message: bytes) -> None:
        await self.open.wait()
        self.sent.append(StreamResponse.FromString(message))

    def watch(self, number: int, buffer: int = 1000, stall: float = 5.0) -> tuple[Watch, Call]:
        watch = Watch(number, self.writer.offer, buffer, stall)
        watch.start(self.channel, b"", ())  # type: ignore[arg-type]
        return watch, self.channel.calls[-1] if self.channel.calls else Call()

    async def settle(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def desk(gather: float = 0.0) -> AsyncIterator[Desk]:
    made = Desk(gather)
    task = asyncio.create_task(made.writer.run(lambda watch: made.gone.append(watch.stream_id)))
    yield made
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def started(made: Desk, number: int, **more: Any) -> tuple[Watch, Call]:
    watch, _ = made.watch(number, **more)
    await made.settle()
    return watch, made.channel.calls[-1]


async def test_what_waits_is_joined() -> None:
    async with desk() as made:
        watch, call = await started(made, 1)
        made.open.clear()
        for letter in b"abcdef":
            call.queue.put_nowait(bytes([letter]))
        await made.settle()
        made.open.set()
        await made.settle()
        assert b"".join(answer.frames.response for answer in made.sent) == b"abcdef"
        assert len(made.sent) < 3
        await watch.close()


async def test_a_busy_watch_leaves_turns_to_the_others() -> None:
    async with desk() as made:
        heavy, first = await started(made, 1, buffer=10_000_000)
        light, second = await started(made, 2)
        made.open.clear()
        for _ in range(8):
            first.queue.put_nowait(b"x" * 200_000)
        await made.settle()
        second.queue.put_nowait(b"y")
        await made.settle()
        made.open.set()
        await made.settle()
        order = [answer.frames.stream_id for answer in made.sent]
        assert order.index(2) <= 2
        assert order.count(1) == 8
        for watch in (heavy, light):
            await watch.close()


async def test_a_full_heap_stops_reading_and_goes_on_when_there_is_room() -> None:
    async with desk() as made:
        watch, call = await started(made, 1, buffer=10)
        made.open.clear()
        for _ in range(10):
            call.queue.put_nowait(b"12345")
        await made.settle()
        assert call.queue.qsize() > 4
        made.open.set()
        await made.settle()
        assert b"".join(answer.frames.response for answer in made.sent) == b"12345" * 10
        await watch.close()


async def test_a_socket_that_takes_nothing_ends_the_watch_with_resync() -> None:
    async with desk() as made:
        watch, call = await started(made, 1, buffer=10, stall=0.05)
        made.open.clear()
        for _ in range(10):
            call.queue.put_nowait(b"12345")
        await until(lambda: watch.ended)
        assert watch.waiting == 0
        assert call.cancelled
        made.open.set()
        await made.settle()
        assert made.sent[-1].end.reason == "RESYNC"
        assert made.gone == [1]


async def test_an_unwatch_drops_what_waits() -> None:
    async with desk() as made:
        watch, call = await started(made, 1)
        made.open.clear()
        for _ in range(3):
            call.queue.put_nowait(b"a")
            await made.settle()
        watch.stop()
        made.open.set()
        await made.settle()
        assert made.sent[-1].HasField("end")
        assert made.sent[-1].end.code == 0
        assert sum(len(answer.frames.response) for answer in made.sent) <= 1
        assert call.cancelled


async def test_the_end_comes_after_what_was_there() -> None:
    async with desk() as made:
        _, call = await started(made, 1)
        call.queue.put_nowait(b"a")
        call.queue.put_nowait(None)
        await made.settle()
        kinds = [answer.WhichOneof("response") for answer in made.sent]
        assert kinds == ["frames", "end"]
        assert made.sent[-1].end.reason == "STREAM_ENDED"


@pytest.mark.parametrize("count", [2, 20])
async def test_soon_after_each_other_is_gathered(count: int) -> None:
    async with desk(gather=0.05) as made:
        watch, call = await started(made, 1)
        call.queue.put_nowait(b"0")
        await made.settle()
        assert len(made.sent) == 1
        for _ in range(count):
            call.queue.put_nowait(b"1")
            await made.settle()
        assert len(made.sent) == 1
        await until(lambda: len(made.sent) > 1)
        assert made.sent[1].frames.response == b"1" * count
        await watch.close()


async def test_history_is_not_gathered() -> None:
    async with desk(gather=30.0) as made:
        watch, call = await started(made, 1, buffer=10_000_000)
        for _ in range(3):
            call.queue.put_nowait(b"x" * 100_000)
            await made.settle()
        assert len(made.sent) == 3
        await watch.close()
