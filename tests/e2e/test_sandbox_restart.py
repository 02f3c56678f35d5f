"""The sandbox service is restarted in mid-command of a session: the session completes, the command ran once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import CHANNEL_STDOUT, CommandCompleted, Frame, TurnCompleted

from tests.fakes.model_server import ModelServer, Say
from tests.fakes.viewer import Viewer
from tests.grounds.length import rounds
from tests.grounds.person import Person, turn_ended
from tests.grounds.product import Product, StartProduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
LINES = 1200
COMMAND = f"echo run >>/workspace/runs; for n in $(seq {LINES}); do echo line $n; sleep 0.01; done"


def script(messages: list[dict[str, Any]]) -> Say:
    if any(message["role"] == "tool" for message in messages):
        return Say("Done.", calls=[("finish", {"summary": "Done."})])
    return Say("I run it.", calls=[("run_command", {"command": COMMAND})])


def printed(size: int) -> Callable[[Frame], bool]:
    return lambda frame: frame.delta.channel == CHANNEL_STDOUT and frame.delta.offset >= size


def terminate(product: Product) -> None:
    product.stop("sandbox")


def kill(product: Product) -> None:
    product.kill9("sandbox")


DOCKER = pytest.mark.docker
CASES = [
    pytest.param("bubblewrap", (kill, kill, kill), id="bubblewrap-kill -9"),
    pytest.param("docker", (terminate,), id="docker-SIGTERM", marks=DOCKER),
    # What differs between the two ways is seen in tests/contract/launchers/test_restart.py.
    pytest.param("docker", (kill, kill, kill), id="docker-kill -9", marks=DOCKER),
    pytest.param("bubblewrap", (terminate,), id="bubblewrap-SIGTERM"),
]


@pytest.mark.parametrize(("backend", "ends"), CASES[: rounds(2, 4)])
async def test_a_session_does_not_notice_that_its_sandbox_service_is_restarted(
    start_product: StartProduct,
    request: pytest.FixtureRequest,
    backend: str,
    ends: tuple[Callable[[Product], None], ...],
) -> None:
    if backend == "docker":
        request.getfixturevalue("docker_engine")
    with ModelServer(script) as model:
        env = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": "sk-test", "SANDBOX_BACKEND": backend}
        product = start_product(apart=True, env=env)
        person = Person(product)
        session = await person.create("Run it.", model="openai/gpt-5")
        viewer = Viewer(session.session_id)
        for number, end in enumerate(ends):
            await person.follow(viewer, printed(100 + 1000 * number))
            await asyncio.to_thread(end, product)
            await asyncio.to_thread(product.start)
        await person.follow(viewer, turn_ended)
        stored = await person.log(session.session_id)
        [command] = [event.command_completed for event in stored if event.HasField("command_completed")]
        whole = b"".join(b"line %d\n" % number for number in range(1, LINES + 1))
        assert (command.reason, command.exit_code) == (CommandCompleted.REASON_EXITED, 0)
        assert (command.head, command.total_bytes) == (whole, len(whole))
        assert await person.read_file(session, "runs") == b"run\n"
        [turn] = [event.turn_completed for event in stored if event.HasField("turn_completed")]
        assert turn.outcome == TurnCompleted.OUTCOME_DONE
        await person.sessions.delete_session(pb.DeleteSessionRequest(session_id=session.session_id))
