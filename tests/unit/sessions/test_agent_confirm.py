"""The person is asked before a call runs, as the session's mode has it: once, whatever dies in between."""

from dataclasses import replace
from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import (
    ApprovalRequested,
    ApprovalResolved,
    Event,
    SandboxChanged,
    SessionConfigured,
    UserMessage,
)

from services.sessions.agent.confirm import mode
from services.sessions.agent.loop import run_turn
from services.sessions.domain.conversation import ModelRequest, ToolResult, UserTurn
from services.sessions.domain.models import Confirmation, Draft, Policy
from services.sessions.domain.work import Outcome
from services.sessions.ports import Limits
from tests.fakes.ports import SESSION, Crash, Place, Ran, World
from tests.fakes.scripted_model import Script, said

FINISH = ("finish", {"summary": "All done."})
LS = ("run_command", {"command": "ls"})
PUSH = ("run_command", {"command": "git push"})
EDIT = ("edit_file", {"command": "replace", "path": "README.md", "old_text": "hello", "new_text": "bye"})
OPEN = ("open_pull_request", {"title": "Mend it", "body": "So."})
DROP = ("run_command", {"command": "rm -rf src"})


def _world(script: Script, confirmation: Confirmation, place: Place | None = None, **limits: Any) -> World:
    world = World(script, place, Limits(**limits))
    world.record = replace(world.record, policy=Policy(confirmation))
    return world


async def _run(world: World) -> Outcome:
    return await run_turn(await world.journal())


async def test_never_asks_nothing() -> None:
    world = _world([said("", DROP), said("", FINISH)], Confirmation.NEVER)
    assert await _run(world) is Outcome.COMPLETED
    assert not world.log.of("approval_requested")


async def test_risky_asks_for_what_cannot_be_undone_and_lets_the_rest_pass() -> None:
    world = _world([said("", LS, EDIT, DROP), said("", FINISH)], Confirmation.RISKY)
    assert await _run(world) is Outcome.WAITING
    (request,) = world.log.of("approval_requested")
    assert (request.kind, request.risk) == (ApprovalRequested.KIND_COMMAND, ApprovalRequested.RISK_HIGH)
    assert request.title == "rm -rf src"
    assert request.body.startswith("```bash\nrm -rf src\n```\n\n- It ")
    assert [option.id for option in request.options] == ["yes", "session", "no"]
    assert len(world.place.starts) == 1
    world.answer("yes")
    assert await _run(world) is Outcome.COMPLETED
    assert len(world.place.starts) == 2
    assert len(world.log.of("approval_requested")) == 1


async def test_always_asks_for_each_command_edit_and_outward_act_and_one_at_a_time() -> None:
    place = Place(lambda _: Ran(b"", push=f"lucid/{SESSION}/fix"), {"README.md": "hello\n"})
    free = (("view_file", {"path": "README.md"}), ("update_plan", {"steps": [{"text": "x", "status": "done"}]}))
    world = _world([said("", *free, LS, EDIT, OPEN), said("", FINISH)], Confirmation.ALWAYS, place)
    for number in range(1, 4):
        assert await _run(world) is Outcome.WAITING
        assert len(world.log.of("approval_requested")) == number
        world.answer("yes")
    assert await _run(world) is Outcome.COMPLETED
    asked = world.log.of("approval_requested")
    assert [request.kind for request in asked] == [
        ApprovalRequested.KIND_COMMAND,
        ApprovalRequested.KIND_OTHER,
        ApprovalRequested.KIND_PULL_REQUEST,
    ]
    assert asked[1].unified_diff == "--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-hello\n+bye"
    assert asked[2].body.startswith("**Mend it**\n\nSo.")
    assert all(result.ok for result in world.log.of("tool_call_completed"))


async def test_a_no_is_the_calls_result_with_the_persons_reason() -> None:
    world = _world([said("", DROP), said("", FINISH)], Confirmation.RISKY)
    assert await _run(world) is Outcome.WAITING
    world.answer("no", "src is all we have")
    assert await _run(world) is Outcome.COMPLETED
    refused = world.log.of("tool_call_completed")[0]
    assert (refused.ok, refused.result["reason"]) == (False, "NOT_ALLOWED")
    assert "They wrote: src is all we have" in refused.result_text
    assert world.place.starts == []


