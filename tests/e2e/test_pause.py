"""Pause and go on, over a kill -9 in between: the command comes to its end once, and a steering message is read."""

from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import CommandCompleted, StatusChanged, TurnCompleted, UserMessage

from tests.fakes.model_server import Say
from tests.fakes.viewer import Viewer
from tests.grounds.hosted import MODEL, Ground
from tests.grounds.person import is_event, turn_ended

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
MAKE = "echo made >> made; sleep 1.5; cat made"


class Careful:
    """Makes once, then says what it has read last."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, messages: list[dict[str, Any]]) -> Say:
        self.times += 1
        if not any(message["role"] == "tool" for message in messages):
            return Say("I make it.", calls=[("run_command", {"command": MAKE})])
        read = next(str(message["content"]) for message in reversed(messages) if message["role"] == "user")
        return Say("", calls=[("finish", {"summary": f"I have read: {read}"})])


async def test_a_pause_outlives_the_process(ground: Ground) -> None:
    ground.model.script = script = Careful()
    client = ground.person.sessions
    session_id = (await ground.person.create("Make it.", model=MODEL)).session_id
    viewer = Viewer(session_id)
    await ground.person.follow(viewer, is_event("command_started"))
    for _ in range(2):
        assert (await client.pause_session(pb.PauseSessionRequest(session_id=session_id))).pausing
    await ground.person.follow(viewer, lambda frame: frame.event.status_changed.phase == StatusChanged.PHASE_PAUSED)
    (ended,) = [event.command_completed for event in viewer.events if event.HasField("command_completed")]
    assert (ended.reason, ended.head) == (CommandCompleted.REASON_EXITED, b"made\n")
    ground.product.kill9()
    ground.product.start()
    steer = pb.SendMessageRequest(
        session_id=session_id,
        text="To the left.",
        client_message_id="s1",
        delivery=UserMessage.DELIVERY_STEER,
    )
    assert (await client.send_message(steer)).queued
    session = (await client.get_session(pb.GetSessionRequest(session_id=session_id))).session
    assert session.state == pb.Session.STATE_PAUSED
    assert script.times == 1
    assert (await client.resume_session(pb.ResumeSessionRequest(session_id=session_id))).resumed
    await ground.person.follow(viewer, turn_ended)
    completed = viewer.events[-1].turn_completed
    assert (completed.outcome, completed.summary) == (TurnCompleted.OUTCOME_DONE, "I have read: To the left.")
    log = await ground.person.log(session_id)
    assert sum(event.HasField("command_started") for event in log) == 1
    assert viewer.events == log[: len(viewer.events)]
