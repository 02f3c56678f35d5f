"""A repository of the local host says what it needs: image, set-up and variables, over the whole product."""

from collections.abc import Iterator
from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Event, SandboxChanged, StatusChanged, TurnCompleted

from services.rpc.status import RemoteError
from tests.fakes.model_server import ModelServer, Say
from tests.fakes.viewer import Viewer
from tests.grounds import small_images
from tests.grounds.hosted import MODEL, MODEL_KEY
from tests.grounds.person import Person, turn_ended
from tests.grounds.product import StartProduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
CONFIG = """{image}timeout = 60
setup = "pwd; echo made for $WHO >made-by-setup; export FROM_SETUP=yes; false; echo never"
[env]
WHO = "hidden-value"
"""
WRITE = "mkdir -p .lucid && cat >.lucid/config.toml <<'EOF'\n{config}EOF"
LOOK = "echo $WHO $FROM_SETUP; cat made-by-setup; [ -e /usr/bin/python3 ] || echo no python; git log --oneline | wc -l"


class Model:
    """Writes the file in the first turn, looks around in the second; remembers what it was told."""

    def __init__(self, config: str) -> None:
        self.commands = [WRITE.format(config=config), LOOK]
        self.told = ""

    def __call__(self, messages: list[dict[str, Any]]) -> Say:
        self.told = str(messages)
        if messages[-1]["role"] == "tool":
            return Say("", calls=[("finish", {"summary": "Done."})])
        return Say("", calls=[("run_command", {"command": self.commands["Look around." in self.told]})])


@pytest.fixture
def image(request: pytest.FixtureRequest) -> Iterator[str]:
    """One of busybox alone for the containers; none under bubblewrap."""
    if request.param == "bubblewrap":
        yield ""
        return
    engine = request.getfixturevalue("docker_engine")
    name = small_images.make(engine, small_images.unique("e2e"), small_images.like_alpine())
    yield name
    engine.images.remove(name, force=True)


def events_of(log: list[Event], kind: str) -> list[Any]:
    return [getattr(event, kind) for event in log if event.WhichOneof("payload") == kind]


@pytest.mark.parametrize("image", ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)], indirect=True)
async def test_a_repository_says_what_it_needs(start_product: StartProduct, image: str) -> None:
    model = Model(CONFIG.format(image=f'image = "{image}"\n' if image else ""))
    with ModelServer(model) as server:
        env = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": MODEL_KEY, "SANDBOX_IMAGES": image}
        person = Person(start_product(env=env | {"SANDBOX_BACKEND": "docker" if image else "bubblewrap"}))
        if image:
            with pytest.raises(RemoteError) as refused:
                await person.seeded(model=MODEL, environment=pb.Environment(image="strange:1"))
            assert refused.value.reason == "IMAGE_NOT_ALLOWED"
        session_id = (await person.seeded("Say what you need.", model=MODEL)).session_id
        viewer = Viewer(session_id)
        await person.follow(viewer, turn_ended)
        again = pb.SendMessageRequest(session_id=session_id, text="Look around.", client_message_id="m2")
        await person.sessions.send_message(again)
        await person.follow(viewer, turn_ended)
        log = await person.log(session_id)
        await person.sessions.delete_session(pb.DeleteSessionRequest(session_id=session_id))
    completed = events_of(log, "turn_completed")
    assert not [e for e in log if e.HasField("error")], [e.error for e in log if e.HasField("error")]
    assert [turn.outcome for turn in completed] == [TurnCompleted.OUTCOME_DONE] * 2
    assert StatusChanged.PHASE_SETUP in [status.phase for status in events_of(log, "status_changed")]
    remade = [changed for changed in events_of(log, "sandbox_changed") if changed.message]
    assert [(changed.state, changed.image) for changed in remade] == [(SandboxChanged.STATE_REBUILT, image)]
    (setup,) = [event.item_id for event in log if event.HasField("command_started") and event.labels.get("setup")]
    (ended,) = [
        event.command_completed for event in log if event.item_id == setup and event.HasField("command_completed")
    ]
    assert (ended.exit_code, ended.head) == (1, b"/workspace/teatime\n")
    looked = events_of(log, "command_completed")[-1].head.decode().split("\n")
    assert looked[:2] == ["hidden-value yes", "made for hidden-value"]
    assert ("no python" in looked) is bool(image)
    assert int(looked[-2]) >= 1
    assert "made-by-setup" in [edited.path for edited in events_of(log, "file_edited")]
    assert "set-up script of this environment failed (exit code 1)" in model.told
    shown = [event for event in log if event.WhichOneof("payload") not in ("tool_call_started", "command_started")]
    told = [event for event in shown if b"hidden-value" in event.SerializeToString()]
    assert {event.WhichOneof("payload") for event in told} <= {
        "command_completed",
        "file_edited",
        "tool_call_completed",
    }
