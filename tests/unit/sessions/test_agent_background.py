"""Commands that go on when their call is answered: how the model starts them, looks at them and ends them."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import CommandCompleted

from services.sessions.agent.loop import run_turn
from services.sessions.agent.prompt import system_prompt
from services.sessions.agent.tool_command import told
from services.sessions.domain.conversation import ModelRequest, ToolResult
from services.sessions.domain.work import CommandEnded, Outcome
from services.sessions.replay.place import _log
from tests.fakes.ports import Place, Ran, World
from tests.fakes.scripted_model import said

Answer = Callable[[str], tuple[str, dict[str, Any]]]
SERVE = ("run_command", {"command": "serve", "background": True})
FINISH: Answer = lambda _: ("finish", {"summary": "Done."})  # noqa: E731


def model(*answers: Answer) -> Callable[[ModelRequest], list[Any]]:
    """Plays the answers; each is given the last id that the model was told."""

    def play(request: ModelRequest) -> list[Any]:
        results = [turn.text for turn in request.turns if isinstance(turn, ToolResult)]
        ids = re.findall(r"itm_\w+c", "\n".join(results))
        return said("", answers[min(len(results), len(answers) - 1)](ids[-1] if ids else ""))

    return play


def results(world: World) -> list[Any]:
    return list(world.log.of("tool_call_completed"))


async def test_started_looked_at_and_stopped() -> None:
    place = Place(lambda _: Ran(b"listening\n"))
    script = model(
        lambda _: SERVE,
        lambda key: ("read_output", {"command_id": key, "wait_seconds": 5}),
        lambda key: ("read_output", {"command_id": key, "from_byte": 7}),
        lambda key: ("stop_background", {"command_id": key}),
        FINISH,
    )
    world = World(script, place)
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    [started], [completed] = world.log.of("command_started"), world.log.of("command_completed")
    assert (started.background, started.timeout_ms) == (True, 0)
    assert completed.reason == CommandCompleted.REASON_DETACHED
    ran, whole, part, stopped, _ = results(world)
    [key] = place.starts
    assert ran.ok
    assert ran.result_text.startswith(f"It runs in the background as {key}. read_output shows")
    assert ran.result_text.split("\n")[1] == "listening"
    assert whole.result_text == "It still runs.\nlistening\n[bytes 0 to 10 of 10]"
    assert part.result_text == "It still runs.\nng\n[bytes 7 to 10 of 10]"
    assert stopped.result_text == "It was stopped.\nlistening\n[bytes 0 to 10 of 10]"
    assert stopped.ok
    assert place.stopped == {key}


async def test_a_limit_for_what_runs_in_the_background_is_the_models_own() -> None:
    world = World(model(lambda _: (SERVE[0], {**SERVE[1], "timeout_seconds": 30}), FINISH))
    await run_turn(await world.journal())
    assert world.log.of("command_started")[0].timeout_ms == 30_000


async def test_asked_again_it_is_the_same_one() -> None:
    world = World(model(lambda _: SERVE, FINISH))
    journal = await world.journal()
    snapshot, away = world.place.snapshot, [ConnectionError("away")]

    async def once_away(*args: Any) -> Any:  # when the command runs already, and its end is stored
        if away:
            raise away.pop()
        return await snapshot(*args)

    world.place.snapshot = once_away  # type: ignore[method-assign]
    assert await run_turn(journal) is Outcome.COMPLETED
    assert len(world.place.starts) == 1
    assert len(world.log.of("command_started")) == len(world.log.of("command_completed")) == 1
    assert results(world)[0].ok


@pytest.mark.parametrize("tool", ["read_output", "stop_background"])
@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "`command_id` is missing"),
        ({"command_id": "a b; rm"}, "is an id that run_command has told"),
        ({"command_id": "itm_never"}, "No command was started under this id."),
    ],
)
async def test_an_id_that_is_none(tool: str, args: dict[str, str], words: str) -> None:
    world = World(model(lambda _: (tool, args), FINISH))
    await run_turn(await world.journal())
    [result, _] = results(world)
    assert not result.ok
    assert words in result.result_text


def test_what_was_left_running_has_a_name_and_what_was_cut_too() -> None:
    done = CommandCompleted(reason=CommandCompleted.REASON_EXITED, exit_code=0, head=b"x" * 16384, tail=b"y" * 16384)
    done.truncated, done.total_bytes = True, 100_000
    text = told(CommandEnded(done, left_running=2), 600, "itm_1c")
    assert "[2 of its processes still run in the background, as itm_1c]" in text
    assert "84000 bytes left out; read_output shows them, as itm_1c" in text


def test_too_much_output_is_told_with_what_to_do() -> None:
    done = CommandCompleted(reason=CommandCompleted.REASON_LIMIT, signal="SIGTERM")
    assert "Make it print less" in told(CommandEnded(done), 600, "itm_1c")


@pytest.mark.parametrize("printed", [b"", b"one\ntwo\n", b"bytes \xff\xfe\nno end", b"\n\nlines\n\n\n"])
async def test_a_replay_shows_the_same_log(printed: bytes) -> None:
    world = World(
        model(lambda _: SERVE, lambda key: ("read_output", {"command_id": key}), FINISH), Place(lambda _: Ran(printed))
    )
    await run_turn(await world.journal())
    read = results(world)[1]
    played = _log(read)
    assert (played.offset, played.total_bytes, played.completed) == (0, len(printed), None)
    assert len(played.data) == len(printed)
    assert played.data.decode(errors="replace") == printed.decode(errors="replace")


async def test_the_prompt_tells_how() -> None:
    text = system_prompt(World([said("")]).record, "x")
    assert "`background: true`" in text
    assert "stop_background" in text
