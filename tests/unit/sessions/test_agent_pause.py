"""Where a pause takes hold within a turn, and what a steering message does to the conversation."""

from typing import Any

from lucid.sessions.v1.event_pb2 import Event, QueueChanged, UserMessage

from services.sessions.agent.loop import run_turn
from services.sessions.domain.conversation import AssistantTurn, ToolResult, UserTurn
from services.sessions.domain.models import Draft
from services.sessions.domain.work import Outcome
from tests.fakes.ports import World
from tests.fakes.scripted_model import said

LS, FINISH = ("run_command", {"command": "ls"}), ("finish", {"summary": "All done."})


async def test_a_pause_that_comes_just_before_a_model_call_asks_nothing() -> None:
    world = World([said("", FINISH)])
    journal = await world.journal()
    read = world.log.read

    async def pausing(*args: Any) -> list[tuple[int, bytes]]:
        journal.pausing = True
        return await read(*args)

    world.log.read = pausing  # type: ignore[method-assign]
    assert await run_turn(journal) is Outcome.PAUSED
    assert world.model.requests == []
    journal.pausing, world.log.read = False, read  # type: ignore[method-assign]
    assert await run_turn(journal) is Outcome.COMPLETED


def queued(item: str, order: list[str]) -> Draft:
    added = QueueChanged(
        queue_item_id=item,
        change=QueueChanged.CHANGE_ADDED,
        order=order,
        text=f"text of {item}",
        delivery=UserMessage.DELIVERY_STEER,
    )
    return Draft(Event(queue_changed=added))


async def test_steering_messages_come_after_the_results_of_the_calls_that_ran() -> None:
    world = World([said("Both.", LS, LS), said("", FINISH)])
    stop = world.place.commands

    def meanwhile(command: str) -> Any:
        if not world.log.of("queue_changed"):
            world.log._store(queued("a", ["a"]))
            world.log._store(queued("b", ["a", "b"]))
        return stop(command)

    world.place.commands = meanwhile
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    turns = world.model.requests[1].turns
    assert [type(turn) for turn in turns] == [UserTurn, AssistantTurn, ToolResult, ToolResult, UserTurn, UserTurn]
    assert [turn.text for turn in turns[-2:]] == ["text of a", "text of b"]


async def test_a_steering_message_during_the_last_call_is_still_read() -> None:
    """The agent was done; the person was not."""
    world = World([said("I am done."), said("Now to the left.")])
    stream = world.model.stream

    def meanwhile(request: Any) -> Any:
        if not world.log.of("queue_changed"):
            world.log._store(queued("a", ["a"]))
        return stream(request)

    world.model.stream = meanwhile  # type: ignore[method-assign]
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert len(world.model.requests) == 2
    assert world.model.requests[1].turns[-1] == UserTurn("text of a")
