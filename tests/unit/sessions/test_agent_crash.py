"""The process dies at every append of a whole turn, before and after it is stored; the next owner goes on."""

from typing import Any

import pytest

from services.sessions.agent.loop import run_turn
from services.sessions.domain.conversation import ModelRequest, ToolResult
from services.sessions.domain.work import Outcome
from tests.fakes.ports import SESSION, Crash, Place, Ran, World
from tests.fakes.scripted_model import said

FINISH = ("finish", {"summary": "All done."})


def _whole(request: ModelRequest) -> list[Any]:
    """A model that looks at what is done, as a real one does."""
    turns = request.turns
    done = sum(isinstance(turn, ToolResult) and turn.ok for turn in turns)
    plan: list[tuple[str, dict[str, Any]]] = [
        ("update_plan", {"steps": [{"text": "Mend", "status": "pending"}]}),
        ("run_command", {"command": "write"}),
        ("edit_file", {"command": "replace", "path": "README.md", "old_text": "hello", "new_text": "bye"}),
        ("run_command", {"command": "push"}),
        ("open_pull_request", {"title": "T", "body": "B"}),
        FINISH,
    ]
    return list(said(f"Step {done}.", plan[done]))


def _commands(command: str) -> Ran:
    if command == "push":
        return Ran(b"pushed\n", push=f"lucid/{SESSION}/fix")
    return Ran(b"written\n", writes={"x.txt": "x\n"})


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_every_append_loses_and_doubles_nothing(after: bool) -> None:
    crash_at, calm = 0, 0
    while calm == 0:
        crash_at += 1
        world = World(_whole, Place(_commands, {"README.md": "hello\n"}))
        world.log.crash_at, world.log.after = crash_at, after
        try:
            assert await run_turn(await world.journal()) is Outcome.COMPLETED
            calm = 1
        except Crash:
            world.log.crash_at = 0
            assert await run_turn(await world.journal()) is Outcome.COMPLETED
        _is_whole(world)
    assert crash_at > 20


def _is_whole(world: World) -> None:
    kinds = world.log.kinds()
    for start, end in (("text_started", "text_completed"), ("tool_call_started", "tool_call_completed")):
        assert kinds.count(start) == kinds.count(end)
    assert kinds.count("command_started") == kinds.count("command_completed") == len(world.place.starts) == 2
    assert len(world.place.edits) == len(world.place.opened) == kinds.count("pull_request_changed") == 1
    assert kinds.count("branch_pushed") == 1
    assert sorted(edit.path for edit in world.log.of("file_edited")) == ["README.md", "x.txt"]
    assert kinds.count("plan_updated") == 1
    texts = [text.text for text in world.log.of("text_completed") if not text.reset]
    assert texts == [f"Step{i}." for i in range(6)]


async def test_a_command_that_had_ended_is_not_opened_again() -> None:
    """Its bytes are in the log: a watcher would wait for the end of an item that has ended."""
    for crash_at in range(1, 40):
        world = World(_whole, Place(_commands, {"README.md": "hello\n"}))
        world.log.crash_at, world.log.after = crash_at, True
        with pytest.raises(Crash):
            await run_turn(await world.journal())
        if world.log.kinds()[-1] == "command_completed":
            break
    world.log.crash_at = 0
    ended = world.log.events[-1].item_id
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert world.place.starts[0] == ended
    assert ended not in {item for item, _ in world.live.items}
