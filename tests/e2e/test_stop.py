"""Stop: no process of the agent is left after 3 s, what was said and printed is kept, and a message goes on."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import CHANNEL_STDOUT, CHANNEL_THOUGHT, CommandCompleted, Event, Frame, TurnCompleted

from tests.fakes.model_server import Say
from tests.fakes.viewer import Viewer
from tests.grounds.canary import with_argument
from tests.grounds.hosted import MODEL, Ground
from tests.grounds.person import turn_ended

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
StartGround = Callable[..., Ground]
STOP_SECONDS = 3.0
BACKENDS = ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)]


class Stubborn:
    """Told to sleep it starts what ignores signals; told to talk it never ends; else it finishes."""

    def __init__(self) -> None:
        self.seconds = f"1000.{random.randrange(10**9):09d}"

    def __call__(self, messages: list[dict[str, Any]]) -> Say:
        asked = next(str(message["content"]) for message in reversed(messages) if message["role"] == "user")
        if "sleep" in asked:
            sleeping = f"trap '' INT TERM; echo printed before; sleep {self.seconds} & sleep {self.seconds}"
            return Say("I sleep.", calls=[("run_command", {"command": sleeping})])
        if "talk" in asked:
            return Say("", pieces=[f"word-{number} " for number in range(2000)], delay=0.02)
        return Say("Here I am.", calls=[("finish", {"summary": "I went on."})])


def printed(frame: Frame) -> bool:
    return frame.delta.channel == CHANNEL_STDOUT


def has_talked(frame: Frame) -> bool:
    return frame.delta.channel == CHANNEL_THOUGHT and frame.delta.offset > 60


def one(events: list[Event], kind: str) -> Event:
    """The only event of this kind."""
    (found,) = [event for event in events if event.HasField(kind)]  # type: ignore[arg-type]
    return found


async def gone(argument: str, seconds: float) -> bool:
    """Whether no process with this argument is left within the time."""
    deadline = time.monotonic() + seconds
    while with_argument(argument):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


async def both_sleep(argument: str) -> bool:
    """Whether both sleeps were seen: without them the stop would prove nothing."""
    for _ in range(200):
        if len(with_argument(argument)) == 2:
            return True
        await asyncio.sleep(0.05)
    return False


@pytest.mark.parametrize("backend", BACKENDS)
async def test_what_ignores_signals_is_stopped(start_ground: StartGround, backend: str) -> None:
    script = Stubborn()
    ground = start_ground(script, backend)
    for way in ("grpc", "rest"):
        await check_stop_of_a_command(ground, script, way)


async def check_stop_of_a_command(ground: Ground, script: Stubborn, way: str) -> None:
    person = ground.person
    session = await person.create("Please sleep.", model=MODEL)
    viewer = Viewer(session.session_id)
    await person.follow(viewer, printed)
    assert await both_sleep(script.seconds)
    await stop(ground, session.session_id, way)
    assert await gone(script.seconds, STOP_SECONDS), with_argument(script.seconds)
    await person.follow(viewer, turn_ended)
    ended = one(viewer.events, "command_completed").command_completed
    assert ended.reason == CommandCompleted.REASON_STOPPED
    assert ended.head == b"printed before\n"
    assert viewer.events[-1].turn_completed.outcome == TurnCompleted.OUTCOME_INTERRUPTED
    await goes_on(ground, viewer)


async def test_a_stop_in_mid_token_keeps_the_words(start_ground: StartGround) -> None:
    ground = start_ground(Stubborn(), "bubblewrap")
    for way in ("grpc", "rest"):
        await check_stop_of_a_text(ground, way)


async def check_stop_of_a_text(ground: Ground, way: str) -> None:
    session = await ground.person.create("Please talk.", model=MODEL)
    viewer = Viewer(session.session_id)
    await ground.person.follow(viewer, has_talked)
    seen = b"".join(viewer.open.values()).decode()
    await stop(ground, session.session_id, way)
    await ground.person.follow(viewer, turn_ended)
    text = one(viewer.events, "text_completed").text_completed
    assert text.interrupted
    assert text.text.startswith(seen)
    assert "word-1999" not in text.text
    assert viewer.events[-1].turn_completed.outcome == TurnCompleted.OUTCOME_INTERRUPTED
    await goes_on(ground, viewer)


async def stop(ground: Ground, session_id: str, way: str) -> None:
    """Twice: it is safe to repeat."""
    for _ in range(2):
        if way == "grpc":
            await ground.person.sessions.stop_session(pb.StopSessionRequest(session_id=session_id))
        else:
            assert ground.rest.post(f"/sessions/{session_id}/stop").status == 200


async def goes_on(ground: Ground, viewer: Viewer) -> None:
    """The session is stopped, and a message starts another turn in it."""
    request = pb.GetSessionRequest(session_id=viewer.session_id)
    session = (await ground.person.sessions.get_session(request)).session
    assert session.state == pb.Session.STATE_STOPPED
    message = pb.SendMessageRequest(session_id=viewer.session_id, text="Go on.")
    assert not (await ground.person.sessions.send_message(message)).queued
    await ground.person.follow(viewer, turn_ended)
    assert viewer.events[-1].turn_completed.summary == "I went on."
    assert viewer.events == (await ground.person.log(viewer.session_id))[: len(viewer.events)]
