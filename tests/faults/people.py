"""A person in the storm: a session, two watchers that go from replica to replica, and a mind that changes."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from lucid.sessions.v1 import sessions_pb2 as pb

from tests.faults.client import Client, Refused, Watcher
from tests.faults.world import REPOSITORY, World

PATIENCE_SECONDS = 120.0
MOST_TURNS = 5
RESTING = (pb.Session.STATE_IDLE, pb.Session.STATE_STOPPED, pb.Session.STATE_FAILED)
PLANS = ("talk:{}:30", "slow:{}:25", "mark:{}", "slow:{}:12", "edit:{}", "ask:{}")
DELIVERIES = ("push:{}", "pr:{}")


class Person:
    """`live` is one session from its first message to its deletion, with all that it has left recorded."""

    def __init__(self, name: str, world: World, client: Client, mood: random.Random) -> None:
        self._name = name
        self._world = world
        self._client = client
        self._random = mood
        self._session = ""
        self._watchers: list[Watcher] = []
        self._steps = 0
        self._messages = 0

    async def live(self, goes_on: Callable[[], bool]) -> None:
        """A session that does not come to rest is recorded as such."""
        repository = REPOSITORY if self._random.random() < 0.4 else ""
        made = await self._client.create(f"req-{self._name}", self._plan(bool(repository)), repository)
        self._session = made.session_id
        hops = (self._random.choice((0.2, 1.0, 2.0)), self._random.uniform(0.5, 3.0))
        self._watchers = [
            Watcher(self._client, self._session, f"{self._name}-{number}", hop) for number, hop in enumerate(hops)
        ]
        answering = asyncio.create_task(self._answer())
        try:
            for _ in range(self._random.randint(2, MOST_TURNS)):
                if goes_on():
                    await self._act(bool(repository))
            await self._rest()
        except TimeoutError:
            self._client.records.write("restless", session=self._session)
        finally:
            answering.cancel()
            with suppress(asyncio.CancelledError, TimeoutError):
                await answering
            for watcher in self._watchers:
                await watcher.stop()
        await asyncio.to_thread(self._world.export, self._session)
        await self._client.delete(self._session)
        self._world.deleted(made.sandbox_id)

    def _plan(self, delivers: bool) -> str:
        kinds = [self._random.choice(PLANS) for _ in range(self._random.randint(1, 3))]
        return " ".join(map(self._step, [*kinds, *(DELIVERIES if delivers else ())]))

    def _step(self, kind: str) -> str:
        self._steps += 1
        return kind.format(f"{self._name}-{self._steps}")

    async def _act(self, delivers: bool) -> None:
        """Waits a while, then stops the agent, or says more, in the middle of a turn or after it."""
        what = self._random.choice(("soon", "later", "stop", "stop-and-go-on"))
        await self._pause(0.5, 3.0)
        if what.startswith("stop"):
            await self._client.stop(self._session)
        if what == "later":
            await self._rest()
        if what != "stop":
            self._messages += 1
            await self._client.send(self._session, f"msg-{self._name}-{self._messages}", self._plan(delivers))

    async def _answer(self) -> None:
        """Decides what the agent asks, sometimes in two windows at once and not alike."""
        watcher = self._watchers[0]
        while True:
            await watcher.until(lambda watcher: watcher.open_question() != "", 3600)
            request = watcher.open_question()
            await self._pause(0.0, 2.0)
            options = self._random.sample(["1", "2"], self._random.choice((1, 2)))
            await asyncio.gather(*(self._decide(request, option) for option in options))
            await watcher.until(partial(_asks_no_more, request), 3600)

    async def _decide(self, request: str, option: str) -> None:
        # The other window was first.
        with suppress(Refused):
            await self._client.resolve(self._session, request, option)

    async def _rest(self) -> None:
        """Until the agent has nothing to do and both watchers have seen all of it.

        Work may be slow on a machine that has much to do. TimeoutError where nothing comes any more.
        """
        loop, so_far = asyncio.get_running_loop(), [-1]
        async with asyncio.timeout(PATIENCE_SECONDS) as patience:
            while True:
                found = await self._client.get(self._session)
                seen = [watcher.last_seq for watcher in self._watchers]
                if so_far != [found.last_seq, *seen]:
                    so_far = [found.last_seq, *seen]
                    patience.reschedule(loop.time() + PATIENCE_SECONDS)
                elif set(seen) == {found.last_seq} and found.state in RESTING and not await self._wants():
                    break
                await asyncio.sleep(0.5)
        self._client.records.write("settled", watchers=[watcher.name for watcher in self._watchers])

    async def _wants(self) -> bool:
        return await asyncio.to_thread(self._world.wants, self._session)

    async def _pause(self, least: float, most: float) -> None:
        await asyncio.sleep(self._random.uniform(least, most))


def _asks_no_more(request: str, watcher: Watcher) -> bool:
    return watcher.open_question() != request