async def test_words_with_a_yes_reach_the_model() -> None:
    world = _world([said("", DROP), said("", FINISH)], Confirmation.RISKY)
    assert await _run(world) is Outcome.WAITING
    world.answer("yes", "but then stop")
    assert await _run(world) is Outcome.COMPLETED
    assert "[The person has allowed this and wrote: but then stop]" in world.model.requests[1].turns[-1].text


async def test_a_message_instead_of_a_decision_is_a_no_and_is_told() -> None:
    world = _world([said("", DROP), said("", FINISH)], Confirmation.RISKY)
    assert await _run(world) is Outcome.WAITING
    world.log._store(Draft(Event(user_message=UserMessage(text="Use git rm."))))
    assert await _run(world) is Outcome.COMPLETED
    result, words = world.model.requests[1].turns[-2:]
    assert isinstance(result, ToolResult)
    assert "wrote the message that follows" in result.text
    assert words == UserTurn("Use git rm.")
    assert [one.text for one in world.log.of("approval_resolved")] == ["Use git rm."]
    assert world.place.starts == []


async def test_nobody_answers_in_time() -> None:
    world = _world([said("", DROP), said("", FINISH)], Confirmation.RISKY, question_timeout=60)
    assert await _run(world) is Outcome.WAITING
    assert await _run(world) is Outcome.WAITING
    world.clock.now += 61
    assert await _run(world) is Outcome.COMPLETED
    assert [one.expired for one in world.log.of("approval_resolved")] == [True]
    assert "Nobody has answered in time" in world.log.of("tool_call_completed")[0].result_text
    assert world.place.starts == []


async def test_a_yes_for_the_session_holds_for_its_kind_up_to_its_risk_and_over_turns() -> None:
    force = ("run_command", {"command": "git push --force"})
    world = _world(
        [said("", PUSH), said("", PUSH), said("", FINISH), said("", PUSH), said("", force), said("", FINISH)],
        Confirmation.RISKY,
    )
    assert await _run(world) is Outcome.WAITING
    world.answer("session")
    assert await _run(world) is Outcome.COMPLETED
    world.start_turn("again")
    assert await _run(world) is Outcome.WAITING
    asked = world.log.of("approval_requested")
    assert [request.risk for request in asked] == [ApprovalRequested.RISK_MEDIUM, ApprovalRequested.RISK_HIGH]


async def test_a_yes_for_one_kind_lets_no_other_kind_pass_in_its_company() -> None:
    both = ("run_command", {"command": "rm -rf lib && git push"})
    world = _world([said("", DROP), said("", both), said("", FINISH)], Confirmation.RISKY)
    assert await _run(world) is Outcome.WAITING
    world.answer("session")
    assert await _run(world) is Outcome.WAITING
    assert world.log.of("approval_requested")[1].kind == ApprovalRequested.KIND_PUSH


async def test_a_mode_that_is_tightened_holds_for_the_next_call() -> None:
    world = _world([said("", LS, DROP), said("", FINISH)], Confirmation.NEVER)

    def tighten(_: str) -> Ran:
        configured = SessionConfigured(confirmation=Confirmation.RISKY.value)
        world.log._store(Draft(Event(session_configured=configured)))
        return Ran(b"ok\n")

    world.place.commands = tighten
    assert await _run(world) is Outcome.WAITING
    assert [request.title for request in world.log.of("approval_requested")] == ["rm -rf src"]


async def test_what_has_begun_is_not_asked_about_after_a_crash() -> None:
    """The mode was tightened while it ran: a no could not undo it."""
    for crash_at in range(1, 30):
        world = _world([said("", DROP), said("", FINISH)], Confirmation.NEVER)
        world.log.crash_at, world.log.after = crash_at, True
        with pytest.raises(Crash):
            await _run(world)
        if "command_started" in world.log.kinds():
            break
    world.log.crash_at = 0
    world.record = replace(world.record, policy=Policy(Confirmation.ALWAYS))
    assert await _run(world) is Outcome.COMPLETED
    assert not world.log.of("approval_requested")
    assert len(world.place.starts) == 1


