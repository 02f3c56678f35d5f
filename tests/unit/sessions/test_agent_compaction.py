"""Long sessions: older history gives way to a summary, whatever fails or dies meanwhile."""

from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import Error, Event, ToolCallCompleted, ToolCallStarted, UserMessage

from services.sessions.agent.compaction import _SYSTEM as NOTES
from services.sessions.agent.compaction import transcript
from services.sessions.agent.context import Context
from services.sessions.agent.history import SUMMARY, History
from services.sessions.agent.journal import Journal
from services.sessions.agent.loop import run_turn
from services.sessions.domain.conversation import (
    AssistantTurn,
    CallPiece,
    FailureKind,
    ModelFailure,
    ModelRequest,
    StopPiece,
    TextPiece,
    ToolCall,
    ToolResult,
    UsagePiece,
    UserTurn,
)
from services.sessions.domain.models import Draft
from services.sessions.domain.work import Outcome
from services.sessions.ports import Limits
from tests.fakes.ports import Crash, Place, Ran, World
from tests.fakes.scripted_model import said

WINDOW = 3000
OUTPUT = b"0123456789 and so on\n" * 20


def _tokens(request: ModelRequest) -> int:
    return len(str(request.turns)) // 4


class Worker:
    """Works `steps` steps and then ends, whatever it is shown of them; refuses what is longer than `most` tokens."""

    def __init__(self, steps: int, most: int = 10**9, notes: Any = "Tabs, I decided.") -> None:
        self.steps, self.most, self.notes = steps, most, notes
        self.done = 0

    def __call__(self, request: ModelRequest) -> list[Any]:
        if request.system == NOTES:
            if isinstance(self.notes, ModelFailure):
                return [self.notes]
            return [TextPiece(self.notes), UsagePiece(input_tokens=700), StopPiece()]
        if _tokens(request) > self.most:
            return [ModelFailure(FailureKind.CONTEXT, "Too long.")]
        ran = [turn for turn in request.turns if isinstance(turn, ToolResult)]
        # After a crash it sees what was run; a compaction hides only what it has done before.
        self.done = max(self.done, len(ran))
        if self.done >= self.steps:
            call = ToolCall("c", "finish", {"summary": "All done."})
        else:
            self.done += 1
            call = ToolCall("c", "run_command", {"command": f"echo {self.done}"})
        usage = UsagePiece(input_tokens=_tokens(request), context_window=0 if self.most < 10**9 else WINDOW)
        return [TextPiece(f"Step {self.done}."), CallPiece(call), usage, StopPiece()]


def _world(model: Any, **limits: Any) -> World:
    return World(model, Place(lambda _: Ran(OUTPUT)), Limits(max_iterations=1000, **limits))


def _asked(world: World) -> list[ModelRequest]:
    return [request for request in world.model.requests if request.system != NOTES]


async def test_older_steps_give_way_before_the_window_is_full() -> None:
    plan = ("update_plan", {"steps": [{"text": "Mend", "status": "in_progress"}]})
    worker = Worker(60)
    place = Place(lambda command: Ran(OUTPUT, writes={"a.txt": command}))
    world = World(
        lambda request: worker(request) if world.log.of("plan_updated") else said("", plan),
        place,
        Limits(max_iterations=1000),
    )
    journal = await world.journal()
    assert await run_turn(journal) is Outcome.COMPLETED
    compactions = world.log.of("context_compacted")
    assert len(compactions) > 2
    assert max(_tokens(request) for request in _asked(world)) < WINDOW
    for done in compactions:
        assert done.tokens_after < done.tokens_before / 2
        assert "Tabs, I decided." in done.summary
        assert "[>] Mend" in done.summary
        assert "a.txt (+" in done.summary
    assert {done.from_seq for done in compactions} == {compactions[0].from_seq}
    last = _asked(world)[-1].turns
    assert last[0] == UserTurn("Repository: lucid/teatime\n\nTask:\nmend it")
    assert [turn.text.startswith(SUMMARY) for turn in last if isinstance(turn, UserTurn)] == [False, True]
    assert isinstance(last[-1], ToolResult)
    assert "0123456789" in last[-1].text
    # The log stays whole, and what the summaries have cost is counted without being steps of the agent.
    assert len(world.log.of("command_completed")) == 59
    assert journal.state.steps == len(_asked(world))
    assert len(world.log.of("usage")) == len(world.model.requests)


async def test_a_fold_from_the_log_gives_the_same_conversation() -> None:
    world = _world(Worker(40))
    journal = await world.journal()
    await run_turn(journal)
    again = Journal(world.ports, world.record)
    await again.load()
    assert again.context.turns() == journal.context.turns()
    assert again.context.history.tokens == journal.context.history.tokens


async def test_a_refusal_of_the_length_is_answered_by_a_shorter_one_once() -> None:
    world = _world(Worker(30, most=1500))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert world.log.of("context_compacted")
    assert not world.log.of("error")
    # What is left is still refused: one card, no endless shortening.
    world = _world(lambda r: said("n") if r.system == NOTES else [ModelFailure(FailureKind.CONTEXT, "No.")])
    for number in range(10):
        world.log._store(Draft(Event(user_message=UserMessage(text=f"message {number}"))))
    assert await run_turn(await world.journal()) is Outcome.FAILED
    assert len(world.log.of("context_compacted")) == 1
    assert len(_asked(world)) == 2
    assert [error.code for error in world.log.of("error")] == ["MODEL_CONTEXT_EXCEEDED"]
    assert world.log.of("error")[0].kind == Error.KIND_LLM


