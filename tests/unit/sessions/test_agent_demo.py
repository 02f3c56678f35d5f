"""The demo's written plan, played through the real loop and tools; and its steps that fail."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from services.sessions.agent.loop import run_turn
from services.sessions.backends.demo import DemoModel, next_step
from services.sessions.domain.conversation import AssistantTurn, ModelRequest, ToolCall, ToolResult, Turn, UserTurn
from services.sessions.domain.models import Repository
from services.sessions.domain.work import Outcome
from tests.fakes.ports import SESSION, Place, Ran, World

SEED = Path(__file__).parents[3] / "deploy/seed/teatime"


def _world(place: Place) -> World:
    world = World([], place)
    demo = DemoModel(words_per_second=1e6, pause_seconds=0)
    world.model.stream = demo.stream  # type: ignore[method-assign]
    return world


def _teatime(command: str) -> Ran:
    if "unittest" in command:
        return Ran(b"FAILED (failures=1)\n", 1) if "failed=1" in command else Ran(b"OK\n")
    return Ran(b"", push=f"lucid/{SESSION}/pad-the-seconds") if command.startswith("git push") else Ran(b"ok\n")


def _seed() -> dict[str, str]:
    return {str(path.relative_to(SEED)): path.read_text() for path in SEED.rglob("*") if path.suffix in (".py", ".md")}


async def test_the_seeded_project_is_mended_and_its_pull_request_opened() -> None:
    files = _seed()
    world = _world(Place(_teatime, files))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert 'f"{minutes}:{rest:02}"' in files["teatime/clock.py"]
    assert "`2:05` instead of `2:5`" in files["CHANGELOG.md"]
    assert [edit.path for edit in world.log.of("file_edited")] == ["teatime/clock.py", "CHANGELOG.md"]
    assert len(world.place.opened) == 1
    commands = [started.command for started in world.log.of("command_started")]
    assert any(command.startswith(f"git switch -C lucid/{SESSION}/pad-the-seconds") for command in commands)
    assert [result.ok for result in world.log.of("tool_call_completed")].count(False) == 1
    assert "two digits" in (await world.journal()).context.summary


async def test_another_repository_gets_a_note_that_says_what_it_is() -> None:
    world = _world(Place(lambda c: Ran(b"", push="lucid/x/notes") if "git push" in c else Ran(b"")))
    world.record = _at(world, Repository(provider="github", full_name="acme/shop"))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert "cannot think for itself" in world.place.files["NOTES_FROM_DEMO.md"]
    assert len(world.place.opened) == 1


async def test_without_a_repository_nothing_is_pushed() -> None:
    world = _world(Place())
    world.record = _at(world, None)
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert not world.place.opened


def _at(world: World, repository: Repository | None) -> Any:
    return replace(world.record, repository=repository)


async def test_a_message_afterwards_is_answered_in_plain_words() -> None:
    world = _world(Place())
    world.record = _at(world, None)
    await run_turn(await world.journal())
    world.start_turn("now do something else")
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert "cannot think for itself" in (await world.journal()).context.summary


FIRST = UserTurn("Repository: lucid/teatime\n\nTask:\nmend it")


def _played(*results: tuple[bool, str]) -> tuple[Turn, ...]:
    turns: list[Turn] = [FIRST]
    for number, (ok, text) in enumerate(results):
        step = cast(Any, next_step(tuple(turns), SESSION))
        turns.append(AssistantTurn(step.say, (ToolCall(f"c{number}", step.tool, step.args),)))
        turns.append(ToolResult(f"c{number}", text, ok))
    return tuple(turns)


GOOD = (True, "fine")


@pytest.mark.parametrize(
    "bad", ["The command was stopped by the person.", "This call was interrupted", "Ended by SIGKILL."]
)
def test_an_interrupted_step_is_done_again(bad: str) -> None:
    turns = _played(GOOD, GOOD, GOOD, (False, bad))
    assert next_step(turns, SESSION) == next_step(turns[:-2], SESSION)


def test_a_failing_test_run_is_what_the_plan_expects_there_and_only_there() -> None:
    turns = _played(GOOD, GOOD, GOOD, (False, "Exit code 1.\nFAILED"))
    assert next_step(turns, SESSION) != next_step(turns[:-2], SESSION)
    turns = _played(GOOD, (False, "Exit code 1."))
    assert next_step(turns, SESSION) == next_step(turns[:-2], SESSION)


def test_a_step_that_never_works_ends_the_play() -> None:
    turns = _played(GOOD, *[(False, "Exit code 1.")] * 3)
    words = next_step(turns, SESSION)
    assert isinstance(words, str)
    assert "does not work here" in words


async def test_words_come_one_by_one() -> None:
    request = ModelRequest("demo", "", (FIRST,), (), SESSION)
    pieces = [piece async for piece in DemoModel(1e6, 0).stream(request)]
    assert len(pieces) > 20