@pytest.mark.parametrize(
    ("session", "installation", "confinement", "expected"),
    [
        (Confirmation.DEFAULT, Confirmation.DEFAULT, "docker", Confirmation.NEVER),
        (Confirmation.DEFAULT, Confirmation.DEFAULT, "bubblewrap", Confirmation.NEVER),
        (Confirmation.DEFAULT, Confirmation.DEFAULT, "process", Confirmation.RISKY),
        (Confirmation.DEFAULT, Confirmation.DEFAULT, "", Confirmation.RISKY),
        (Confirmation.DEFAULT, Confirmation.ALWAYS, "docker", Confirmation.ALWAYS),
        (Confirmation.NEVER, Confirmation.ALWAYS, "process", Confirmation.NEVER),
    ],
)
async def test_the_mode_is_the_sessions_else_the_installations_else_by_the_sandbox(
    session: Confirmation, installation: Confirmation, confinement: str, expected: Confirmation
) -> None:
    world = World([], limits=Limits(confirmation=installation))
    world.record = replace(world.record, policy=Policy(session), confinement="")
    ready = SandboxChanged(state=SandboxChanged.STATE_READY, reason=confinement)
    world.log._store(Draft(Event(sandbox_changed=ready)))
    assert mode(await world.journal()) is expected


@pytest.mark.parametrize("text", ["plain", "a ``` fence", "````"])
async def test_a_command_with_fences_is_shown_as_it_is(text: str) -> None:
    world = _world([said("", ("run_command", {"command": text}))], Confirmation.ALWAYS)
    assert await _run(world) is Outcome.WAITING
    body = world.log.of("approval_requested")[0].body
    fence = body.split("bash\n")[0]
    assert set(fence) == {"`"}
    assert fence not in text
    assert body.split(f"{fence}bash\n")[1].split(f"\n{fence}")[0] == text


async def test_a_call_that_its_tool_refuses_is_not_asked_about() -> None:
    world = _world([said("", ("run_command", {}), ("edit_file", {})), said("", FINISH)], Confirmation.ALWAYS)
    assert await _run(world) is Outcome.COMPLETED
    assert not world.log.of("approval_requested")


def _whole(request: ModelRequest) -> list[Any]:
    done = sum(isinstance(turn, ToolResult) for turn in request.turns)
    plan: list[tuple[str, dict[str, Any]]] = [EDIT, PUSH, DROP, OPEN, FINISH]
    return list(said(f"Step {done}.", plan[done]))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_every_append_asks_once_and_runs_once(after: bool) -> None:
    """The person allows everything but the deletion. Each card comes once, each act is done once or not at all."""
    crash_at, calm = 0, False
    while not calm:
        crash_at += 1
        place = Place(lambda _: Ran(b"", push=f"lucid/{SESSION}/fix"), {"README.md": "hello\n"})
        world = _world(_whole, Confirmation.ALWAYS, place)
        world.log.crash_at, world.log.after = crash_at, after
        calm = await _to_the_end(world)
        assert [request.title for request in world.log.of("approval_requested")] == [
            "Edit README.md",
            "git push",
            "rm -rf src",
            "Open the pull request: Mend it",
        ]
        assert len(world.place.starts) == len(world.place.edits) == len(world.place.opened) == 1
        results = [result.ok for result in world.log.of("tool_call_completed")]
        assert results == [True, True, False, True, True]
        resolved: list[ApprovalResolved] = world.log.of("approval_resolved")
        assert [one.option_id for one in resolved] == ["yes", "yes", "no", "yes"]
    assert crash_at > 15


async def _to_the_end(world: World) -> bool:
    """True if nothing had to die on the way."""
    calm = True
    while True:
        try:
            outcome = await _run(world)
        except Crash:
            world.log.crash_at, calm = 0, False
            continue
        if outcome is not Outcome.WAITING:
            assert outcome is Outcome.COMPLETED
            return calm
        asked = world.log.of("approval_requested")
        world.answer("no" if asked[-1].title == "rm -rf src" else "yes")
