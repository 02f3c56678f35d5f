"""Owners of one session, one after the other, each as a process of its own would be: with its own store on the same
database. An owner dies at a given append, before or after it is stored, and from then on stores nothing more."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from lucid.sessions.v1.event_pb2 import Event
from sqlalchemy import update

from services.sessions.agent.runner import Runner
from services.sessions.agent.signals import LocalSignals
from services.sessions.domain.errors import StoreUnavailable
from services.sessions.domain.models import Lease, NewSession, SessionRecord
from services.sessions.domain.work import CommandFrame, Confinement, Gate
from services.sessions.ports import Limits, Ports, Transition
from services.sessions.store.database import open_database
from services.sessions.store.sql import SqlEventStore
from services.sessions.store.tables import sessions
from services.sessions.store.watching import LiveWatching
from services.sessions.usecases.create_session import create_session
from tests.fakes.ports import FastClock, Place, PlainSealer
from tests.fakes.scripted_model import Model, OneModel, Script

ME = "usr_1"
PATIENCE = 20.0
During = Callable[[], Awaitable[object]]


@contextlib.contextmanager
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: so many small tests need not wait for a disk."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        yield Path(folder)


async def nothing() -> None:
    """Nothing happens."""


class MortalStore(SqlEventStore):
    """Dies at the owner's append number `dies_at` (0: never), once it is stored if `after`."""

    appends = 0
    dies_at = 0
    after = False
    dead = False

    def watch_death(self) -> None:
        self.died = asyncio.Event()

    async def apply(self, session_id: str, transition: Transition, lease: Lease | None = None) -> list[Event]:
        await self._alive()
        if lease is None:
            return await super().apply(session_id, transition, lease)
        self.appends += 1
        dies = self.appends == self.dies_at
        if dies and not self.after:
            await self._die()
        stored = await super().apply(session_id, transition, lease)
        if dies:
            await self._die()
        await self._alive()
        return stored

    async def claim(self, *args: Any, **more: Any) -> list[SessionRecord]:
        await self._alive()
        return await super().claim(*args, **more)

    async def renew(self, *args: Any) -> Any:
        await self._alive()
        return await super().renew(*args)

    async def release(self, *args: Any) -> Any:
        await self._alive()
        return await super().release(*args)

    async def save_progress(self, *args: Any) -> None:
        await self._alive()
        await super().save_progress(*args)

    async def _alive(self) -> None:
        if self.dead:
            raise StoreUnavailable

    async def _die(self) -> None:
        self.dead = True
        self.died.set()
        await asyncio.Event().wait()


class SharedPlace(Place):
    """The sandbox, which outlives its callers. `during` happens while a command runs, once for all owners."""

    def __init__(self) -> None:
        super().__init__(files={"README.md": "hello\n"})
        self.during: During = nothing
        self.began: dict[str, asyncio.Task[object]] = {}

    async def create(self, record: SessionRecord, gate: Gate | None) -> Confinement:
        made = await super().create(record, gate)
        return replace(made, created=self.creates == 1)

    async def run(self, record: SessionRecord, key: str, *args: Any) -> AsyncGenerator[CommandFrame, None]:
        if key not in self.began:
            self.began[key] = asyncio.create_task(self._happen())
        # Not cut by the end of the owner that ran the command: what happens is done by others.
        await asyncio.shield(self.began[key])
        async with contextlib.aclosing(super().run(record, key, *args)) as frames:
            async for frame in frames:
                yield frame

    async def _happen(self) -> object:
        return await self.during()


@dataclass
class Owner:
    """A process that runs sessions."""

    store: MortalStore
    ports: Ports
    signals: LocalSignals
    runner: Runner

    async def start(self) -> None:
        await self.store.start()
        await self.runner.start()

    async def end(self) -> None:
        await self.runner.stop()
        await self.store.stop()

    async def kill(self) -> None:
        """Nothing of it is stored any more, and nobody is told."""
        self.store.dead = True
        await self.end()


@dataclass
class Stage:
    """A session's world over the lives of its owners."""

    url: str
    model: Model
    place: SharedPlace = field(default_factory=SharedPlace)
    lease_seconds: float = 30.0
    limits: Limits = field(default_factory=Limits)
    signalled: bool = True
    session_id: str = ""
    latest: Owner | None = None

    def owner(self) -> Owner:
        """The next one; what the person does is signalled to it."""
        self.latest = self._process()
        return self.latest

    def _process(self) -> Owner:
        live, signals = LiveWatching(), LocalSignals()
        store = MortalStore(open_database(self.url), live.publish, self.lease_seconds, live.forget)
        store.watch_death()
        live.backed_by(store)
        ports = Ports(
            store=store,
            live=live,
            models=cast(Any, OneModel(self.model)),
            workspace=self.place,
            forge=self.place,
            clock=FastClock(),
            sealer=PlainSealer(),
            signals=signals,
            limits=self.limits,
        )
        return Owner(store, ports, signals, Runner(ports, signals, self.lease_seconds, 20))

    @contextlib.asynccontextmanager
    async def person(self) -> AsyncIterator[Ports]:
        """The service by which the person comes; it runs nothing."""
        here = self._process()
        await here.store.start()
        try:
            yield replace(here.ports, signals=_ToLatest(self)) if self.signalled else here.ports
        finally:
            await here.store.stop()

    async def create(self, ports: Ports) -> None:
        self.session_id = (await create_session(ports, NewSession(ME, "mend it"))).session_id

    async def lapse(self, ports: Ports) -> None:
        """The dead owner's lease runs out."""
        store = cast(SqlEventStore, ports.store)
        await store._database.write(lambda connection: connection.execute(update(sessions).values(lease_until=0.0)))

    async def events(self, ports: Ports) -> list[Event]:
        rows = await ports.store.read(self.session_id, 0, 2**31 - 1, 10_000)
        return [Event.FromString(data) for _, data in rows]

    async def until(self, ports: Ports, done: Callable[[SessionRecord], bool]) -> list[Event]:
        async with asyncio.timeout(PATIENCE):
            while not done(await ports.store.get(self.session_id)):  # noqa: ASYNC110 the row is what is watched
                await asyncio.sleep(0.005)
        return await self.events(ports)


class _ToLatest:
    """Signals to whoever owns the session now."""

    def __init__(self, played: Stage) -> None:
        self._played = played

    def __getattr__(self, name: str) -> Callable[..., None]:
        owner = self._played.latest
        return getattr(owner.signals, name) if owner is not None else lambda *_: None


def stage(url: str, script: Script, **more: Any) -> Stage:
    return Stage(url, Model(script), **more)


def kinds(events: list[Event]) -> list[str]:
    return [event.WhichOneof("payload") or "" for event in events]


def is_whole(events: list[Event]) -> None:
    """No gap, and every item that was opened is closed."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    told = kinds(events)
    for item in ("text", "command", "tool_call"):
        assert told.count(f"{item}_started") == told.count(f"{item}_completed"), item
    ended = [event.item_id for event in events if event.WhichOneof("payload") == "tool_call_completed"]
    assert len(ended) == len(set(ended))
