"""Steering, pausing and stopping while owners die: at every append, before and after it is stored."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import Event, QueueChanged, StatusChanged, TurnCompleted, UserMessage

from services.sessions.domain.conversation import ModelRequest, TextPiece, ToolResult, UserTurn
from services.sessions.domain.models import SessionRecord, State
from services.sessions.domain.spending import Measure, Spending
from services.sessions.ports import Ports
from services.sessions.store.database import open_database
from services.sessions.store.migrating import migrate
from services.sessions.usecases.pause_session import pause_session
from services.sessions.usecases.resume_session import resume_session
from services.sessions.usecases.send_message import send_message
from services.sessions.usecases.stop_session import stop_session
from tests.fakes.scripted_model import said
from tests.service.sessions.owners import ME, Owner, Stage, is_whole, kinds, memory, nothing, stage

MAKE, FINISH = ("run_command", {"command": "make"}), ("finish", {"summary": "All done."})


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A database with its tables: making them takes longer than most of these tests."""
    with memory() as folder:
        asyncio.run(migrate(open_database(f"sqlite:///{folder}/template.db")))
        yield folder


@pytest.fixture
def fresh(template: Path) -> Iterator[Callable[[], str]]:
    """Copies of it."""
    made: list[Path] = []

    def copy() -> str:
        made.append(template / f"{len(made)}.db")
        shutil.copy(template / "template.db", made[-1])
        return f"sqlite:///{made[-1]}"

    yield copy
    for path in template.glob("[0-9]*.db*"):
        path.unlink()


def works(request: ModelRequest) -> list[Any]:
    """One command, then it says which messages it has read."""
    if not any(isinstance(turn, ToolResult) for turn in request.turns):
        return list(said("I make it.", MAKE))
    read = [turn.text.removeprefix("Repository") for turn in request.turns if isinstance(turn, UserTurn)]
    return list(said("", ("finish", {"summary": f"{len(read)} read; last: {read[-1]}"})))


def idle(row: SessionRecord) -> bool:
    return not row.turn_open and not row.wanted and row.state is State.IDLE


def paused(row: SessionRecord) -> bool:
    return row.state is State.PAUSED


def stopped(row: SessionRecord) -> bool:
    return row.state is State.STOPPED


Act = Callable[[Stage, Ports], Awaitable[object]]
Check = Callable[[Stage, Ports], Awaitable[None]]


async def at_every_append(
    fresh: Callable[[], str], script: Any, act: Act, done: Callable[[SessionRecord], bool], check: Check, after: bool
) -> int:
    """`act` happens while the command runs; the owner dies at each append in turn, and another one takes over."""
    for dies_at in range(1, 60):
        played = stage(fresh(), script)
        async with played.person() as person:
            lived = await _one_death(played, person, act, done, dies_at, after)
            await check(played, person)
        if lived:
            return dies_at - 1
    raise AssertionError("it never came to an end")


async def _one_death(
    played: Stage, person: Ports, act: Act, done: Callable[[SessionRecord], bool], dies_at: int, after: bool
) -> bool:
    first = played.owner()
    first.store.dies_at, first.store.after = dies_at, after
    played.place.during = lambda: act(played, person)
    await played.create(person)
    await first.start()
    lived = False

    def ended_or_dead(row: SessionRecord) -> bool:
        nonlocal lived
        lived = done(row) and not first.store.dead
        return lived or first.store.dead

    await played.until(person, ended_or_dead)
    await first.kill()
    if not lived:
        await played.lapse(person)
        second = played.owner()
        await second.start()
        await played.until(person, done)
        await second.end()
    return lived


def taken(events: list[Event]) -> list[str]:
    changes = [event.queue_changed for event in events if event.HasField("queue_changed")]
    return [change.queue_item_id for change in changes if change.change == QueueChanged.CHANGE_TAKEN]


def summaries(events: list[Event]) -> list[str]:
    return [event.turn_completed.summary for event in events if event.HasField("turn_completed")]


async def steer(played: Stage, person: Ports) -> None:
    await send_message(person, ME, played.session_id, "to the left", "s1", steer=True)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.timeout(120)
async def test_a_steering_message_is_read_once_whoever_dies(fresh: Callable[[], str], after: bool) -> None:
    async def check(played: Stage, person: Ports) -> None:
        is_whole(events := await played.events(person))
        assert taken(events) == ["s1"]
        said_here = [event.user_message for event in events if event.user_message.client_message_id == "s1"]
        assert [(message.text, message.delivery) for message in said_here] == [
            ("to the left", UserMessage.DELIVERY_STEER)
        ]
        # In the same turn, before the next call of the model.
        assert summaries(events) == ["2 read; last: to the left"]
        assert len(played.place.starts) == 1

    assert await at_every_append(fresh, works, steer, idle, check, after) > 10


async def pause(played: Stage, person: Ports) -> None:
    assert await pause_session(person, ME, played.session_id)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.timeout(120)
