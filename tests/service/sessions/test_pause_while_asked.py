"""A pause while a question waits, and what a person does while a stop is under way."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from lucid.sessions.v1.event_pb2 import Event, StatusChanged, TurnCompleted
from sqlalchemy import update

from services.sessions.domain.conversation import ModelRequest, ToolResult
from services.sessions.domain.models import SessionRecord, State
from services.sessions.ports import Limits, Ports
from services.sessions.store.sql import SqlEventStore
from services.sessions.store.tables import sessions
from services.sessions.usecases.pause_session import pause_session
from services.sessions.usecases.resolve_approval import resolve_approval
from services.sessions.usecases.resume_session import resume_session
from services.sessions.usecases.send_message import send_message
from services.sessions.usecases.stop_session import stop_session
from tests.fakes.scripted_model import said
from tests.service.sessions.owners import ME, Owner, Stage, is_whole, kinds, stage


def asks(request: ModelRequest) -> list[Any]:
    answers = [turn.text for turn in request.turns if isinstance(turn, ToolResult)]
    if not answers:
        return list(said("I ask.", ("ask_user", {"question": "Which?"})))
    return list(said("", ("finish", {"summary": answers[-1]})))


@dataclass
class Asked:
    """A session that waits for an answer."""

    played: Stage
    person: Ports
    owner: Owner

    async def answer(self) -> None:
        events = await self.played.events(self.person)
        (request,) = [event.approval_requested for event in events if event.HasField("approval_requested")]
        await resolve_approval(self.person, ME, self.played.session_id, request.request_id, "", "the left one")

    async def row(self) -> SessionRecord:
        return await self.person.store.get(self.played.session_id)

    async def looked(self) -> None:
        """Whoever looks for work has looked twice since."""
        store, looks = self.owner.store, asyncio.Event()
        claim, count = store.claim, 0

        async def counted(*args: Any, **more: Any) -> list[SessionRecord]:
            nonlocal count
            found = await claim(*args, **more)
            count += 1
            if count == 2:
                looks.set()
            return found

        store.claim = counted  # type: ignore[method-assign]
        self.owner.signals.wanted()
        async with asyncio.timeout(10):
            await looks.wait()
        store.claim = claim  # type: ignore[method-assign]


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Asked]:
    played = stage(f"sqlite:///{tmp_path}/lucid.db", asks, limits=Limits(question_timeout=3600.0))
    async with played.person() as person:
        owner = played.owner()
        await played.create(person)
        await owner.start()
        await played.until(person, lambda row: row.state is State.WAITING)
        yield Asked(played, person, owner)
        await owner.end()


def summary(events: list[Event]) -> str:
    (ended,) = [event.turn_completed for event in events if event.HasField("turn_completed")]
    return ended.summary


async def test_an_answer_to_a_paused_question_is_kept_until_it_goes_on(asked: Asked) -> None:
    assert await pause_session(asked.person, ME, asked.played.session_id)
    assert (await asked.row()).state is State.PAUSED
    await asked.answer()
    await asked.looked()
    assert (await asked.row()).state is State.PAUSED
    assert len(asked.played.model.requests) == 1
    assert await resume_session(asked.person, ME, asked.played.session_id)
    events = await asked.played.until(asked.person, lambda row: row.state is State.IDLE)
    assert summary(events) == "The person wrote: the left one"
    is_whole(events)


async def test_a_message_to_a_paused_question_is_its_answer(asked: Asked) -> None:
    await pause_session(asked.person, ME, asked.played.session_id)
    sent = await send_message(asked.person, ME, asked.played.session_id, "the right one", "c1")
    assert not sent.queued
    await asked.looked()
    assert (await asked.row()).state is State.PAUSED
    await resume_session(asked.person, ME, asked.played.session_id)
    events = await asked.played.until(asked.person, lambda row: row.state is State.IDLE)
    assert summary(events) == "The person has answered with the message that follows."
    assert "queue_changed" not in kinds(events)


async def test_a_paused_question_that_lapses_wakes_nobody_up(asked: Asked) -> None:
    await pause_session(asked.person, ME, asked.played.session_id)
    database = cast(SqlEventStore, asked.person.store)._database
    await database.write(lambda connection: connection.execute(update(sessions).values(wake_at=1.0)))
    asked.owner.signals.wanted()
    # It was looked at, and let go.
    await asked.played.until(asked.person, lambda row: row.wake_at == 0.0)
    events = await asked.played.events(asked.person)
    phases = [event.status_changed.phase for event in events if event.HasField("status_changed")]
    assert phases[-1] == StatusChanged.PHASE_PAUSED
    assert phases.count(StatusChanged.PHASE_PAUSED) == 1
    assert "approval_resolved" not in kinds(events)


async def test_a_pause_taken_back_waits_for_the_answer_again(asked: Asked) -> None:
    await pause_session(asked.person, ME, asked.played.session_id)
    await resume_session(asked.person, ME, asked.played.session_id)
    await asked.played.until(asked.person, lambda row: row.state is State.WAITING)
    await asked.answer()
    events = await asked.played.until(asked.person, lambda row: row.state is State.IDLE)
    assert summary(events) == "The person wrote: the left one"
    assert kinds(events).count("approval_requested") == 1


async def test_a_message_while_a_stop_is_under_way_starts_the_next_turn(tmp_path: Path) -> None:
    script = [said("I make it.", ("run_command", {"command": "make"})), said("", ("finish", {"summary": "Done."}))]
    played = stage(f"sqlite:///{tmp_path}/lucid.db", script)
    async with played.person() as person:
        owner = played.owner()
        played.place.hang = True
        stop = played.place.stop

        async def slowly(record: SessionRecord, key: str) -> None:
            """The person does not wait until everything has ended."""
            if key:
                assert not (await send_message(person, ME, record.session_id, "rather this", "c2")).queued
            await stop(record, key)

        played.place.stop = slowly  # type: ignore[method-assign]
        await played.create(person)
        await owner.start()
        await played.until(person, lambda row: bool(played.place.starts))
        assert (await send_message(person, ME, played.session_id, "before", "c1")).queued
        assert await stop_session(person, ME, played.session_id)
        events = await played.until(person, lambda row: row.state is State.IDLE and not row.waiting.queue)
        await owner.end()
    is_whole(events)
    said_here = [event.user_message.text for event in events if event.HasField("user_message")]
    assert said_here == ["mend it", "rather this", "before"]
    ends = [event.turn_completed.outcome for event in events if event.HasField("turn_completed")]
    done = TurnCompleted.OUTCOME_DONE
    assert ends == [TurnCompleted.OUTCOME_INTERRUPTED, done, done]
