"""A session sleeps until nothing of its sandbox is left; its next message finds the work again, and delivers it."""

import asyncio
import io
import re
import tarfile
import urllib.request
from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Event, PullRequestChanged, SandboxChanged, TurnCompleted

from tests.fakes.model_server import ModelServer, Say
from tests.fakes.viewer import Viewer
from tests.grounds.person import Person, sign_in, turn_ended
from tests.grounds.product import StartProduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
WORK = (
    "git switch -qc lucid/{session}/slept && echo slept >>README.md && git commit -qam 'Sleep on it' "
    "&& echo later >notes.txt && git status --short"
)
DELIVER = "cat notes.txt && git add notes.txt && git commit -qm 'Take notes' && git push -q -u origin HEAD"
LADDER = {"SANDBOX_PAUSE_AFTER": "0", "SANDBOX_IDLE_TIMEOUT": "3", "SANDBOX_RETENTION": str(8 / 86400)}


def script(messages: list[dict[str, Any]]) -> Say:
    session = next(found[1] for m in messages if (found := re.search(r"lucid/(ses_\w+)/", str(m["content"]))))
    said = [str(message["content"]) for message in messages if message["role"] == "user"]
    answers = [message for message in messages if message["role"] == "tool"]
    if not any("Deliver it." in text for text in said):
        if answers:
            return Say("", calls=[("finish", {"summary": "Begun."})])
        return Say("I begin.", calls=[("run_command", {"command": WORK.format(session=session)})])
    if len(answers) == 2:
        assert any("files are gone" in text for text in said)
        assert any("1 commits" in text and "1 changed files" in text for text in said)
        return Say("I deliver.", calls=[("run_command", {"command": DELIVER})])
    if len(answers) == 3:
        return Say("", calls=[("open_pull_request", {"title": "Sleep on it", "body": "Slept."})])
    return Say("", calls=[("finish", {"summary": "Delivered."})])


def sandbox_events(log: list[Event]) -> list[str]:
    """Without the warning: there is hardly time for one."""
    found = [event.sandbox_changed for event in log if event.HasField("sandbox_changed")]
    names = [SandboxChanged.State.Name(each.state).removeprefix("STATE_") for each in found]
    return [name for name in names if name != "IDLE_WARNING"]


async def test_a_session_sleeps_is_rebuilt_from_nothing_and_delivers(start_product: StartProduct) -> None:
    with ModelServer(script) as model:
        env = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": "sk-test", "SANDBOX_BACKEND": "bubblewrap"}
        product = start_product(env=env | LADDER)
        person = Person(product)
        session = await person.seeded("Begin.", model="openai/gpt-5")
        viewer = Viewer(session.session_id)
        await person.follow(viewer, turn_ended)
        await person.follow(viewer, lambda frame: frame.event.sandbox_changed.state == SandboxChanged.STATE_DESTROYED)
        slept = await person.log(session.session_id)
        assert sandbox_events(slept) == ["READY", "SAVED", "HIBERNATED", "DESTROYED"]
        [saved] = [e.sandbox_changed for e in slept if e.sandbox_changed.state == SandboxChanged.STATE_SAVED]
        assert (saved.commits, saved.files) == (1, 1)
        await _downloads(person, session.session_id, saved.checkpoint_id)
        deliver = pb.SendMessageRequest(session_id=session.session_id, text="Deliver it.", client_message_id="m2")
        await person.sessions.send_message(deliver)
        await person.follow(viewer, turn_ended)
        log = await person.log(session.session_id)
        assert sandbox_events(log)[4:6] == ["REBUILT", "RESTORED"]
        [restored] = [e.sandbox_changed for e in log if e.sandbox_changed.state == SandboxChanged.STATE_RESTORED]
        assert (restored.commits, restored.files, restored.reason) == (1, 1, "")
        [pull] = [event.pull_request_changed for event in log if event.HasField("pull_request_changed")]
        assert (pull.state, pull.title) == (PullRequestChanged.STATE_OPEN, "Sleep on it")
        turns = [event.turn_completed for event in log if event.HasField("turn_completed")]
        assert [turn.outcome for turn in turns] == [TurnCompleted.OUTCOME_DONE] * 2
        assert [event.seq for event in log] == list(range(1, len(log) + 1))
        await person.sessions.delete_session(pb.DeleteSessionRequest(session_id=session.session_id))


async def _downloads(person: Person, session_id: str, checkpoint_id: str) -> None:
    """As the page's link gives it."""

    def ask() -> bytes:
        url = f"{person.product.base_url}/api/v1/sessions/{session_id}/checkpoints/{checkpoint_id}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {sign_in(person.product)}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())

    with tarfile.open(fileobj=io.BytesIO(await asyncio.to_thread(ask)), mode="r:gz") as archive:
        assert sorted(archive.getnames()) == ["0.bundle", "0.patch", "README.txt", "checkpoint.json"]
