"""The loop and its tools against hand-written surroundings."""

import asyncio
from dataclasses import replace

import pytest
from lucid.sessions.v1.event_pb2 import (
    CHANNEL_MESSAGE,
    CHANNEL_STDOUT,
    CHANNEL_THOUGHT,
    ApprovalResolved,
    CommandCompleted,
    Error,
    Event,
    FileEdited,
    UserMessage,
)

from services.sessions.agent.loop import run_turn
from services.sessions.domain.conversation import (
    CallPiece,
    FailureKind,
    ModelFailure,
    StopPiece,
    TextPiece,
    ToolCall,
    ToolResult,
    UserTurn,
)
from services.sessions.domain.errors import Fenced
from services.sessions.domain.models import Draft
from services.sessions.domain.work import Outcome, ToolFailure
from services.sessions.ports import Limits
from tests.fakes.ports import SESSION, Place, Ran, World
from tests.fakes.scripted_model import said

FINISH = ("finish", {"summary": "All done."})
LS = ("run_command", {"command": "ls"})


async def test_text_alone_is_the_final_answer() -> None:
    world = World([said("It is green.")])
    journal = await world.journal()
    assert await run_turn(journal) is Outcome.COMPLETED
    completed = world.log.of("text_completed")
    assert [(text.channel, text.text) for text in completed] == [(CHANNEL_MESSAGE, "Itisgreen.")]
    assert journal.context.summary == "Itisgreen."
    assert [data for _, _, data in world.live.writes] == [b"It", b"is", b"green."]


async def test_text_before_a_call_is_a_thought_and_one_append_holds_the_answer() -> None:
    world = World([said("Looking.", LS, LS), said("", FINISH)])
    journal = await world.journal()
    assert await run_turn(journal) is Outcome.COMPLETED
    kinds = [[d.event.WhichOneof("payload") for d in change.drafts] for change in world.log.changes]
    assert ["text_completed", "tool_call_started", "tool_call_started", "usage"] in kinds
    assert [text.channel for text in world.log.of("text_completed")] == [CHANNEL_THOUGHT]
    assert journal.context.summary == "All done."
    assert [usage.session_cost_micros for usage in world.log.of("usage")] == [7, 14]


async def test_a_command_its_output_and_what_it_changed() -> None:
    place = Place(lambda _: Ran(b"a\nb\n", 3, {"new.txt": "x\n"}, push=f"lucid/{SESSION}/fix"))
    world = World([said("Go.", LS), said("", FINISH)], place)
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    call = next(e for e in world.log.events if e.HasField("tool_call_started")).item_id
    command = next(e for e in world.log.events if e.HasField("command_started"))
    assert (command.item_id, command.parent_item_id) == (f"{call}c", call)
    assert command.command_started.cwd == "/workspace/teatime"
    assert b"".join(data for item, channel, data in world.live.writes if channel == CHANNEL_STDOUT) == b"a\nb\n"
    edited = world.log.of("file_edited")[0]
    assert (edited.path, edited.via, edited.cause_item_id) == ("new.txt", FileEdited.VIA_COMMAND, call)
    assert list(world.log.of("file_tree_changed")[0].added) == ["new.txt"]
    assert [push.branch for push in world.log.of("branch_pushed")] == [f"lucid/{SESSION}/fix"]
    assert not world.log.of("tool_call_completed")[0].ok
    told = world.model.requests[1].turns[-1]
    assert isinstance(told, ToolResult)
    assert told.text.startswith("Exit code 3.\na\nb\n")


async def test_only_the_first_command_is_placed() -> None:
    world = World([said("", LS), said("", LS), said("", FINISH)])
    await run_turn(await world.journal())
    assert world.place.cwds == ["teatime", ""]


