"""A session of 500 steps costs as much per step at its end as at its beginning (server CPU, without the model)."""

import asyncio
import contextlib
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import quantiles
from typing import Any, cast
from uuid import uuid4

import pytest
from lucid.sessions.v1.event_pb2 import Event, TurnStarted, UserMessage

from services.rpc.ids import new_id
from services.sessions.agent.journal import Journal
from services.sessions.agent.loop import run_turn
from services.sessions.backends.models import ConfiguredModels, Providers
from services.sessions.domain.models import Change, Draft
from services.sessions.domain.work import CommandFrame, Outcome
from services.sessions.ports import Limits
from services.sessions.store.database import open_database
from services.sessions.store.sql import SqlEventStore
from services.sessions.store.watching import LiveWatching
from tests.benchmarks.scripted_model import marker
from tests.fakes.ports import Place, Ran, World

ROOT = Path(__file__).parents[3]
STEPS, WINDOW, MOST = 500, 50, 1.3
OUTPUT = b"a line of what a command prints, as long as most\n" * 10


@contextlib.asynccontextmanager
async def _model_url() -> AsyncIterator[str]:
    """A model server in a process of its own: its CPU is not counted."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.scripted_model", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}/v1"
    finally:
        process.terminate()
        await process.wait()


class _Pace:
    """Lets sessions step by turns, one at a time: what is measured of a step is its own, and what disturbs the machine
    disturbs all of them alike."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Event] = deque()

    async def next(self) -> None:
        mine = asyncio.Event()
        self._waiting.append(mine)
        self.leave()
        await mine.wait()

    async def wait_for(self, other: Callable[[], None]) -> None:
        """Begins another one, and goes on when that has made its first step."""
        mine = asyncio.Event()
        self._waiting.append(mine)
        other()
        await mine.wait()

    def leave(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()


class _Measured(Place):
    """Where commands run: notes what a step has cost when its command starts. `costs`: milliseconds of CPU, of all
    threads of this process."""

    def __init__(self, pace: _Pace, at: int = 0, begin: Callable[[], None] = lambda: None) -> None:
        super().__init__(lambda _: Ran(OUTPUT))
        self.costs: list[float] = []
        self._pace, self._at, self._begin = pace, at, begin
        self._since = time.process_time()

    async def run(self, *args: Any, **more: Any) -> AsyncGenerator[CommandFrame, None]:
        self.costs.append((time.process_time() - self._since) * 1e3)
        if len(self.costs) == self._at:
            await self._pace.wait_for(self._begin)
        else:
            await self._pace.next()
        self._since = time.process_time()
        async with contextlib.aclosing(super().run(*args, **more)) as frames:
            async for frame in frames:
                yield frame


@dataclass
class _Ground:
    """A process that owns sessions, on a database of its own."""

    store: SqlEventStore
    live: LiveWatching
    models: ConfiguredModels

    async def work(self, steps: int, place: Place, pace: _Pace) -> None:
        """A new session, to the end of its turn of so many steps."""
        world = World([], place, Limits(max_iterations=10 * steps, conversation_timeout=1e9))
        ports = replace(world.ports, store=self.store, live=cast(Any, self.live), models=self.models)
        task = marker("steps", steps, uuid4().hex[:12])
        record = replace(world.record, session_id=new_id("ses"), model="llm/scripted", task=task)
        begin = (Event(user_message=UserMessage(text=task)), Event(turn_id="trn_1", turn_started=TurnStarted()))
        await self.store.create(record, task, Change(drafts=tuple(map(Draft, begin)), turn_open=True, wanted=True))
        [claimed] = await self.store.claim("wrk_1", 1)
        journal = Journal(ports, claimed)
        await journal.load()
        assert await run_turn(journal) is Outcome.COMPLETED
        pace.leave()
        await journal.transition(lambda _: Change(turn_open=False, wanted=False, release_lease=True))


@contextlib.asynccontextmanager
async def _ground(folder: Path, url: str) -> AsyncIterator[_Ground]:
    live, models = LiveWatching(), ConfiguredModels(Providers(llm_base_url=url))
    store = SqlEventStore(
        open_database(f"sqlite+aiosqlite:///{folder / 'sessions.db'}"), live.publish, 600.0, live.forget
    )
    live.backed_by(store)
    await store.start()
    yield _Ground(store, live, models)
    await models.close()
    await store.stop()


@pytest.mark.timeout(300)
async def test_step_500_costs_what_step_50_costs(tmp_path: Path) -> None:
    async with _model_url() as url, _ground(tmp_path, url) as ground:
        # Loads the client, which would make the first steps dear and this test easy.
        await ground.work(5, Place(), _Pace())
        pace, others = _Pace(), list[asyncio.Task[None]]()
        fresh = _Measured(pace)
        long = _Measured(
            pace,
            STEPS - WINDOW,
            lambda: others.append(asyncio.create_task(ground.work(WINDOW, fresh, pace))),
        )
        await ground.work(STEPS, long, pace)
        await asyncio.gather(*others)
    assert (len(long.costs), len(fresh.costs)) == (STEPS, WINDOW)
    # The first of each also waits for the session to be made.
    begin, last = _undisturbed(fresh.costs[1:]), _undisturbed(long.costs[-WINDOW + 1 :])
    print(f"ms CPU per step: {begin:.2f} in the first {WINDOW} of a session, {last:.2f} in the last of {STEPS}")
    assert last <= MOST * begin


def _undisturbed(costs: list[float]) -> float:
    """What a step costs where nothing else disturbs it: the lower quartile."""
    return quantiles(costs, n=4)[0]
