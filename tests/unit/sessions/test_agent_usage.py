"""Every model call leaves what it has used, also one that failed or was stopped; what was not told is marked."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import Event

from services.sessions.agent.loop import run_turn
from services.sessions.backends.models import ConfiguredModels, Providers
from services.sessions.backends.pricing import priced
from services.sessions.domain.conversation import (
    FailureKind,
    ModelFailure,
    ModelRequest,
    StopPiece,
    TextPiece,
    UsagePiece,
)
from services.sessions.domain.models import Budget, Policy
from services.sessions.domain.work import Outcome
from tests.fakes.ports import World
from tests.fakes.scripted_model import Script, said

FINISH = ("finish", {"summary": "All done."})
BROKEN = ModelFailure(FailureKind.TRANSIENT, "Broken.", pieces_seen=True)


def _usages(world: World) -> list[Event]:
    return [event for event in world.log.events if event.HasField("usage")]


async def _run(script: Script) -> World:
    world = World(script)
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    return world


async def test_a_call_that_breaks_off_keeps_what_was_reported_and_estimates_the_rest() -> None:
    reported = UsagePiece(input_tokens=1000, cache_read_tokens=50, output_tokens=1)
    world = await _run([[reported, TextPiece("x" * 400), BROKEN], said("", FINISH)])
    failed, done = _usages(world)
    assert dict(failed.labels) == {"cut": "failed", "estimated": "1"}
    used = failed.usage
    assert (used.input_tokens, used.cache_read_tokens, used.output_tokens) == (1000, 50, 100)
    assert (used.cost_micros, used.price_known, used.session_cost_micros) == (1100, True, 1100)
    assert dict(done.labels) == {}
    assert done.usage.session_cost_micros == 1107


async def test_a_call_that_breaks_off_without_counts_is_estimated() -> None:
    world = await _run([[TextPiece("x" * 400), BROKEN], said("", FINISH)])
    failed = _usages(world)[0]
    assert failed.labels["estimated"] == "1"
    assert failed.usage.output_tokens == 100
    # The system prompt alone is longer than this.
    assert failed.usage.input_tokens > 500


async def test_a_refused_call_is_counted_and_costs_nothing() -> None:
    world = await _run([[ModelFailure(FailureKind.RATE_LIMIT, "Slow down.")], said("", FINISH)])
    refused = _usages(world)[0]
    assert dict(refused.labels) == {"cut": "failed"}
    used = refused.usage
    assert (used.input_tokens, used.output_tokens, used.cost_micros, used.first_token_ms) == (0, 0, 0, 0)


async def test_a_stopped_call_is_counted() -> None:
    world = World([[TextPiece("x" * 400), 60.0]])
    task = asyncio.create_task(run_turn(await world.journal()))
    while not world.live.writes:  # noqa: ASYNC110 what is shown is what is watched
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (stopped,) = _usages(world)
    assert dict(stopped.labels) == {"cut": "stopped", "estimated": "1"}
    assert stopped.usage.output_tokens == 100
    assert stopped.usage.cost_micros == stopped.usage.input_tokens + 100


async def test_a_server_that_tells_no_counts_is_estimated() -> None:
    world = await _run([[TextPiece("x" * 400), StopPiece()]])
    (estimated,) = _usages(world)
    assert dict(estimated.labels) == {"estimated": "1"}
    assert estimated.usage.output_tokens == 100


async def test_the_time_to_the_first_token_and_the_budget_are_told() -> None:
    def slow(_: ModelRequest) -> list[Any]:
        world.clock.now += 2
        return list(said("One two", FINISH))

    world = World(slow)
    world.record = replace(world.record, policy=Policy(budget=Budget(cost_micros=500)))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    (done,) = _usages(world)
    assert 2000 <= done.usage.first_token_ms <= done.usage.latency_ms < 3000
    assert done.usage.budget_micros == 500


async def test_tries_that_failed_use_the_money_up_and_the_next_one_is_not_begun() -> None:
    broken: list[Any] = [UsagePiece(input_tokens=600), TextPiece("Hm"), BROKEN]
    world = World([broken, broken, said("", FINISH)])
    world.record = replace(world.record, policy=Policy(budget=Budget(cost_micros=1000)))
    assert await run_turn(await world.journal()) is Outcome.WAITING
    assert len(world.model.requests) == 2
    world.answer("go_on")
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert len(world.model.requests) == 3


def test_cached_tokens_have_their_own_price() -> None:
    read, written, plain = (
        priced(usage, "anthropic", "claude-sonnet-4-5").cost_micros
        for usage in (
            UsagePiece(cache_read_tokens=10_000),
            UsagePiece(cache_write_tokens=10_000),
            UsagePiece(input_tokens=10_000),
        )
    )
    assert (read, written, plain) == (3_000, 37_500, 30_000)


@pytest.mark.parametrize(
    ("model", "providers", "known"),
    [
        ("anthropic/claude-sonnet-4-5", Providers(), True),
        ("anthropic/claude-sonnet-4-5", Providers(anthropic_base_url="https://api.anthropic.com/"), True),
        ("anthropic/claude-sonnet-4-5", Providers(anthropic_base_url="https://proxy.example"), False),
        ("openai/gpt-5", Providers(), True),
        ("openai/gpt-5", Providers(openai_base_url="http://127.0.0.1:1/v1"), False),
        ("google/models/gemini-2.5-pro", Providers(), True),
        ("llm/gpt-5", Providers(llm_base_url="http://127.0.0.1:1/v1"), False),
        ("openai/nobody", Providers(), False),
        ("demo", Providers(), True),
    ],
)
def test_a_price_is_known_only_at_the_providers_own_server(model: str, providers: Providers, known: bool) -> None:
    usage = ConfiguredModels(providers).price(model, UsagePiece(input_tokens=1000, output_tokens=1000))
    assert usage.price_known is known
    assert (usage.cost_micros > 0) is (known and model != "demo")
