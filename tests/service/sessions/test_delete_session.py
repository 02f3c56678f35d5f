"""Deleting in every phase, and what is left behind while other services are away."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from lucid.sessions.v1.event_pb2 import Event
from sqlalchemy import func, select, update

from services.rpc.errors import LucidError
from services.sessions.agent.leftovers import Sweeper
from services.sessions.agent.runner import Runner
from services.sessions.agent.signals import LocalSignals
from services.sessions.domain.errors import SessionNotFound
from services.sessions.domain.models import NewSession, SessionRecord
from services.sessions.domain.work import CommandFrame, Confinement, Gate
from services.sessions.ports import Limits, Ports
from services.sessions.store.database import Database, open_database
from services.sessions.store.leftovers import SETTLED_SECONDS
from services.sessions.store.sql import SqlEventStore
from services.sessions.store.tables import events, leftovers, progress, sessions
from services.sessions.store.watching import LiveWatching
from services.sessions.usecases.create_session import create_session
from services.sessions.usecases.delete_session import delete_session
from services.sessions.usecases.pause_session import pause_session
from services.sessions.usecases.send_message import send_message
from services.sessions.usecases.stop_session import stop_session
from tests.fakes.ports import FastClock, Place, PlainSealer, Ran
from tests.fakes.scripted_model import Model, OneModel, Script, said

ME = "usr_1"
RUN = ("run_command", {"command": "make"})


@dataclass
class Ended(Place):
    """A place that knows what was removed, where making and running can take as long as a test wants."""

    deleted: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    gone: bool = False
    slow_start: asyncio.Event | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)

    async def create(self, record: SessionRecord, gate: Gate | None) -> Confinement:
        self.started.set()
        if self.slow_start is not None:
            await self.slow_start.wait()
        return await super().create(record, gate)

    async def run(self, record: SessionRecord, *args: Any) -> AsyncGenerator[CommandFrame, None]:
        async with contextlib.aclosing(super().run(record, *args)) as frames:
            async for frame in frames:
                self.started.set()
                yield frame

    async def delete(self, record: SessionRecord) -> None:
        if self.gone:
            raise ConnectionError("the sandbox service is away")
        self.deleted.append(record.sandbox_id)

    async def close_gate(self, record: SessionRecord) -> None:
        if self.gone:
            raise ConnectionError("integrations is away")
        self.closed.append(record.session_id)


@dataclass
class Ground:
    ports: Ports
    database: Database
    place: Ended
    runner: Runner
    sweeper: Sweeper

    async def create(self) -> SessionRecord:
        return await create_session(self.ports, NewSession(ME, "mend it"))

    async def until(self, session_id: str, kind: str) -> None:
        async with asyncio.timeout(10):
            while kind not in [event.WhichOneof("payload") for event in await self.log(session_id)]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def log(self, session_id: str) -> list[Event]:
        return [Event.FromString(data) for _, data in await self.ports.store.read(session_id, 0, 2**31 - 1, 1000)]

    async def rows(self) -> list[int]:
        """Of sessions, events, check-points."""
        queries = [select(func.count()).select_from(table) for table in (sessions, events, progress)]
        return [
            await self.database.read(lambda connection, query=query: connection.execute(query).scalar_one())  # type: ignore[misc]
            for query in queries
        ]

    async def remembered(self) -> int:
        query = select(func.count()).select_from(leftovers)
        return await self.database.read(lambda connection: int(connection.execute(query).scalar_one()))

    async def later(self) -> None:
        """The pause is over: by the database's clock everything is due."""
        due = update(leftovers).values(due_at=0.0)
        await self.database.write(lambda connection: connection.execute(due).rowcount)

    async def let_go(self, session_id: str) -> None:
        async with asyncio.timeout(10):
            while session_id in self.runner._running:  # noqa: ASYNC110 the runner has nobody to tell
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def at_work(url: str, script: Script, **place: Any) -> AsyncIterator[Ground]:
    live, signals, world = LiveWatching(), LocalSignals(), Ended(**place)
    database = open_database(url)
    store = SqlEventStore(database, live.publish, 5.0, live.forget)
    live.backed_by(store)
    ports = Ports(
        store=store,
        live=live,
        models=cast(Any, OneModel(Model(script))),
        workspace=world,
        forge=world,
        clock=FastClock(),
        sealer=PlainSealer(),
        signals=signals,
        limits=Limits(),
    )
    runner = Runner(ports, signals, 5.0, 20)
    await store.start()
    await runner.start()
    try:
        yield Ground(ports, database, world, runner, Sweeper(ports))
    finally:
        await runner.stop()
        await store.stop()


Reach = Callable[[Ground, str], Awaitable[None]]


async def starting(ground: Ground, session_id: str) -> None:
    await ground.place.started.wait()


async def mid_token(ground: Ground, session_id: str) -> None:
    await ground.until(session_id, "text_started")


async def mid_command(ground: Ground, session_id: str) -> None:
    await ground.until(session_id, "command_started")
    await ground.place.started.wait()


async def waiting(ground: Ground, session_id: str) -> None:
    await ground.until(session_id, "approval_requested")
    await ground.let_go(session_id)


async def paused(ground: Ground, session_id: str) -> None:
    await mid_token(ground, session_id)
    await pause_session(ground.ports, ME, session_id)
    await ground.let_go(session_id)


