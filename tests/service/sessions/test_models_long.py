"""A session that outgrows its model, in both protocols over real sockets: it goes on, and every request is one that the
provider takes."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from services.sessions.agent.loop import run_turn
from services.sessions.backends.models import ConfiguredModels, Providers
from services.sessions.domain.work import Outcome
from services.sessions.ports import Limits
from tests.fakes.model_server import ModelServer, Request, Say
from tests.fakes.ports import Place, Ran, World

STEPS, MOST = 25, 8000
OUTPUT = b"a line of what a command prints\n" * 10


class _Window:
    """A model that refuses a conversation of more than MOST characters, and works for STEPS steps."""

    def __init__(self) -> None:
        self.steps = 0
        self.refused = 0

    def __call__(self, messages: list[dict[str, Any]]) -> Say:
        if "# The work so far" in str(messages[-1]["content"]):
            return Say("Notes of a model.", input_tokens=50)
        if len(json.dumps([m for m in messages if m["role"] != "system"])) > MOST:
            self.refused += 1
            return Say(fault="context")
        self.steps += 1
        if self.steps > STEPS:
            return Say(calls=[("finish", {"summary": "All done."})])
        # Two calls a step, so that there are pairs to be torn.
        return Say(f"Step {self.steps}.", [("run_command", {"command": f"true {self.steps}.{n}"}) for n in (1, 2)])


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
async def test_a_refusal_of_the_length_shortens_the_conversation(protocol: str) -> None:
    window = _Window()
    with ModelServer(window) as server:
        models = ConfiguredModels(
            Providers(
                anthropic_api_key="k",
                anthropic_base_url=server.url,
                openai_api_key="k",
                openai_base_url=f"{server.url}/v1",
            )
        )
        world = World([], Place(lambda _: Ran(OUTPUT)), Limits(max_iterations=1000))
        world.ports = replace(world.ports, models=models)
        world.record = replace(world.record, model=f"{protocol}/m")
        assert await run_turn(await world.journal()) is Outcome.COMPLETED
        await models.close()
    compactions = world.log.of("context_compacted")
    assert window.refused == len(compactions) > 1
    assert all("Notes of a model." in done.summary for done in compactions)
    assert len(world.place.starts) == 2 * STEPS
    assert not world.log.of("error")
    for request in server.requests:
        _pairs_stand(request)
        assert json.dumps(request.body).count('"cache_control"') <= 4


def _pairs_stand(request: Request) -> None:
    """Every result follows its call, every call has its result, and roles alternate."""
    waiting: set[str] = set()
    roles = [message["role"] for message in request.body["messages"]]
    assert all(one != other or one == "tool" for one, other in pairwise(roles))
    for message in request.body["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        results += [message["tool_call_id"]] if message["role"] == "tool" else []
        assert set(results) <= waiting
        waiting -= set(results)
        assert not waiting or message["role"] == "tool"
        waiting |= {block["id"] for block in blocks if block["type"] == "tool_use"}
        waiting |= {call["id"] for call in message.get("tool_calls") or []}
    assert not waiting