async def test_a_fallback_with_a_smaller_window_gets_a_shorter_one_too() -> None:
    refused: list[str] = []

    def model(request: ModelRequest) -> list[Any]:
        if request.system == NOTES:
            return said("Notes.")
        if len(refused) < 3:
            refused.append(request.model)
            return [ModelFailure(FailureKind.CONTEXT, "No.")]
        return said("", ("finish", {"summary": "All done."}))

    world = _world(model)
    world.ports.models.fallback = "other/smaller"  # type: ignore[misc]
    for number in range(16):
        call, done = (
            ToolCallStarted(tool="run_command"),
            ToolCallCompleted(ok=True, result_text=f"line {number}\n" * 60),
        )
        world.log._store(Draft(Event(item_id=f"i{number}", tool_call_started=call)))
        world.log._store(Draft(Event(item_id=f"i{number}", tool_call_completed=done)))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert refused == ["test/model", "test/model", "other/smaller"]
    assert len(world.log.of("context_compacted")) == 2


async def test_too_little_to_replace_is_not_summarised() -> None:
    world = _world([[ModelFailure(FailureKind.CONTEXT, "No.")]])
    assert await run_turn(await world.journal()) is Outcome.FAILED
    assert len(world.model.requests) == 1
    assert not world.log.of("context_compacted")


@pytest.mark.parametrize("notes", [ModelFailure(FailureKind.TRANSIENT, "Broken."), ""], ids=["fails", "is empty"])
async def test_without_the_models_notes_the_log_makes_them(notes: Any) -> None:
    world = _world(Worker(60, notes=notes))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    compactions = world.log.of("context_compacted")
    assert len(compactions) > 2
    assert "called run_command: {'command': 'echo 1'}" in compactions[0].summary
    # A summary of a summary keeps what the first one told.
    assert "called run_command: {'command': 'echo 1'}" in compactions[1].summary
    assert not world.log.of("error")


async def test_the_words_of_the_person_outlive_every_compaction() -> None:
    worker = Worker(60)

    def model(request: ModelRequest) -> list[Any]:
        if worker.done == 3 and not any(event.user_message.text == "in French" for event in world.log.events):
            world.log._store(Draft(Event(user_message=UserMessage(text="in French"))))
        return worker(request)

    world = _world(model)
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert all("- in French" in done.summary for done in world.log.of("context_compacted"))
    assert len(world.log.of("context_compacted")) > 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_every_append_around_a_compaction(after: bool) -> None:
    crash_at, calm = 0, False
    while not calm:
        crash_at += 1
        worker = Worker(14)
        world = _world(worker)
        world.log.crash_at, world.log.after = crash_at, after
        try:
            assert await run_turn(await world.journal()) is Outcome.COMPLETED
            calm = True
        except Crash:
            world.log.crash_at = 0
            worker.done = 0 if not world.log.of("context_compacted") else worker.done
            assert await run_turn(await world.journal()) is Outcome.COMPLETED
        ranges = [(done.from_seq, done.to_seq) for done in world.log.of("context_compacted")]
        assert ranges
        assert len(set(ranges)) == len(ranges)
        assert len(world.place.starts) == len(set(world.place.starts)) == len(world.log.of("command_completed"))
    assert crash_at > 60


def test_units_are_kept_or_replaced_as_a_whole() -> None:
    history = History()
    history.add(1, [UserTurn("task")])
    for seq in range(2, 40, 3):
        call = ToolCall(f"i{seq}", "run_command", {})
        history.add(seq, [AssistantTurn("", (call,)), ToolResult(call.call_id, "x" * 400)])
    history.counted(2000, 0)
    older = history.older(500)
    assert older is not None
    assert (older.from_seq, older.turns[0]) == (2, AssistantTurn("", (ToolCall("i2", "run_command", {}),)))
    before = history.turns()[-6:]
    history.compact(older.from_seq, older.to_seq, "notes", history.after(older, 5))
    assert history.turns() == [UserTurn("task"), UserTurn(SUMMARY + "notes"), *before][: len(history.turns())]
    assert history.tokens < 700
    assert history.older(500) is None


def test_what_the_model_reads_for_its_notes_is_bounded() -> None:
    call = ToolCall("i", "run_command", {"command": "x" * 5000})
    turns = (AssistantTurn("Look.", (call,)), ToolResult("i", "y" * 50_000, ok=False), UserTurn("and hurry")) * 50
    assert len(transcript(turns, 20_000)) <= 20_200
    short = transcript(turns[:3], 20_000)
    assert short.startswith("[engineer] Look.\n[call] run_command {'command': 'xxx")
    assert "[failed] yyy" in short
    assert short.endswith("[to the engineer] and hurry")


def test_nothing_is_dropped_by_a_range_that_holds_nothing() -> None:
    context = Context()
    context.apply(Event(seq=1, user_message=UserMessage(text="go")))
    context.history.compact(5, 3, "notes", 1)
    assert context.turns() == (UserTurn("go"),)
