"""At a limit the person is asked, and the work goes on where it was: counted from the log, whatever dies in between."""

from dataclasses import replace
from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import (
    SOURCE_USER,
    ApprovalRequested,
    Event,
    QueueChanged,
    SessionConfigured,
    StatusChanged,
    TurnStarted,
    Usage,
    UserMessage,
)
from lucid.sessions.v1.event_pb2 import Budget as BudgetMessage

from services.sessions.agent.budget import ceiling_micros
from services.sessions.agent.loop import run_turn
from services.sessions.domain.conversation import ModelRequest, ToolResult, UserTurn
from services.sessions.domain.models import Budget, Draft, Policy
from services.sessions.domain.spending import Measure, Spending, measure_of
from services.sessions.domain.work import Outcome
from services.sessions.ports import Limits
from tests.fakes.ports import Crash, Ran, World
from tests.fakes.scripted_model import Script, said

FINISH = ("finish", {"summary": "All done."})
LS = ("run_command", {"command": "ls"})


def _world(script: Script, *, cost: int = 0, steps: int = 0, seconds: int = 0, limits: Limits | None = None) -> World:
    """The scripted model's call costs 7 millionths."""
    world = World(script, limits=limits)
    world.record = replace(world.record, policy=Policy(budget=Budget(cost, steps, seconds)))
    return world


async def _run(world: World) -> Outcome:
    return await run_turn(await world.journal())


@pytest.mark.parametrize(("budget", "ends"), [({"cost": 20}, Outcome.BUDGET), ({"steps": 3}, Outcome.LIMIT)])
async def test_a_limit_asks_and_a_no_ends_the_turn_with_a_summary(budget: dict[str, int], ends: Outcome) -> None:
    world = _world([said("", LS)], **budget)
    assert await _run(world) is Outcome.WAITING
    assert await _run(world) is Outcome.WAITING
    assert len(world.model.requests) == 3
    (card,) = world.log.of("approval_requested")
    assert (card.kind, [option.id for option in card.options]) == (ApprovalRequested.KIND_BUDGET, ["go_on", "stop"])
    words = ("$0.000021", "$0.000020") if "cost" in budget else ("3 model calls", "3 model calls")
    assert card.body.split("A yes allows ")[0].count(words[0]) == 1
    assert card.body.split("A yes allows ")[1].startswith(words[1])
    world.answer("stop")
    journal = await world.journal()
    assert await run_turn(journal) is ends
    assert words[0] in journal.context.summary
    assert len(world.model.requests) == 3


async def test_a_yes_goes_on_at_the_same_place_and_asks_again_after_as_much() -> None:
    world = _world([said("", LS)] * 5 + [said("", FINISH)], steps=2)
    for number in (1, 2):
        assert await _run(world) is Outcome.WAITING
        assert len(world.model.requests) == 2 * number
        world.answer("go_on")
    assert await _run(world) is Outcome.COMPLETED
    assert len(world.model.requests) == 6
    assert world.log.kinds().count("turn_started") == 1
    assert len({card.request_id for card in world.log.of("approval_requested")}) == 2


async def test_no_model_call_is_begun_beyond_the_money_and_each_usage_says_the_limit() -> None:
    world = _world([said("", LS)] * 9, cost=7)
    assert await _run(world) is Outcome.WAITING
    assert len(world.model.requests) == 1
    world.answer("go_on")
    assert await _run(world) is Outcome.WAITING
    assert len(world.model.requests) == 2
    assert ceiling_micros(await world.journal()) == 14
    world.start_turn("a new turn")
    assert await _run(world) is Outcome.WAITING
    assert len(world.model.requests) == 2


async def test_words_with_a_yes_are_told_to_the_model_once() -> None:
    world = _world([said("", LS), said("", LS), said("", FINISH)], steps=1)
    assert await _run(world) is Outcome.WAITING
    world.answer("go_on", "but be quick")
    assert await _run(world) is Outcome.WAITING
    assert world.model.requests[1].turns[-1] == UserTurn("but be quick")
    world.answer("go_on")
    assert await _run(world) is Outcome.COMPLETED
    assert [turn for turn in world.model.requests[2].turns if turn == UserTurn("but be quick")] == [
        UserTurn("but be quick")
    ]


async def test_a_budget_that_is_raised_meanwhile_takes_its_card_back() -> None:
    world = _world([said("", LS), said("", FINISH)], steps=1)
    assert await _run(world) is Outcome.WAITING
    world.log._store(Draft(Event(session_configured=SessionConfigured(budget=BudgetMessage(steps=9)))))
    assert await _run(world) is Outcome.COMPLETED
    assert [one.expired for one in world.log.of("approval_resolved")] == [True]


async def test_a_message_does_not_raise_the_budget_and_is_read_after_the_yes() -> None:
    world = _world([said("", LS), said("", FINISH)], steps=1)
    assert await _run(world) is Outcome.WAITING
    world.log._store(Draft(Event(source=SOURCE_USER, user_message=UserMessage(text="hurry"))))
    assert await _run(world) is Outcome.WAITING
    assert len(world.model.requests) == 1
    world.answer("go_on")
    assert await _run(world) is Outcome.COMPLETED
    assert UserTurn("hurry") in world.model.requests[1].turns


