"""The runner over a real database, when things happen at the worst moment."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from lucid.sessions.v1.event_pb2 import (
    CommandStarted,
    Error,
    Event,
    StatusChanged,
    TextCompleted,
    TextStarted,
    TurnCompleted,
)
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from services.sessions.agent.runner import Runner
from services.sessions.agent.signals import LocalSignals
from services.sessions.domain.models import Change, Draft, Lease, NewSession, SessionRecord, State
from services.sessions.domain.work import CommandFrame
from services.sessions.ports import Limits, Ports, Transition
from services.sessions.store.database import open_database
from services.sessions.store.sql import SqlEventStore
from services.sessions.store.tables import sessions
from services.sessions.store.watching import LiveWatching
from services.sessions.store.writer import ATTEMPTS
from services.sessions.usecases.create_session import create_session
from services.sessions.usecases.resolve_approval import resolve_approval
from services.sessions.usecases.send_message import send_message
from services.sessions.usecases.stop_session import stop_session
from tests.fakes.ports import FastClock, Place, PlainSealer, Ran
from tests.fakes.scripted_model import Model, OneModel, Script, said

ME = "usr_1"
Seen = Callable[[SessionRecord, Change], None]


class WatchedStore(SqlEventStore):
    """Tells what is about to be stored, from inside the storing transaction."""

    on_store: Seen = staticmethod(lambda row, change: None)
    shown: SessionRecord | None = None

    async def get(self, session_id: str) -> SessionRecord:
        return self.shown or await super().get(session_id)

    async def apply(self, session_id: str, transition: Transition, lease: Lease | None = None) -> list[Event]:
        def seen(row: SessionRecord) -> Change:
            change = transition(row)
            self.on_store(row, change)
            return change

        return await super().apply(session_id, seen, lease)


class BusyPlace(Place):
    """Something happens while a command runs."""

    during: Callable[[SessionRecord], Awaitable[None]] | None = None

    async def run(self, record: SessionRecord, *args: Any) -> AsyncGenerator[CommandFrame, None]:
        if self.during is not None:
            await self.during(record)
        async with contextlib.aclosing(super().run(record, *args)) as frames:
            async for frame in frames:
                yield frame


@dataclass
class Ground:
    """A runner at work, and what a test wants of it."""

    ports: Ports
    store: WatchedStore
    signals: LocalSignals
    runner: Runner
    place: "BusyPlace"

    async def create(self, task: str = "mend it") -> str:
        return (await create_session(self.ports, NewSession(ME, task))).session_id

    async def say(self, session_id: str, text: str) -> None:
        await send_message(self.ports, ME, session_id, text, "")

    async def answer(self, session_id: str, text: str) -> None:
        events = await self.events(session_id)
        asked = [event.approval_requested.request_id for event in events if event.HasField("approval_requested")]
        await resolve_approval(self.ports, ME, session_id, asked[-1], "", text)

    async def until(self, session_id: str, done: Callable[[list[Event]], bool]) -> list[Event]:
        async with asyncio.timeout(10):
            while not done(events := await self.events(session_id)):  # noqa: ASYNC110 the log is what is watched
                await asyncio.sleep(0.02)
        return events

    async def ended(self, session_id: str, turns: int = 1) -> list[Event]:
        return await self.until(session_id, lambda events: kinds(events).count("turn_completed") == turns)

    async def events(self, session_id: str) -> list[Event]:
        return [Event.FromString(data) for _, data in await self.store.read(session_id, 0, 2**31 - 1, 10_000)]


def kinds(events: list[Event]) -> list[str]:
    return [event.WhichOneof("payload") or "" for event in events]


@contextlib.asynccontextmanager
async def at_work(
    url: str, script: Script, lease_seconds: float = 5.0, limits: Limits | None = None
) -> AsyncIterator[Ground]:
    live, place, signals = LiveWatching(), BusyPlace(), LocalSignals()
    store = WatchedStore(open_database(url), live.publish, lease_seconds, live.forget)
    live.backed_by(store)
    ports = Ports(
        store=store,
        live=live,
        models=cast(Any, OneModel(Model(script))),
        workspace=place,
        forge=place,
        clock=FastClock(),
        sealer=PlainSealer(),
        signals=signals,
        limits=limits or Limits(),
    )
    runner = Runner(ports, signals, lease_seconds, 20)
    await store.start()
    await runner.start()
    try:
        yield Ground(ports, store, signals, runner, place)
    finally:
        await runner.stop()
        await store.stop()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'lucid.db'}"


async def test_a_stop_while_an_answer_is_being_stored_does_not_run_its_calls_later(url: str) -> None:
    async with at_work(url, [said("I delete it.", ("run_command", {"command": "rm -rf x"})), said("Fine.")]) as ground:

        def stop(row: SessionRecord, change: Change) -> None:
            if any(draft.event.HasField("tool_call_started") for draft in change.drafts):
                ground.store.shown = replace(row, stop_requested=True)
                ground.signals.stop(row.session_id)

        ground.store.on_store = stop
        session = await ground.create()
        first = kinds(await ground.ended(session))
        ground.store.shown = None
        assert first.count("tool_call_started") == first.count("tool_call_completed") == 1
        assert first.count("text_started") == first.count("text_completed")
        await ground.say(session, "Leave it.")
        await ground.ended(session, 2)
        assert ground.place.starts == []
        assert (await ground.store.get(session)).state is State.IDLE


TWO_CALLS = (("ask_user", {"question": "Red or blue?"}), ("run_command", {"command": "make"}))


async def test_a_question_that_is_answered_while_the_next_call_runs_is_not_waited_for(url: str) -> None:
    async with at_work(url, [said("I ask.", *TWO_CALLS), said("Blue it is.")]) as ground:
        ground.place.during = lambda record: ground.answer(record.session_id, "blue")
        events = await ground.ended(await ground.create())
        assert "The person wrote: blue" in [event.tool_call_completed.result_text for event in events]


async def test_a_message_while_a_question_is_open_is_its_answer_and_waits_for_nothing(url: str) -> None:
    async with at_work(url, [said("I ask.", *TWO_CALLS), said("Blue it is.")]) as ground:
        ground.place.during = lambda record: ground.say(record.session_id, "blue")
        events = await ground.ended(await ground.create())
        assert "queue_changed" not in kinds(events)
        assert [event.user_message.text for event in events if event.HasField("user_message")] == ["mend it", "blue"]


class Unsteady:
    """The writer's transactions, `times` of them broken: before they begin, or `after` their commit."""

    def __init__(self, store: SqlEventStore, *, after: bool = False) -> None:
        self._writer = store._writer
        self._real = self._writer._transaction
        self._after = after
        self.times = 0
        self._writer._transaction = self  # type: ignore[method-assign,assignment]

    async def __call__(self, *args: Any) -> Any:
        broken, self.times = self.times > 0, max(0, self.times - 1)
        if not broken:
            return await self._real(*args)
        if self._after:
            await self._real(*args)
        raise OperationalError("COMMIT", None, ConnectionError("the server has gone"))


