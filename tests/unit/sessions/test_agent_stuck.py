"""An agent that goes round in circles is told once; then the person is asked. What only looks so is left alone."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import ApprovalResolved, Event, StuckDetected, UserMessage

from services.sessions.agent.loop import run_turn
from services.sessions.domain.approvals import answer_key
from services.sessions.domain.conversation import FailureKind, ModelFailure, ModelRequest, TextPiece, UserTurn
from services.sessions.domain.models import Draft
from services.sessions.domain.work import Outcome
from services.sessions.ports import Limits
from tests.fakes.ports import Crash, Place, Ran, World
from tests.fakes.scripted_model import said

Call = tuple[str, dict[str, Any]]
LS: Call = ("run_command", {"command": "ls"})
CAT: Call = ("run_command", {"command": "cat x"})
FINISH: Call = ("finish", {"summary": "All done."})
NUDGED, ASKED, STOPPED = StuckDetected.ACTION_NUDGED, StuckDetected.ACTION_ASKED, StuckDetected.ACTION_STOPPED


def _runs(command: str) -> Callable[[int], Call]:
    return lambda number: ("run_command", {"command": command.format(number)})


def _edits(path: str, old: str) -> Callable[[int], Call]:
    return lambda n: (
        "edit_file",
        {"command": "replace", "path": path.format(n), "old_text": old.format(n), "new_text": "b"},
    )


def _world(calls: Callable[[int], Call], place: Place | None = None, steps: int = 1000) -> World:
    """A model that calls by the number of its answer, and ends after `steps`."""
    answers = itertools.count()

    def script(_: ModelRequest) -> list[Any]:
        number = next(answers)
        return said("", calls(number) if number < steps else FINISH)

    return World(script, place, Limits(max_iterations=1000))


def _detected(world: World) -> list[tuple[str, int, int]]:
    return [(found.pattern, found.repeats, found.action) for found in world.log.of("stuck_detected")]


def _fails(output: bytes) -> Place:
    return Place(lambda _: Ran(output, exit_code=1))


@pytest.mark.parametrize(
    ("calls", "place", "pattern", "repeats"),
    [
        (lambda _: LS, None, "repeated_call", 3),
        (_runs("mend --try {}"), _fails(b"mend: command not found\n"), "repeated_error", 3),
        (_edits("README.md", "no such text {}"), None, "repeated_error", 3),
        (lambda number: (LS, CAT)[number % 2], None, "alternation", 6),
        (lambda _: ("fly", {}), None, "repeated_call", 3),
    ],
    ids=["same call", "same error", "same refused edit", "alternation", "no such tool"],
)
async def test_told_once_then_the_person_is_asked(
    calls: Callable[[int], Call], place: Place | None, pattern: str, repeats: int
) -> None:
    world = _world(calls, place)
    assert await run_turn(await world.journal()) is Outcome.WAITING
    assert _detected(world) == [(pattern, repeats, NUDGED), (pattern, repeats, ASKED)]
    assert len(world.model.requests) == 2 * repeats
    told = world.model.requests[repeats].turns[-1]
    assert isinstance(told, UserTurn)
    assert told.text.startswith("[Lucid] You go round in circles")
    [card] = world.log.of("approval_requested")
    assert [option.id for option in card.options] == ["go_on", "stop"]


async def test_a_monologue() -> None:
    """Answers that are cut again and again, without a call."""
    world = World([said("so on and on", cut=True)], limits=Limits(max_iterations=1000))
    assert await run_turn(await world.journal()) is Outcome.WAITING
    assert _detected(world) == [("monologue", 3, NUDGED), ("monologue", 3, ASKED)]


def _poll() -> Place:
    numbers = itertools.count()
    return Place(lambda _: Ran(f"{next(numbers)} of 20 built\n".encode()))


@pytest.mark.parametrize(
    ("calls", "place"),
    [
        (lambda _: ("run_command", {"command": "sleep 5; status"}), _poll()),
        (
            _edits("{}.txt", "a"),
            Place(files={f"{n}.txt": "a" for n in range(12)}),
        ),
        (_edits("{}.txt", "no such text"), Place(files={f"{n}.txt": "a" for n in range(12)})),
        (_runs("grep word{} -r ."), _fails(b"")),
        (lambda number: ("view_file", {"path": "a.txt", "start_line": number}), Place(files={"a.txt": "x\n" * 20})),
        (lambda number: (LS, CAT, ("run_command", {"command": f"vi {number}"}))[number % 3], None),
        (lambda number: (LS, LS, CAT)[number % 3], None),
    ],
    ids=[
        "a poll",
        "the same edit in many files",
        "refused in many files",
        "searches that find nothing",
        "pages of a file",
        "three by turns",
        "twice",
    ],
)
async def test_no_false_alarm(calls: Callable[[int], Call], place: Place | None) -> None:
    world = _world(calls, place, steps=12)
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert _detected(world) == []


async def test_streams_that_break_are_no_monologue() -> None:
    broken = [TextPiece(""), said("")[0], ModelFailure(FailureKind.TRANSIENT, "Broken.")]
    world = World([broken] * 4 + [said("", FINISH)])
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert len(world.log.of("usage")) == 5
    assert _detected(world) == []


async def _asked(calls: Callable[[int], Call] = lambda _: LS, steps: int = 9) -> tuple[World, str]:
    world = _world(calls, steps=steps)
    assert await run_turn(await world.journal()) is Outcome.WAITING
    return world, world.log.of("approval_requested")[0].request_id


def _answer(world: World, request_id: str, **answer: Any) -> None:
    resolved = ApprovalResolved(request_id=request_id, **answer)
    world.log._store(Draft(Event(approval_resolved=resolved), answer_key(request_id)))


async def test_go_on() -> None:
    world, request_id = await _asked()
    _answer(world, request_id, option_id="go_on")
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    # It is told again before the person would be asked again.
    assert [action for _, _, action in _detected(world)] == [NUDGED, ASKED, NUDGED]


async def test_stop() -> None:
    world, request_id = await _asked()
    _answer(world, request_id, option_id="stop")
    journal = await world.journal()
    assert await run_turn(journal) is Outcome.STUCK
    assert len(world.model.requests) == 6
    assert _detected(world)[-1] == ("repeated_call", 3, STOPPED)
    assert journal.context.summary == (
        "Stopped because the agent repeated itself: the same call with the same result, 3 times."
    )


async def test_a_card_that_lapses_stops_it() -> None:
    world, request_id = await _asked()
    _answer(world, request_id, expired=True)
    assert await run_turn(await world.journal()) is Outcome.STUCK


async def test_words_on_the_card_are_the_persons_message() -> None:
    world, request_id = await _asked()
    _answer(world, request_id, text="look into the logs")
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert [message.text for message in world.log.of("user_message")] == ["mend it", "look into the logs"]
    assert world.model.requests[6].turns[-1] == UserTurn("look into the logs")


async def test_a_plain_message_answers_the_card() -> None:
    world, _ = await _asked()
    world.log._store(Draft(Event(user_message=UserMessage(text="use the other one"))))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert [answer.text for answer in world.log.of("approval_resolved")] == ["use the other one"]
    assert [message.text for message in world.log.of("user_message")] == ["mend it", "use the other one"]


async def test_it_is_asked_again_under_another_key() -> None:
    world, request_id = await _asked(steps=1000)
    _answer(world, request_id, option_id="go_on")
    assert await run_turn(await world.journal()) is Outcome.WAITING
    first, second = [card.request_id for card in world.log.of("approval_requested")]
    assert first != second


async def test_a_message_begins_anew() -> None:
    world = _world(lambda _: LS, steps=5)
    messages = iter([2, 4])
    original, due = world.model.script, next(messages)

    def script(request: ModelRequest) -> list[Any]:
        nonlocal due
        if len(world.model.requests) == due + 1:
            due = next(messages, 99)
            world.log._store(Draft(Event(user_message=UserMessage(text="hurry"))))
        return list(original(request))  # type: ignore[operator]

    world.model.script = script
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert _detected(world) == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("answer", [{"option_id": "go_on"}, {"text": "look there"}, {"option_id": "stop"}], ids=str)
async def test_a_crash_at_every_append_tells_and_asks_once(answer: dict[str, str], after: bool) -> None:
    crash_at, calm = 0, False
    while not calm:
        crash_at += 1
        world = _world(lambda _: LS, steps=8)
        world.log.crash_at, world.log.after = crash_at, after
        ended = False
        calm = True
        while not ended:
            try:
                outcome = await run_turn(await world.journal())
            except Crash:
                world.log.crash_at, calm = 0, False
                continue
            ended = outcome is not Outcome.WAITING
            if not ended:
                _answer(world, world.log.of("approval_requested")[0].request_id, **answer)
        stopped = [STOPPED] if answer.get("option_id") == "stop" else []
        assert [action for _, _, action in _detected(world)] == [NUDGED, ASKED, *stopped]
        assert len(world.log.of("approval_requested")) == 1
        assert len(world.log.of("user_message")) == (2 if "text" in answer else 1)
    assert crash_at > 20
