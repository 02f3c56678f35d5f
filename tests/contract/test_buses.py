"""The Bus port on Redis: what it promises, and that nothing worse than a loss happens when Redis goes away."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.sessions.backends.redis import RedisBus
from services.sessions.ports import Bus
from tests.grounds.redis import Redis


class Ear:
    """Listens in the background; `heard` holds what came after the sign that it listens."""

    def __init__(self, bus: Bus, *topics: str) -> None:
        self.heard: list[bytes] = []
        self.listens = asyncio.Event()
        self.came = asyncio.Event()
        self.task = asyncio.create_task(self._run(bus, topics))

    async def _run(self, bus: Bus, topics: tuple[str, ...]) -> None:
        async with contextlib.aclosing(bus.listen(topics)) as messages:
            async for data in messages:
                if data:
                    self.heard.append(data)
                    self.came.set()
                else:
                    self.listens.set()

    async def until(self, count: int) -> list[bytes]:
        async with asyncio.timeout(10):
            while len(self.heard) < count:
                self.came.clear()
                await self.came.wait()
        return self.heard


@pytest.fixture
async def bus(redis: Redis) -> AsyncIterator[RedisBus]:
    made = RedisBus(redis.url)
    yield made
    await made.close()


@pytest.fixture
async def ear(bus: RedisBus) -> AsyncIterator[Ear]:
    made = Ear(bus, "all", "mine")
    await asyncio.wait_for(made.listens.wait(), 10)
    yield made
    made.task.cancel()
    await asyncio.wait((made.task,))


async def test_messages_come_in_order_and_only_of_the_topics_asked_for(bus: RedisBus, ear: Ear) -> None:
    binary = bytes(range(256)) * 1000 + b"\r\n$3\r\n"
    counts = await bus.send([("all", b"1"), ("other", b"2"), ("mine", binary), ("all", b"3")])
    assert counts == [1, 0, 1, 1]
    assert await ear.until(3) == [b"1", binary, b"3"]


async def test_many_senders_do_not_mix_their_answers(bus: RedisBus, ear: Ear) -> None:
    for number in range(50):
        topics = ["all", "nobody"] if number % 2 else ["nobody", "mine"]
        counts = await bus.send([(topic, b"x" * number) for topic in topics])
        assert counts == [int(topic != "nobody") for topic in topics]


async def test_a_killed_server_is_a_connection_error_and_a_new_one_is_found(
    bus: RedisBus, ear: Ear, redis: Redis
) -> None:
    await bus.send([("all", b"before")])
    redis.kill()
    with pytest.raises(ConnectionError):
        await ear.task
    with pytest.raises(ConnectionError):
        await bus.send([("all", b"lost")])
    redis.start()
    again = Ear(bus, "all")
    await asyncio.wait_for(again.listens.wait(), 10)
    assert await bus.send([("all", b"after")]) == [1]
    assert await again.until(1) == [b"after"]
    again.task.cancel()


async def test_a_flush_loses_nothing(bus: RedisBus, ear: Ear, redis: Redis) -> None:
    await bus.send([("all", b"1")])
    assert redis.command("FLUSHALL") == "OK"
    assert redis.command("DBSIZE") == "0"
    assert await bus.send([("all", b"2")]) == [1]
    assert await ear.until(2) == [b"1", b"2"]


async def test_a_listener_that_was_cut_off_is_told(bus: RedisBus, ear: Ear, redis: Redis) -> None:
    redis.command("CLIENT", "KILL", "TYPE", "pubsub")
    with pytest.raises(ConnectionError):
        await ear.task
    assert await bus.send([("all", b"x")]) == [0]


async def test_a_server_that_hangs_is_given_up_on(
    bus: RedisBus, ear: Ear, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sessions.backends.redis.SECONDS", 0.2)
    monkeypatch.setattr("services.sessions.backends.redis.SILENCE", 0.2)
    patient = Ear(bus, "all")
    await asyncio.wait_for(patient.listens.wait(), 10)
    redis.pause()
    try:
        with pytest.raises(ConnectionError):
            await bus.send([("all", b"x")])
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(patient.task, 10)
    finally:
        redis.go_on()
    # What a server took late is not taken for the answer to what is sent next.
    assert await bus.send([("nobody", b"y"), ("all", b"z")]) == [0, 1]


async def test_a_password_is_given_and_a_refusal_does_not_quote_it() -> None:
    folder = Path(tempfile.mkdtemp(prefix="lucid-redis-"))
    server = Redis(folder, "pass word")
    server.url = server.url.replace("pass word", "pass%20word")
    server.start()
    try:
        welcome = RedisBus(server.url)
        assert await welcome.send([("all", b"x")]) == [0]
        await welcome.close()
        for url in (server.url.replace("pass", "CANARY"), f"redis://127.0.0.1:{server.port}"):
            with pytest.raises(ConnectionError, match=r"WRONGPASS|NOAUTH") as refused:
                await RedisBus(url).send([("all", b"x")])
            assert "CANARY" not in str(refused.value)
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("url", ["http://127.0.0.1", "127.0.0.1:6379", "redis://127.0.0.1:port"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"REDIS_URL|[Pp]ort"):
        RedisBus(url)
