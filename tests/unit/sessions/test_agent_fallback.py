"""Another model goes on where the session's own fails: for the rest of the turn, with no key that is not its own."""

from dataclasses import replace
from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import Error, Event, ModelSelected

from services.sessions.agent.loop import run_turn
from services.sessions.domain.conversation import FailureKind, ModelFailure, ModelRequest, TextPiece, ToolResult
from services.sessions.domain.models import Draft, Policy
from services.sessions.domain.policy import to_event
from services.sessions.domain.work import Outcome
from services.sessions.ports import Limits
from tests.fakes.ports import Crash, World
from tests.fakes.scripted_model import said

LS = ("run_command", {"command": "ls"})
FINISH = ("finish", {"summary": "All done."})
OWN, OTHER = "test/model", "other/model"


def _failing(kind: FailureKind, *before: Any, retry_after: float = 0.0) -> Any:
    """The own model always fails; another one lists the files and ends."""

    def script(request: ModelRequest) -> list[Any]:
        if request.model == OWN:
            return [*before, ModelFailure(kind, "It is down.", retry_after)]
        return said("Hm.", FINISH if any(isinstance(turn, ToolResult) for turn in request.turns) else LS)

    return script


def _world(script: Any, fallback: str = OTHER, retries: int = 2) -> World:
    world = World(script, limits=Limits(model_retries=retries))
    world.ports.models.fallback = fallback  # type: ignore[misc]
    return world


@pytest.mark.parametrize(
    ("kind", "tries"),
    [
        (FailureKind.TRANSIENT, 3),
        (FailureKind.OVERLOAD, 3),
        (FailureKind.RATE_LIMIT, 3),
        (FailureKind.QUOTA, 1),
        (FailureKind.AUTH, 1),
        (FailureKind.CONFIG, 1),
        (FailureKind.CONTEXT, 1),
    ],
)
async def test_it_goes_on_when_nothing_else_helps(kind: FailureKind, tries: int) -> None:
    world = _world(_failing(kind, TextPiece("One ")))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert [request.model for request in world.model.requests] == [OWN] * tries + [OTHER] * 2
    [selected] = world.log.of("model_selected")
    assert (selected.model, selected.provider) == (OTHER, "other")
    assert selected.reason == ModelSelected.REASON_FALLBACK
    assert selected.detail == f"{OWN}: It is down."
    # What the one that failed had said is taken back; no card is left of it.
    texts = world.log.of("text_completed")
    assert [text.reset for text in texts] == [True] * tries + [False] * 2
    assert not world.log.of("error")
    assert [usage.model for usage in world.log.of("usage")] == [OWN] * tries + [OTHER] * 2


async def test_a_wait_that_is_too_long_is_not_waited_for() -> None:
    world = _world(_failing(FailureKind.RATE_LIMIT, retry_after=3600))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert world.clock.slept == []


async def test_sessions_that_failed_together_do_not_come_back_together() -> None:
    slept = set()
    for _ in range(5):
        world = _world(_failing(FailureKind.OVERLOAD), fallback="")
        assert await run_turn(await world.journal()) is Outcome.FAILED
        first, second = world.clock.slept
        assert 0.5 <= first <= 1.0
        assert 1.0 <= second <= 2.0
        slept.add(first)
        assert [error.code for error in world.log.of("error")] == ["MODEL_OVERLOADED"]
    assert len(slept) > 1


async def test_the_next_turn_tries_the_own_model_again() -> None:
    world = _world(_failing(FailureKind.QUOTA))
    await run_turn(await world.journal())
    world.start_turn("and now?")
    await run_turn(await world.journal())
    models = [request.model for request in world.model.requests]
    assert models[3:] == [OWN, OTHER]


async def test_the_sessions_choice_stands_above_the_installations() -> None:
    world = _world(_failing(FailureKind.QUOTA))
    world.record = replace(world.record, policy=Policy(fallback_model="third/model"))
    await run_turn(await world.journal())
    assert world.log.of("model_selected")[0].model == "third/model"
    # Also where it was made while the session runs.
    world = _world(_failing(FailureKind.QUOTA))
    world.log._store(Draft(Event(session_configured=to_event(Policy(fallback_model="fourth/model")))))
    await run_turn(await world.journal())
    assert world.log.of("model_selected")[0].model == "fourth/model"


@pytest.mark.parametrize("fallback", ["", OWN, "no/model"])
async def test_without_one_that_can_be_used_the_first_failure_is_told(fallback: str) -> None:
    world = _world(_failing(FailureKind.QUOTA), fallback)
    assert await run_turn(await world.journal()) is Outcome.FAILED
    [error] = world.log.of("error")
    assert (error.code, error.user_action) == ("MODEL_QUOTA_EXHAUSTED", Error.USER_ACTION_OPEN_SETTINGS)


async def test_one_that_fails_too_ends_the_turn() -> None:
    world = _world([[ModelFailure(FailureKind.QUOTA, "No.")]])
    assert await run_turn(await world.journal()) is Outcome.FAILED
    assert [request.model for request in world.model.requests] == [OWN, OTHER]
    assert len(world.log.of("error")) == 1


async def test_a_model_that_is_gone_is_replaced_too() -> None:
    world = _world(lambda request: said("ok"))
    world.record = replace(world.record, model="no/more")
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert [request.model for request in world.model.requests] == [OTHER]


@pytest.mark.parametrize(("fallback", "key"), [(OTHER, ""), ("test/smaller", "key")])
async def test_the_sessions_own_key_is_for_its_provider_only(fallback: str, key: str) -> None:
    world = _world(_failing(FailureKind.AUTH), fallback)
    world.record = replace(world.record, model_key_sealed="yek")
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert [request.api_key for request in world.model.requests] == ["key", key, key]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_every_append_changes_nothing(after: bool) -> None:
    crash_at, calm = 0, False
    while not calm:
        crash_at += 1
        world = _world(_failing(FailureKind.OVERLOAD, TextPiece("One ")), retries=1)
        world.log.crash_at, world.log.after = crash_at, after
        try:
            assert await run_turn(await world.journal()) is Outcome.COMPLETED
            calm = True
        except Crash:
            world.log.crash_at = 0
            assert await run_turn(await world.journal()) is Outcome.COMPLETED
        assert len(world.log.of("model_selected")) == 1
        assert len(world.place.starts) == 1
        kinds = world.log.kinds()
        assert kinds.count("text_started") == kinds.count("text_completed")
        where = kinds.index("model_selected")
        assert all(text.reset for text in world.log.of("text_completed")[: kinds[:where].count("text_completed")])
    assert crash_at > 10