async def test_a_pause_in_a_command_is_kept_whoever_dies(fresh: Callable[[], str], after: bool) -> None:
    async def check(played: Stage, person: Ports) -> None:
        events = await played.events(person)
        told = kinds(events)
        # The command came to its end, and the model was not asked again.
        assert told.count("command_completed") == len(played.place.starts) == 1
        assert "turn_completed" not in told
        phases = [event.status_changed.phase for event in events if event.HasField("status_changed")]
        assert phases.count(StatusChanged.PHASE_PAUSED) == 1
        assert phases[-1] == StatusChanged.PHASE_PAUSED
        await resume_session(person, ME, played.session_id)
        last = played.owner()
        await last.start()
        is_whole(events := await played.until(person, idle))
        await last.end()
        assert len(played.place.starts) == 1
        assert len(summaries(events)) == 1

    assert await at_every_append(fresh, works, pause, paused, check, after) > 5


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.timeout(120)
async def test_a_resumed_session_goes_on_where_it_was_whoever_dies(fresh: Callable[[], str], after: bool) -> None:
    """It is paused by one owner and resumed by the next, which dies."""
    for dies_at in range(1, 40):
        played = stage(fresh(), works)
        async with played.person() as person:
            first = played.owner()
            played.place.during = partial(pause, played, person)
            await played.create(person)
            await first.start()
            await played.until(person, paused)
            await first.end()
            await send_message(person, ME, played.session_id, "to the left", "s1", steer=True)
            assert paused(await person.store.get(played.session_id))
            assert await resume_session(person, ME, played.session_id)
            second, lived = played.owner(), []
            second.store.dies_at, second.store.after = dies_at, after
            await second.start()
            await played.until(person, lambda row, second=second: idle(row) or second.store.dead)  # type: ignore[misc]
            lived = not second.store.dead
            await second.kill()
            if not lived:
                await played.lapse(person)
                third = played.owner()
                await third.start()
                await played.until(person, idle)
                await third.end()
            events = await played.events(person)
        is_whole(events)
        assert summaries(events) == ["2 read; last: to the left"]
        assert taken(events) == ["s1"]
        assert len(played.place.starts) == 1
        if lived:
            assert dies_at > 5
            return
    raise AssertionError("it never came to an end")


async def test_a_pause_in_mid_token_cuts_the_call_and_asks_again(fresh: Callable[[], str]) -> None:
    def talks(request: ModelRequest) -> list[Any]:
        return (
            [TextPiece("It "), TextPiece("is "), 60.0] if len(played.model.requests) == 1 else list(said("It is so."))
        )

    played = stage(fresh(), talks)
    async with played.person() as person:
        owner = played.owner()
        await played.create(person)
        await owner.start()
        await played.until(person, lambda row: row.seq >= 6 and bool(owner.ports.live.texts(played.session_id)))
        await pause(played, person)
        await pause(played, person)
        events = await played.until(person, paused)
        assert [(event.text_completed.text, event.text_completed.reset) for event in texts(events)] == [
            ("It is ", True)
        ]
        is_whole(events)
        row = await person.store.get(played.session_id)
        assert (row.turn_open, row.wanted, row.pause_requested) == (True, False, True)
        # Nothing is asked while it is paused, also not by a message.
        await send_message(person, ME, played.session_id, "psst", "c1")
        assert await resume_session(person, ME, played.session_id)
        events = await played.until(person, lambda row: idle(row) and not row.waiting.queue)
        assert len(played.model.requests) == 3
        await owner.end()
    assert [event.text_completed.text for event in texts(events) if not event.text_completed.reset] == ["Itisso."] * 2
    is_whole(events)


def texts(events: list[Event]) -> list[Event]:
    return [event for event in events if event.HasField("text_completed")]


async def test_a_pause_leaves_the_calls_that_have_not_begun(fresh: Callable[[], str]) -> None:
    def two(request: ModelRequest) -> list[Any]:
        first = not any(isinstance(turn, ToolResult) for turn in request.turns)
        return list(said("Both.", MAKE, ("run_command", {"command": "make install"})) if first else said("", FINISH))

    played = stage(fresh(), two)
    async with played.person() as person:
        owner = played.owner()
        played.place.during = partial(pause, played, person)
        await played.create(person)
        await owner.start()
        events = await played.until(person, paused)
        assert kinds(events).count("tool_call_started") == 2
        assert kinds(events).count("command_started") == kinds(events).count("tool_call_completed") == 1

        played.place.during = nothing
        await resume_session(person, ME, played.session_id)
        events = await played.until(person, idle)
        await owner.end()
    is_whole(events)
    assert len(played.place.starts) == 2
    assert summaries(events) == ["All done."]