async def stopped(ground: Ground, session_id: str) -> None:
    await mid_token(ground, session_id)
    await stop_session(ground.ports, ME, session_id)
    await ground.until(session_id, "turn_completed")


async def done(ground: Ground, session_id: str) -> None:
    await ground.until(session_id, "turn_completed")
    await ground.let_go(session_id)


async def queued(ground: Ground, session_id: str) -> None:
    await mid_token(ground, session_id)
    await send_message(ground.ports, ME, session_id, "and then", "")


SLOW = [["a", 60.0]]
PHASES: list[tuple[str, Reach, Script, dict[str, Any]]] = [
    ("starting", starting, [said("Done.")], {"slow_start": True}),
    ("mid-token", mid_token, SLOW, {}),
    ("mid-command", mid_command, [said("", RUN)], {"hang": True, "commands": lambda _: Ran(b"half and half")}),
    ("waiting", waiting, [said("", ("ask_user", {"question": "Which?"}))], {}),
    ("paused", paused, SLOW, {}),
    ("stopped", stopped, SLOW, {}),
    ("queued", queued, SLOW, {}),
    ("done", done, [said("Done.")], {}),
]


@pytest.mark.parametrize(("reach", "script", "place"), [row[1:] for row in PHASES], ids=[row[0] for row in PHASES])
async def test_delete_session_in_every_phase(
    database_url: str, reach: Reach, script: Script, place: dict[str, Any]
) -> None:
    script = [[said("Thinking about it ")[0], 60.0]] if script is SLOW else script
    if place.get("slow_start"):
        place = {"slow_start": asyncio.Event()}
    async with at_work(database_url, script, **place) as ground:
        record = await ground.create()
        async with asyncio.timeout(10):
            await reach(ground, record.session_id)
        await delete_session(ground.ports, ME, record.session_id)
        await ground.let_go(record.session_id)
        assert await ground.rows() == [0, 0, 0]
        assert (ground.place.deleted, ground.place.closed) == ([record.sandbox_id], [record.session_id])
        with pytest.raises(SessionNotFound):
            await delete_session(ground.ports, ME, record.session_id)


async def test_what_cannot_be_removed_now_is_removed_later(database_url: str) -> None:
    async with at_work(database_url, [said("Done.")]) as ground:
        record = await ground.create()
        await done(ground, record.session_id)
        ground.place.gone = True
        await delete_session(ground.ports, ME, record.session_id)
        assert (await ground.rows(), await ground.remembered()) == ([0, 0, 0], 1)
        await ground.later()
        await ground.sweeper.sweep()
        assert await ground.remembered() == 1
        # Not again at once: the pause has begun anew.
        ground.place.gone = False
        await ground.sweeper.sweep()
        assert ground.place.deleted == []
        await ground.later()
        # Another process, after a restart.
        await Sweeper(ground.ports).sweep()
        assert (ground.place.deleted, ground.place.closed) == ([record.sandbox_id], [record.session_id])
        assert await ground.remembered() == 0


async def test_an_owner_elsewhere_that_brings_the_sandbox_back_has_it_removed_again(database_url: str) -> None:
    async with at_work(database_url, [said("Done.")]) as ground:
        record = await ground.create()
        await done(ground, record.session_id)
        await delete_session(ground.ports, ME, record.session_id)
        await ground.sweeper.sweep()
        assert ground.place.deleted == [record.sandbox_id]
        await ground.later()
        await ground.sweeper.sweep()
        assert ground.place.deleted == [record.sandbox_id] * 2
        assert await ground.remembered() == 0
        assert SETTLED_SECONDS > 5.0 * 2


async def test_the_owner_in_another_process_lets_go_of_a_deleted_session(database_url: str) -> None:
    script = [[said("Thinking about it ")[0], 60.0]]
    async with at_work(database_url, script) as owner, at_work(database_url, script) as other:
        record = await owner.create()
        await mid_token(owner, record.session_id)
        holder = owner if record.session_id in owner.runner._running else other
        deleter = other if holder is owner else owner
        await delete_session(deleter.ports, ME, record.session_id)
        # By its next renewal, without a word from the deleter.
        await holder.let_go(record.session_id)
        assert await owner.rows() == [0, 0, 0]


async def test_two_sweepers_share_the_work_and_a_fault_of_ours_ends_neither(database_url: str) -> None:
    async with at_work(database_url, [said("Done.")]) as ground:
        made = [await ground.create() for _ in range(6)]
        for record in made:
            await done(ground, record.session_id)
            await delete_session(ground.ports, ME, record.session_id)
        await ground.later()
        ground.place.deleted.clear()
        await asyncio.gather(ground.sweeper.sweep(), Sweeper(ground.ports).sweep())
        assert sorted(ground.place.deleted) == sorted(record.sandbox_id for record in made)

        class Broken:
            calls = 0

            async def take_leftovers(self, limit: int) -> list[Any]:
                self.calls += 1
                raise LucidError if self.calls % 2 else RuntimeError("ours")

        broken = Broken()
        sweeper = Sweeper(replace(ground.ports, store=cast(Any, broken)), poll_seconds=0.01)
        await sweeper.start()
        async with asyncio.timeout(10):
            while broken.calls < 5:  # noqa: ASYNC110 nothing tells of a sweep
                await asyncio.sleep(0.01)
        await sweeper.stop()