async def test_the_installations_limits_stand_where_the_session_has_none() -> None:
    for limits in (Limits(max_iterations=2), Limits(session_budget_micros=14)):
        world = _world([said("", LS)], limits=limits)
        assert await _run(world) is Outcome.WAITING
        assert len(world.model.requests) == 2
    world = _world([said("", LS)] * 4 + [said("", FINISH)], steps=9, limits=Limits(max_iterations=2))
    assert await _run(world) is Outcome.COMPLETED


async def test_working_time_is_counted_over_owners_and_waiting_is_not() -> None:
    world = _world([said("", LS), said("", LS), said("", FINISH)], seconds=100)

    def slow(_: str) -> Ran:
        world.clock.now += 60
        return Ran(b"ok\n")

    world.place.commands = slow
    world.log.crash_at, world.log.after = 9, True
    with pytest.raises(Crash):
        await _run(world)
    world.log.crash_at = 0
    assert await _run(world) is Outcome.WAITING
    (card,) = world.log.of("approval_requested")
    assert "worked for 2 minutes" in card.body or "worked for 120 seconds" in card.body
    waits = StatusChanged(phase=StatusChanged.PHASE_WAITING_APPROVAL)
    turn = next(event.turn_id for event in world.log.events if event.HasField("turn_started"))
    world.log._store(Draft(Event(turn_id=turn, status_changed=waits)))
    world.clock.now += 10_000
    world.answer("go_on")
    assert await _run(world) is Outcome.COMPLETED


def _event(seconds: float, turn: str = "trn_1", **payload: Any) -> Event:
    event = Event(turn_id=turn, **payload)
    event.time.FromMilliseconds(int(seconds * 1000))
    return event


def _phase(seconds: float, phase: StatusChanged.Phase.ValueType) -> Event:
    return _event(seconds, status_changed=StatusChanged(phase=phase))


def test_only_work_of_the_turn_is_time() -> None:
    spending = Spending()
    for event in (
        _event(100, turn_started=TurnStarted()),
        _phase(101, StatusChanged.PHASE_STARTING_SANDBOX),
        _phase(111, StatusChanged.PHASE_RUNNING),
        _event(116, usage=Usage(cost_micros=5)),
        _event(117, "", queue_changed=QueueChanged()),
        _phase(121, StatusChanged.PHASE_PAUSED),
        _phase(1000, StatusChanged.PHASE_RUNNING),
        _event(1001, usage=Usage(cost_micros=5)),
        # The owner died; a message came; a new owner took over.
        _event(3000, "", user_message=UserMessage(), source=SOURCE_USER),
        _phase(5000, StatusChanged.PHASE_RESUMING),
        _phase(5001, StatusChanged.PHASE_RUNNING),
        # A clock that was set back takes nothing away.
        _event(4000, usage=Usage(cost_micros=5)),
        _event(4002, usage=Usage(cost_micros=5)),
    ):
        spending.apply(event)
    assert spending.used == {Measure.MONEY: 20, Measure.STEPS: 4, Measure.TIME: pytest.approx(1 + 5 + 5 + 1 + 2)}
    spending.apply(_event(6000, "trn_2", turn_started=TurnStarted()))
    assert spending.used == {Measure.MONEY: 20, Measure.STEPS: 0, Measure.TIME: 0}


def test_calls_beside_the_work_and_calls_that_failed_cost_but_are_no_steps() -> None:
    spending = Spending()
    spending.apply(_event(0, turn_started=TurnStarted()))
    for labels in ({}, {"purpose": "title"}, {"cut": "failed"}):
        spending.apply(_event(0, usage=Usage(cost_micros=3), labels=labels))
    assert (spending.used[Measure.MONEY], spending.used[Measure.STEPS]) == (9, 1)


@pytest.mark.parametrize("request_id", ["itm_1", "trn:money", "trn:gold:1", "", "a:b:c:d"])
def test_other_cards_are_no_budgets(request_id: str) -> None:
    assert measure_of(request_id) is None


def _whole(request: ModelRequest) -> list[Any]:
    done = sum(isinstance(turn, ToolResult) for turn in request.turns)
    return list(said(f"Step {done}.", LS if done < 4 else FINISH))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("budget", [{"steps": 2}, {"cost": 14}], ids=["steps", "money"])
async def test_a_crash_at_every_append_asks_once_per_limit(budget: dict[str, int], after: bool) -> None:
    crash_at, calm = 0, False
    while not calm:
        crash_at += 1
        world = _world(_whole, **budget)
        world.log.crash_at, world.log.after = crash_at, after
        calm = await _to_the_end(world)
        asked, resolved = world.log.of("approval_requested"), world.log.of("approval_resolved")
        assert [card.request_id for card in asked] == [one.request_id for one in resolved]
        assert len({card.request_id for card in asked}) == len(asked) == 2
        assert len(world.place.starts) == 4
        # A call that is made again after a crash is paid again; no other one is.
        assert len(world.model.requests) <= (5 if calm else 6)
        assert len(world.log.of("usage")) == 5
        assert [message.text for message in world.log.of("user_message")].count("quick") == 2
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
        world.answer("go_on", "quick")
