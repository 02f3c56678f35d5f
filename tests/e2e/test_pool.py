"""A session takes a sandbox that was made beforehand, works in it as in one of its own, and delivers."""

import asyncio
import re
from typing import Any

import grpc
import pytest
from lucid.sandbox.v1.pool_pb2 import GetPoolRequest, Pool
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Event, PullRequestChanged, SandboxChanged, TurnCompleted

from services.rpc.identity import service_metadata
from services.sandbox.client import SandboxClient
from tests.fakes.model_server import ModelServer, Say
from tests.fakes.viewer import Viewer
from tests.grounds.person import Person, turn_ended
from tests.grounds.product import SECRETS, Product, StartProduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
WORK = (
    "env | grep -c wrm_; echo $WHO ${{LUCID_COMMAND%%/*}}; git switch -qc lucid/{session}/warm "
    "&& echo warm >>README.md && git commit -qam 'Be warm' && git push -q -u origin HEAD"
)


def script(messages: list[dict[str, Any]]) -> Say:
    session = next(found[1] for m in messages if (found := re.search(r"lucid/(ses_\w+)/", str(m["content"]))))
    match sum(message["role"] == "tool" for message in messages):
        case 0:
            return Say("I work.", calls=[("run_command", {"command": WORK.format(session=session)})])
        case 1:
            return Say("", calls=[("open_pull_request", {"title": "Be warm", "body": "Warm."})])
        case _:
            return Say("", calls=[("finish", {"summary": "Delivered."})])


async def filled(product: Product) -> Pool:
    """The pool, once one is ready."""
    metadata = service_metadata(SECRETS["INTERNAL_API_KEY"], "")
    async with grpc.aio.insecure_channel(product.rpc["sandbox"]) as channel, asyncio.timeout(30):
        client = SandboxClient(channel, metadata)
        while not (pool := (await client.get_pool(GetPoolRequest())).pool).ready:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return pool


def only(log: list[Event], kind: str) -> Any:
    [found] = [getattr(event, kind) for event in log if event.WhichOneof("payload") == kind]
    return found


async def test_a_session_claims_a_warm_sandbox_and_delivers(start_product: StartProduct) -> None:
    with ModelServer(script) as model:
        env = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": "sk-test", "SANDBOX_BACKEND": "bubblewrap"}
        product = start_product(env=env | SECRETS | {"SANDBOX_POOL_SIZE": "1"})
        assert (await filled(product)).claimed == 0
        person = Person(product)
        wish = pb.Environment(env={"WHO": "somebody"})
        session = await person.seeded("Deliver.", model="openai/gpt-5", environment=wish)
        await person.follow(Viewer(session.session_id), turn_ended)
        log = await person.log(session.session_id)
        ready = only(log, "sandbox_changed")
        assert (ready.state, ready.warm, ready.sandbox_id) == (SandboxChanged.STATE_READY, True, session.sandbox_id)
        command = [event.command_completed for event in log if event.HasField("command_completed")][-1]
        assert command.head.decode().split("\n")[:2] == ["0", f"somebody {session.sandbox_id}"]
        pull = only(log, "pull_request_changed")
        assert (pull.state, pull.title) == (PullRequestChanged.STATE_OPEN, "Be warm")
        assert only(log, "turn_completed").outcome == TurnCompleted.OUTCOME_DONE
        # The next one is there for the next session.
        assert (await filled(product)).claimed == 1
        await person.sessions.delete_session(pb.DeleteSessionRequest(session_id=session.session_id))
