"""A session of 500 steps costs as much per step at its end as at its beginning (server CPU, without the model)."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import pairwise
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
from services.sessions.domain.work import Outcome
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


@dataclass
class _Ground:
    """A process that owns sessions, on a database of its own."""

    store: SqlEventStore
    live: LiveWatching
    models: ConfiguredModels

    async def cpu_per_step(self, steps: int) -> list[float]:
        """Milliseconds between the starts of a new session's commands, of all threads of this process."""
        moments: list[float] = []

        def command(_: str) -> Ran:
            moments.append(time.process_time() * 1e3)
            return Ran(OUTPUT)

        world = World([], Place(command), Limits(max_iterations=10 * steps))
        ports = replace(world.ports, store=self.store, live=cast(Any, self.live), models=self.models)
        task = marker("steps", steps, uuid4().hex[:12])
        record = replace(world.record, session_id=new_id("ses"), model="llm/scripted", task=task)
        begin = (Event(user_message=UserMessage(text=task)), Event(turn_id="trn_1", turn_started=TurnStarted()))
        await self.store.create(record, task, Change(drafts=tuple(map(Draft, begin)), turn_open=True, wanted=True))
        [claimed] = await self.store.claim("wrk_1", 1)
        journal = Journal(ports, claimed)
        await journal.load()
        assert await run_turn(journal) is Outcome.COMPLETED
        await journal.transition(lambda _: Change(turn_open=False, wanted=False, release_lease=True))
        return [after - before for before, after in pairwise(moments)]


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
        await ground.cpu_per_step(5)
        early = await ground.cpu_per_step(STEPS)
        # The machine may be slower now than it was then: what counts is a session that begins where this one ends.
        late, fresh = early[-WINDOW:], await ground.cpu_per_step(WINDOW)
    first, begin, last = undisturbed(early[:WINDOW]), undisturbed(fresh), undisturbed(late)
    print(f"ms CPU per step: first {WINDOW} {first:.2f}, last {WINDOW} {last:.2f}, a new session then {begin:.2f}")
    assert last <= MOST * max(first, begin)


def undisturbed(costs: list[float]) -> float:
    """What a step costs where nothing else disturbs it: the lower quartile."""
    return quantiles(costs, n=4)[0]