async def test_files_are_shown_and_edited() -> None:
    create = ("edit_file", {"command": "create", "path": "a.txt", "content": "one\ntwo\n"})
    insert = ("edit_file", {"command": "insert", "path": "a.txt", "after_line": 1, "text": "and"})
    swap = ("edit_file", {"command": "replace", "path": "a.txt", "old_text": "two", "new_text": "2"})
    bad = ("edit_file", {"command": "replace", "path": "a.txt", "old_text": "zwei", "new_text": "2"})
    view = ("view_file", {"path": "a.txt", "start_line": 2})
    world = World([said("", create), said("", insert), said("", swap, bad), said("", view), said("", FINISH)])
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert world.place.files["a.txt"] == "one\nand\n2\n"
    results = world.log.of("tool_call_completed")
    assert [result.ok for result in results] == [True, True, True, False, True, True]
    assert "+one" in results[0].result_text
    assert results[4].result_text == "     2\tand\n     3\t2\n[lines 2 to 3 of 3]"
    assert {edit.via for edit in world.log.of("file_edited")} == {FileEdited.VIA_TOOL}


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("run_command", {}, "`command` is missing"),
        ("run_command", {"command": "a\0b"}, "without NUL"),
        ("run_command", {"command": "ls", "timeout_seconds": "soon"}, "whole number"),
        ("edit_file", {"command": "burn", "path": "x"}, "must be create, replace or insert"),
        ("edit_file", {"command": "replace", "path": "x"}, "`old_text` is missing"),
        ("view_file", {"path": "nowhere"}, "no such file"),
        ("update_plan", {"steps": [{"text": "", "status": "done"}]}, "needs a `text`"),
        ("update_plan", {"steps": "all"}, "must be a list"),
        ("ask_user", {"question": "?", "options": "yes"}, "must be a list"),
        ("open_pull_request", {"title": "t", "body": "b"}, "Nothing was pushed yet"),
        ("finish", {"summary": " "}, "`summary` is missing"),
        ("fly", {}, "There is no tool 'fly'"),
    ],
)
async def test_a_call_that_cannot_be_done_is_told_to_the_model(name: str, args: dict[str, object], words: str) -> None:
    world = World([said("", (name, args)), said("", FINISH)])
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    refused = world.log.of("tool_call_completed")[0]
    assert not refused.ok
    assert words in refused.result_text


async def test_arguments_that_cannot_be_read_and_names_that_providers_refuse() -> None:
    broken = [CallPiece(ToolCall("c", "run command!", {}, "They are not valid JSON.")), StopPiece()]
    bad_args = [CallPiece(ToolCall("c", "run_command", {}, "They are not valid JSON.")), StopPiece()]
    world = World([broken, bad_args, said("", FINISH)])
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert world.log.of("tool_call_started")[0].tool == "run_command_"
    assert world.log.of("tool_call_completed")[1].result_text == "They are not valid JSON."


async def test_plan_and_pull_request() -> None:
    plan = ("update_plan", {"steps": [{"text": "Look", "status": "done"}, {"text": "Mend", "status": "in_progress"}]})
    open_ = ("open_pull_request", {"title": "Mend it", "body": "So."})
    place = Place(lambda _: Ran(b"", 0, push=f"lucid/{SESSION}/fix"))
    world = World([said("", plan, LS), said("", open_), said("", FINISH)], place)
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert [step.id for step in world.log.of("plan_updated")[0].steps] == ["1", "2"]
    assert world.log.of("pull_request_changed")[0].number == 1
    assert [change.pull_request.number for change in world.log.changes if change.pull_request] == [1]
    call = [e.item_id for e in world.log.events if e.HasField("tool_call_started")][2]
    assert list(place.opened) == [f"{SESSION}:pull_request:{call}"]


async def test_a_question_waits_and_is_answered_by_its_card() -> None:
    ask = ("ask_user", {"question": "Tabs or spaces?", "options": ["Tabs", "Spaces"]})
    world = World([said("", ask), said("", FINISH)])
    assert await run_turn(await world.journal()) is Outcome.WAITING
    assert await run_turn(await world.journal()) is Outcome.WAITING
    request = world.log.of("approval_requested")
    assert [option.label for option in request[0].options] == ["Tabs", "Spaces"]
    assert len(request) == 1
    answer = ApprovalResolved(request_id=request[0].request_id, option_id="2", text="please")
    world.log._store(Draft(Event(approval_resolved=answer)))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    told = world.log.of("tool_call_completed")[0]
    assert told.result_text == "The person chose: Spaces\nThe person wrote: please"


