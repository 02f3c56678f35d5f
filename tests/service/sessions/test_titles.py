"""Titles by a model: beside the turn, once, never over a person's, never in its way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import Event, TurnCompleted

from services.sessions.agent.journal import Journal
from services.sessions.agent.runner import Runner
from services.sessions.agent.signals import LocalSignals
from services.sessions.agent.titles import Titles
from services.sessions.domain.conversation import FailureKind, ModelFailure, ModelRequest, TextPiece
from services.sessions.domain.models import NewSession
from services.sessions.domain.spending import PURPOSE
from services.sessions.usecases.create_session import create_session
from services.sessions.usecases.rename_session import rename_session
from tests.fakes.scripted_model import said
from tests.service.sessions import test_delete_session as deleting
from tests.service.sessions.test_delete_session import Ground

ME = "usr_1"
LONG = "Please look at the tea timer and find out why it rings twice, then mend it, and tell me what it was"


def names_a_title(request: ModelRequest) -> bool:
    return not request.tools


@contextlib.asynccontextmanager
async def at_work(url: str, title: list[Any], title_model: str = "") -> AsyncIterator[Ground]:
    def script(request: ModelRequest) -> list[Any]:
        return title if names_a_title(request) else said("Done.")

    async with deleting.at_work(url, script) as ground:
        await ground.runner.stop()
        signals = LocalSignals()
        ground.ports = replace(ground.ports, title_model=title_model, signals=signals)
        ground.runner = Runner(ground.ports, signals, 5.0, 20)
        await ground.runner.start()
        yield ground


def requests(ground: Ground) -> list[ModelRequest]:
    return ground.ports.models.open("test/model").requests  # type: ignore[attr-defined]


async def create(ground: Ground, task: str = LONG, **fields: Any) -> str:
    return (await create_session(ground.ports, NewSession(ME, task, **fields))).session_id


async def titled(ground: Ground, session_id: str) -> list[Event]:
    """The log once the turn has ended and the title was made."""
    await ground.until(session_id, "turn_completed")
    async with asyncio.timeout(10):
        while ground.runner._titles._tasks:  # noqa: ASYNC110 the call beside the turn tells nobody
            await asyncio.sleep(0.02)
    return await ground.log(session_id)


def of(events: list[Event], kind: str) -> list[Any]:
    return [getattr(event, kind) for event in events if event.HasField(kind)]  # type: ignore[arg-type]


async def test_a_long_first_line_gets_a_title_once(database_url: str) -> None:
    answer = [TextPiece("Hm.", reasoning=True), TextPiece('\nTitle: "**Mend** the tea timer"\nand more'), *said()]
    async with at_work(database_url, answer) as ground:
        session_id = await create(ground, model_api_key="own")
        events = await titled(ground, session_id)
        (changed,) = of(events, "title_changed")
        assert (changed.title, changed.by_user) == ("Mend the tea timer", False)
        record = await ground.ports.store.get(session_id)
        assert (record.title, record.title_by_user) == ("Mend the tea timer", False)
        (usage,) = [event.usage for event in events if event.labels.get(PURPOSE) == "title"]
        assert (usage.model, usage.input_tokens, usage.cost_micros) == ("test/model", 10, 7)
        (asked,) = filter(names_a_title, requests(ground))
        assert (asked.api_key, asked.turns[0].text) == ("own", LONG)  # type: ignore[union-attr]
        # The next owner of the same turn asks no second time.
        journal = Journal(ground.ports, await ground.ports.store.get(session_id))
        titles = Titles(ground.ports)
        titles.begin(journal)
        await asyncio.gather(*titles._tasks)
        assert len([*filter(names_a_title, requests(ground))]) == 1


async def test_it_counts_as_cost_and_not_as_a_step(database_url: str) -> None:
    async with at_work(database_url, said("Tea")) as ground:
        session_id = await create(ground)
        await titled(ground, session_id)
        journal = Journal(ground.ports, await ground.ports.store.get(session_id))
        await journal.load()
        assert (journal.state.steps, journal.state.session_cost_micros) == (1, 14)


@pytest.mark.parametrize(
    ("task", "title_model", "model"),
    [("Mend it", "", "test/model"), (LONG, "none", "test/model"), (LONG, "", "demo")],
    ids=["short", "switched-off", "demo"],
)
async def test_the_first_line_is_the_title(database_url: str, task: str, title_model: str, model: str) -> None:
    async with at_work(database_url, said("Tea"), title_model) as ground:
        session_id = await create(ground, task, model=model)
        events = await titled(ground, session_id)
        assert of(events, "title_changed") == []
        assert [*filter(names_a_title, requests(ground))] == []


async def test_a_chosen_model_names_every_session_without_the_sessions_key(database_url: str) -> None:
    async with at_work(database_url, said("Tea"), "small/model") as ground:
        session_id = await create(ground, "Mend it", model_api_key="own")
        assert [changed.title for changed in of(await titled(ground, session_id), "title_changed")] == ["Tea"]
        (asked,) = filter(names_a_title, requests(ground))
        assert (asked.model, asked.api_key) == ("small/model", "")


async def test_a_persons_title_stands(database_url: str) -> None:
    async with at_work(database_url, [0.5, *said("The model's")]) as ground:
        session_id = await create(ground)
        async with asyncio.timeout(10):
            while not [*filter(names_a_title, requests(ground))]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await rename_session(ground.ports, ME, session_id, "Mine")
        events = await titled(ground, session_id)
        assert [(changed.title, changed.by_user) for changed in of(events, "title_changed")] == [("Mine", True)]
        record = await ground.ports.store.get(session_id)
        assert (record.title, record.title_by_user) == ("Mine", True)


@pytest.mark.parametrize(
    ("answer", "title_model"),
    [
        ([ModelFailure(FailureKind.AUTH, "no")], ""),
        ([*said("half")[:1], ModelFailure(FailureKind.TRANSIENT, "broke off")], ""),
        (said("\n ** \n"), ""),
        (said("Tea"), "no/model"),
        ([RuntimeError("a fault of ours")], ""),
    ],
    ids=["refused", "broken", "empty", "unknown", "fault"],
)
async def test_a_call_that_fails_leaves_the_first_line_and_the_turn(
    database_url: str, answer: list[Any], title_model: str
) -> None:
    async with at_work(database_url, answer, title_model) as ground:
        session_id = await create(ground)
        events = await titled(ground, session_id)
        assert of(events, "title_changed") == []
        assert of(events, "turn_completed")[0].outcome == TurnCompleted.OUTCOME_DONE
        assert (await ground.ports.store.get(session_id)).title.startswith("Please look at")


async def test_a_slow_call_holds_up_neither_the_turn_nor_the_end_of_the_process(database_url: str) -> None:
    async with at_work(database_url, [60.0]) as ground:
        session_id = await create(ground)
        await ground.until(session_id, "turn_completed")
        async with asyncio.timeout(5):
            await ground.runner.stop()
        assert of(await ground.log(session_id), "title_changed") == []