async def test_a_commit_whose_answer_was_lost_is_not_made_twice(url: str) -> None:
    async with at_work(url, [said("Done.")]) as ground:
        unsteady = Unsteady(ground.store, after=True)
        draft = Draft(Event(error=Error(code="ONCE")))
        session = await ground.create()
        await ground.ended(session)
        unsteady.times = 1
        (stored,) = await ground.store.apply(session, lambda _: Change(drafts=(draft,)))
        events = await ground.events(session)
        assert [event.error.code for event in events if event.HasField("error")] == ["ONCE"]
        assert stored == events[-1]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))


async def test_a_fault_in_one_change_is_nobody_elses(url: str) -> None:
    def broken(row: SessionRecord) -> Change:
        raise ZeroDivisionError

    async with at_work(url, [said("Done.")]) as ground:
        session = await ground.create()
        await ground.ended(session)
        good = Draft(Event(error=Error(code="GOOD")))
        changes = [broken, lambda _: Change(drafts=(good,)), broken]
        results = await asyncio.gather(*(ground.store.apply(session, c) for c in changes), return_exceptions=True)
        assert [type(result) for result in results] == [ZeroDivisionError, list, ZeroDivisionError]
        await ground.say(session, "Are you there?")
        await ground.ended(session, 2)


async def test_a_database_that_goes_away_in_mid_turn_ends_no_turn(url: str) -> None:
    async with at_work(url, [said("Done.")], lease_seconds=0.5) as ground:
        unsteady = Unsteady(ground.store)

        def break_off(row: SessionRecord, change: Change) -> None:
            if any(draft.event.HasField("text_started") for draft in change.drafts) and not gone:
                gone.append(row.session_id)
                unsteady.times = ATTEMPTS

        gone: list[str] = []
        ground.store.on_store = break_off
        events = await ground.ended(await ground.create())
        assert gone
        assert [event.turn_completed.outcome for event in events if event.HasField("turn_completed")] == [
            TurnCompleted.OUTCOME_DONE
        ]
        assert "error" not in kinds(events)