async def test_a_question_is_answered_by_a_plain_message_too() -> None:
    world = World([said("", ("ask_user", {"question": "Which?"})), said("", FINISH)])
    assert await run_turn(await world.journal()) is Outcome.WAITING
    world.log._store(Draft(Event(user_message=UserMessage(text="the second"))))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert world.model.requests[1].turns[-1] == UserTurn("the second")


TRANSIENT = ModelFailure(FailureKind.TRANSIENT, "Broken.", pieces_seen=True)


async def test_a_broken_stream_is_tried_again_and_no_text_stays_twice() -> None:
    broken = [TextPiece("Hm", reasoning=True), TextPiece("One "), TextPiece("two "), TRANSIENT]
    world = World([broken, said("One two three", LS), said("", FINISH)])
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    texts = [event for event in world.log.events if event.HasField("text_completed")]
    assert [(event.text_completed.reset, event.text_completed.text) for event in texts] == [
        (True, "Hm"),
        (True, "One two "),
        (False, "Onetwothree"),
    ]
    assert len({event.item_id for event in texts}) == 3
    assert not world.log.of("error")
    assistant = world.model.requests[2].turns[1]
    assert assistant.text == "Onetwothree"


async def test_a_stream_without_its_end_is_a_broken_one() -> None:
    world = World([[TextPiece("half")], said("whole")])
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert [text.reset for text in world.log.of("text_completed")] == [True, False]


async def test_tries_end_with_a_card() -> None:
    world = World([[TRANSIENT]], limits=Limits(model_retries=2))
    assert await run_turn(await world.journal()) is Outcome.FAILED
    assert len(world.model.requests) == 3
    errors = world.log.of("error")
    assert [error.retryable for error in errors] == [False]
    assert (errors[0].code, errors[0].user_action) == ("MODEL_STREAM_BROKEN", Error.USER_ACTION_RETRY)


async def test_a_long_pause_by_the_providers_hint_is_announced() -> None:
    world = World([[ModelFailure(FailureKind.RATE_LIMIT, "Slow down.", retry_after=30)], said("ok")])
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert world.clock.slept == [30]
    error = world.log.of("error")[0]
    assert (error.retryable, error.retry_after_ms, error.kind) == (True, 30_000, Error.KIND_RATE_LIMIT)


@pytest.mark.parametrize("kind", [FailureKind.AUTH, FailureKind.QUOTA, FailureKind.CONFIG, FailureKind.CONTEXT])
async def test_what_does_not_pass_ends_at_once(kind: FailureKind) -> None:
    world = World([[ModelFailure(kind, "No.")]])
    assert await run_turn(await world.journal()) is Outcome.FAILED
    assert len(world.model.requests) == 1
    assert [error.retryable for error in world.log.of("error")] == [False]


async def test_a_silent_model_is_given_up_by_two_limits() -> None:
    limits = Limits(model_retries=0, first_token_timeout=0.05, between_tokens_timeout=0.05)
    for answer, code in (([60.0], "MODEL_UNAVAILABLE"), ([TextPiece("so"), 60.0], "MODEL_STREAM_BROKEN")):
        world = World([answer], limits=limits)
        assert await run_turn(await world.journal()) is Outcome.FAILED
        assert world.log.of("error")[0].code == code


async def test_an_empty_answer_is_nudged_once() -> None:
    world = World([said(""), said("ok")])
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert world.model.requests[1].turns[-1] == UserTurn(
        "Your last answer was empty. Go on with a tool call, or answer the person."
    )
    world = World([said("")])
    assert await run_turn(await world.journal()) is Outcome.FAILED
    assert world.log.of("error")[0].code == "MODEL_ANSWERED_NOTHING"
    assert len(world.model.requests) == 2