@pytest.mark.parametrize("where", ["command", "token", "waiting", "paused"])
async def test_a_stop_while_the_owner_is_dead_is_honoured_by_the_next(fresh: Callable[[], str], where: str) -> None:
    script = {
        "command": [said("I make it.", MAKE), said("", FINISH)],
        "paused": [said("I make it.", MAKE), said("", FINISH)],
        "token": [[TextPiece("It "), TextPiece("is "), 60.0]],
        "waiting": [said("I ask.", ("ask_user", {"question": "Which?"})), said("", FINISH)],
    }[where]
    played = stage(fresh(), script)
    async with played.person() as person:
        owner = played.owner()
        if where == "paused":
            played.place.during = partial(pause, played, person)
        played.place.hang = where == "command"
        await played.create(person)
        await owner.start()
        await played.until(person, _is_at(where, owner, played))
        await owner.kill()
        assert await stop_session(person, ME, played.session_id)
        asked, starts = len(played.model.requests), list(played.place.starts)
        await played.lapse(person)
        second = played.owner()
        await second.start()
        events = await played.until(person, stopped)
        await second.end()
    is_whole(events)
    assert (len(played.model.requests), played.place.starts) == (asked, starts)
    ends = [event.turn_completed.outcome for event in events if event.HasField("turn_completed")]
    assert ends == [TurnCompleted.OUTCOME_INTERRUPTED]
    asked_for = [event.approval_requested.request_id for event in events if event.HasField("approval_requested")]
    assert [event.approval_resolved.request_id for event in events if event.HasField("approval_resolved")] == asked_for


def _is_at(where: str, owner: Owner, played: Stage) -> Callable[[SessionRecord], bool]:
    return {
        "command": lambda row: bool(played.place.starts),
        "paused": paused,
        "token": lambda row: bool(owner.ports.live.texts(played.session_id)),
        "waiting": lambda row: row.state is State.WAITING,
    }[where]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.timeout(120)
async def test_a_stop_ends_everything_once_whoever_dies(fresh: Callable[[], str], after: bool) -> None:
    async def stop(played: Stage, person: Ports) -> None:
        await send_message(person, ME, played.session_id, "before", "c1")
        assert await stop_session(person, ME, played.session_id)

    async def check(played: Stage, person: Ports) -> None:
        is_whole(events := await played.events(person))
        # One may be lost with its owner, and one begin before the stop that comes with a command's end is heard.
        assert len(played.model.requests) <= 3
        ends = [event.turn_completed.outcome for event in events if event.HasField("turn_completed")]
        assert ends == [TurnCompleted.OUTCOME_INTERRUPTED]
        assert taken(events) == []

    assert await at_every_append(fresh, works, stop, stopped, check, after) > 5


async def test_a_pause_and_a_stop_reach_an_owner_that_hears_no_signal(fresh: Callable[[], str]) -> None:
    """It is another process: its next renewal tells it."""
    played = stage(fresh(), [[TextPiece("It "), TextPiece("is "), 60.0]], lease_seconds=0.6, signalled=False)
    async with played.person() as person:
        owner = played.owner()
        await played.create(person)
        await owner.start()
        await played.until(person, _is_at("token", owner, played))
        await pause(played, person)
        await played.until(person, paused)
        await resume_session(person, ME, played.session_id)
        await played.until(person, lambda row: row.state is State.RUNNING and len(played.model.requests) == 2)
        await stop_session(person, ME, played.session_id)
        await played.until(person, stopped)
        await owner.end()


async def test_paused_time_is_not_working_time(fresh: Callable[[], str]) -> None:
    """The log of a real pause, as it would be if the pause had lasted an hour."""
    played = stage(fresh(), works)
    async with played.person() as person:
        owner = played.owner()
        played.place.during = partial(pause, played, person)
        await played.create(person)
        await owner.start()
        before = len(await played.until(person, paused))
        await resume_session(person, ME, played.session_id)
        events = await played.until(person, idle)
        await owner.end()
    spending = Spending()
    for event in events:
        event.time.seconds += 3600 if event.seq > before else 0
        spending.apply(event)
    assert 0 < spending.used[Measure.TIME] < 60


async def test_a_session_that_is_deleted_before_its_owners_first_step_is_let_go(fresh: Callable[[], str]) -> None:
    played = stage(fresh(), works)
    async with played.person() as person:
        owner = played.owner()
        await owner.store.start()
        await played.create(person)
        (record,) = await owner.store.claim("w", 1)
        owner.runner._own(record)
        owner.signals.deleted(played.session_id)
        await played.until(person, lambda _: played.session_id not in owner.runner._running)
        await owner.end()


async def test_a_late_signal_of_an_earlier_stop_does_not_stop_the_next_turn(fresh: Callable[[], str]) -> None:
    played = stage(fresh(), [[TextPiece("It "), TextPiece("is "), 60.0], said("I make it.", MAKE), said("", FINISH)])
    async with played.person() as person:
        owner = played.owner()
        await played.create(person)
        await owner.start()
        await played.until(person, _is_at("token", owner, played))
        await stop_session(person, ME, played.session_id)
        await played.until(person, stopped)

        async def late() -> None:
            owner.signals.stop(played.session_id)
            await asyncio.gather(*owner.runner._looks)

        played.place.during = late
        await send_message(person, ME, played.session_id, "go on", "")
        events = await played.until(person, idle)
        await owner.end()
    ends = [event.turn_completed.outcome for event in events if event.HasField("turn_completed")]
    assert ends == [TurnCompleted.OUTCOME_INTERRUPTED, TurnCompleted.OUTCOME_DONE]