async def test_a_machine_that_slept_does_not_take_its_own_sessions_over(url: str) -> None:
    async with at_work(url, [said("I run.", ("run_command", {"command": "make"})), said("Done.")]) as ground:

        async def sleep_past_the_lease(record: SessionRecord) -> None:
            past = update(sessions).values(lease_until=0.0)
            await ground.store._database.write(lambda connection: connection.execute(past).rowcount)
            ground.signals.wanted()
            await asyncio.sleep(0.3)

        ground.place.during = sleep_past_the_lease
        session = await ground.create()
        events = await ground.ended(session)
        assert "error" not in kinds(events)
        assert (await ground.store.get(session)).lease_epoch == 1


async def test_a_stop_that_comes_after_the_end_does_not_stop_the_next_turn(url: str) -> None:
    """The turn ends between the stop's look and its storing."""

    class Behind(WatchedStore):
        async def get(self, session_id: str) -> SessionRecord:
            return replace(await super().get(session_id), turn_open=True)

    async with at_work(url, [said("Done.")]) as ground:
        session = await ground.create()
        await ground.ended(session)
        stopped: list[str] = []
        ground.signals.on_stop = stopped.append
        ground.store.__class__ = Behind
        assert await stop_session(ground.ports, ME, session) is False
        assert stopped == []


async def test_a_stop_that_comes_at_the_end_leaves_the_queue_to_the_person(url: str) -> None:
    async with at_work(url, [said("I run.", ("run_command", {"command": "make"})), said("One.")]) as ground:
        stopping: list[asyncio.Future[bool]] = []

        def stop(row: SessionRecord, change: Change) -> None:
            final = any(draft.event.text_completed.text == "One." for draft in change.drafts)
            if final and not stopping:
                # In the log before the turn's end, heard by its owner only after it.
                stopping.append(asyncio.ensure_future(stop_session(ground.ports, ME, row.session_id)))

        ground.signals.on_stop = lambda _: None
        ground.store.on_store = stop
        ground.place.during = lambda record: ground.say(record.session_id, "And two.")
        session = await ground.create()
        await ground.ended(session)
        assert await stopping[0]
        await asyncio.sleep(0.3)
        assert kinds(await ground.events(session)).count("turn_started") == 1
        await ground.say(session, "Now go on.")
        await ground.until(session, lambda events: kinds(events).count("turn_completed") == 3)


async def test_a_turn_that_fails_closes_the_calls_it_did_not_get_to(url: str) -> None:
    calls = (("run_command", {"command": "make"}), ("run_command", {"command": "make install"}))
    async with at_work(url, [said("I run both.", *calls), said("Done.")]) as ground:

        async def go_away(record: SessionRecord) -> None:
            raise ConnectionError

        ground.place.during = go_away
        session = await ground.create()
        first = kinds(await ground.ended(session))
        assert first.count("tool_call_started") == first.count("tool_call_completed") == 2
        ground.place.during = None
        await ground.say(session, "Look first.")
        await ground.ended(session, 2)
        assert ground.place.starts == []


@pytest.mark.parametrize("path", ["a" * 250, "ä" * 4000])
async def test_a_long_path_is_stored_like_any_other(database_url: str, path: str) -> None:
    async with at_work(database_url, [said("I run.", ("run_command", {"command": "make"})), said("Done.")]) as ground:
        ground.place.commands = lambda _: Ran(writes={path: "x\n"})
        events = await ground.ended(await ground.create())
        assert [event.file_edited.path for event in events if event.HasField("file_edited")] == [path]
        assert "error" not in kinds(events)


async def test_an_item_that_a_watcher_reads_before_it_is_published_is_open_for_the_next_one() -> None:
    """The database shows a commit before its writer does."""
    live = LiveWatching()
    live.open("ses", "itm", 1)
    live.stream("ses").seq = 6
    started = Event(seq=6, item_id="itm", text_started=TextStarted())
    live.publish("ses", [(started, started.SerializeToString())])
    assert [item.item_id for item in live.stream("ses").open_items()] == ["itm"]
    ended = Event(seq=6, item_id="itm", text_completed=TextCompleted())
    live.publish("ses", [(ended, ended.SerializeToString())])
    assert live.stream("ses").items == {}


async def test_a_command_that_a_new_owner_goes_on_with_is_open_for_every_watcher() -> None:
    live = LiveWatching()
    started = Event(seq=4, item_id="itm", command_started=CommandStarted(command="make"))
    live.adopt("ses", 5, [(started, started.SerializeToString())])
    told = Event(seq=6, status_changed=StatusChanged())
    live.publish("ses", [(told, told.SerializeToString())])
    live.open("ses", "itm", 3)
    live.write("ses", "itm", 3, 0, b"printed")
    assert [(item.item_id, item.started_seq) for item in live.stream("ses").open_items()] == [("itm", 4)]
    live.drop("ses")
    assert live._streams == {}