async def test_a_cut_answer_goes_on() -> None:
    world = World([said("so far", cut=True), said("the rest")])
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert [text.channel for text in world.log.of("text_completed")] == [CHANNEL_THOUGHT, CHANNEL_MESSAGE]
    assert "cut at its length limit" in world.model.requests[1].turns[-1].text


async def test_reasoning_is_shown_and_not_sent_back() -> None:
    world = World([said("Go.", LS, reasoning="secret musings"), said("", FINISH)])
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    labelled = [event.WhichOneof("payload") for event in world.log.events if event.labels.get("reasoning")]
    assert labelled == ["text_started", "text_completed"]
    assert "musings" not in str(world.model.requests[1])


async def test_the_sessions_own_key_and_a_model_that_is_gone() -> None:
    world = World([said("ok")])
    world.record = replace(world.record, model_key_sealed="yek")
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert world.model.requests[0].api_key == "key"
    for record in (replace(world.record, model_key_sealed="!x"), replace(world.record, model="no/more")):
        world = World([said("ok")])
        world.record = record
        assert await run_turn(await world.journal()) is Outcome.FAILED
        assert world.log.of("error")[0].kind == Error.KIND_CONFIG


async def test_the_first_turn_says_where_to_work() -> None:
    world = World([said("ok")])
    await run_turn(await world.journal())
    request = world.model.requests[0]
    assert request.turns == (UserTurn("Repository: lucid/teatime\n\nTask:\nmend it"),)
    assert f"lucid/{SESSION}/" in request.system
    assert "/workspace/teatime" in request.system
    assert {tool.name for tool in request.tools} >= {"run_command", "open_pull_request", "finish"}
    world.record = replace(world.record, repository=None)
    await run_turn(await world.journal())


async def test_a_place_that_is_away_is_brought_back_and_tried_again() -> None:
    world = World([said("", LS), said("", FINISH)])
    journal = await world.journal()
    world.place.away = 3
    assert await run_turn(journal) is Outcome.COMPLETED
    assert len(world.place.starts) == 1
    assert world.place.creates >= 1
    assert len(world.log.of("command_started")) == len(world.log.of("command_completed")) == 1


async def test_a_place_that_stays_away_ends_the_turn_with_everything_closed() -> None:
    world = World([said("", LS)])
    journal = await world.journal()
    world.place.away = 10**6
    assert await run_turn(journal) is Outcome.FAILED
    assert not journal.state.open_calls
    assert not journal.state.open_commands
    assert world.log.of("command_completed")[0].reason == CommandCompleted.REASON_SANDBOX_LOST
    assert world.log.of("error")[0].code == "SANDBOX_UNAVAILABLE"


async def test_a_lost_command_is_told_plainly() -> None:
    place = Place(lambda _: Ran(b"half", reason=CommandCompleted.REASON_SANDBOX_LOST))
    world = World([said("", LS), said("", FINISH)], place)
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    result = world.log.of("tool_call_completed")[0]
    assert not result.ok
    assert "may have done part of its work" in result.result_text


async def test_a_snapshot_that_cannot_be_taken_does_not_hide_the_result() -> None:
    world = World([said("", ("update_plan", {"steps": [{"text": "x", "status": "done"}]}), LS), said("", FINISH)])
    journal = await world.journal()

    async def refuse(*_: object) -> None:
        raise ToolFailure("SNAPSHOT_FAILED", "no")

    world.place.snapshot = refuse  # type: ignore[method-assign, assignment]
    assert await run_turn(journal) is Outcome.COMPLETED
    assert world.log.of("tool_call_completed")[1].ok


async def test_a_new_owner_ends_the_old_one_at_once() -> None:
    world = World([said("", LS)])
    journal = await world.journal()
    world.log.fenced = True
    with pytest.raises(Fenced):
        await run_turn(journal)


@pytest.mark.parametrize("where", ["token", "command"])
async def test_a_stop_is_a_cancellation(where: str) -> None:
    world = World([[TextPiece("so "), 60.0]] if where == "token" else [said("", LS)])
    world.place.hang = where == "command"
    task = asyncio.create_task(run_turn(await world.journal()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
