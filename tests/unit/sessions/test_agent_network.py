"""Calls that were not let out of the sandbox: an event for each host of a command, and words for the model."""

from typing import Any

from lucid.sessions.v1.event_pb2 import NetworkBlocked, NetworkMode

from services.sessions.agent.loop import run_turn
from services.sessions.agent.prepare import prepare
from services.sessions.domain.conversation import ToolResult
from services.sessions.domain.work import Outcome
from tests.fakes.ports import Place, Ran, World
from tests.fakes.scripted_model import said

PIP = ("run_command", {"command": "pip install leftpad"})
FINISH = ("finish", {"summary": "All done."})


def call(host: str = "evil.example", port: int = 443, **fields: Any) -> NetworkBlocked:
    told = {"reason": NetworkBlocked.REASON_NOT_ALLOWED, "allowed": ["a.example:443", "*.b.example:443"]}
    return NetworkBlocked(host=host, port=port, **{**told, **fields})


async def told(*calls: NetworkBlocked) -> tuple[World, str]:
    world = World([said("", PIP), said("", FINISH)], Place(lambda _: Ran(b"curl: (56)\n", 1, blocked=calls)))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    results = [item for item in world.model.requests[1].turns if isinstance(item, ToolResult)]
    return world, results[0].text


async def test_a_blocked_call_is_an_event_and_told_to_the_model() -> None:
    world, text = await told(call())
    (event,) = [event for event in world.log.events if event.HasField("network_blocked")]
    assert event.network_blocked == call()
    (completed,) = [event for event in world.log.events if event.HasField("command_completed")]
    assert event.parent_item_id == completed.item_id
    assert event.seq < completed.seq
    assert "[blocked: evil.example:443 is not allowed here; allowed are: a.example:443, *.b.example:443]" in text


async def test_a_host_is_told_once_for_a_command() -> None:
    world, _ = await told(call(), call(), call(port=80, reason=NetworkBlocked.REASON_NOT_CONNECT))
    assert [(one.host, one.port) for one in world.log.of("network_blocked")] == [
        ("evil.example", 443),
        ("evil.example", 80),
    ]


async def test_the_model_is_told_why() -> None:
    _, text = await told(
        call(reason=NetworkBlocked.REASON_NETWORK_OFF, allowed=[]),
        call("", 0, reason=NetworkBlocked.REASON_NOT_CONNECT),
        call("10.0.0.1", reason=NetworkBlocked.REASON_ADDRESS),
    )
    assert "[blocked: evil.example:443 cannot be called: this session has no network; allowed are: nothing]" in text
    assert "[blocked: a call cannot be called without TLS: only https goes out; allowed are: " in text
    assert "[blocked: 10.0.0.1:443 is an address: only names are allowed here; allowed are: " in text


async def test_the_log_says_what_the_sandbox_may_reach() -> None:
    world = World([])
    await prepare(await world.journal())
    (ready,) = world.log.of("sandbox_changed")
    assert (ready.network, list(ready.allowed_hosts)) == (NetworkMode.NETWORK_MODE_LIST, ["a.example:443"])
