"""`kill -9` in mid-token, mid-command and between tool call and result: the run goes on by itself, nothing twice."""

import asyncio
import collections
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import CHANNEL_STDOUT, CHANNEL_THOUGHT, CommandCompleted, Event, Frame, TurnCompleted

from services.rpc.status import RemoteError
from tests.fakes.model_server import ModelServer, Say
from tests.fakes.viewer import Viewer
from tests.grounds.length import rounds
from tests.grounds.person import Person, turn_ended
from tests.grounds.processes import as_command
from tests.grounds.product import StartProduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
KILLS = rounds(3, 10)
LEASE_SECONDS = 5.0


class Script:
    """Three kinds of session: one that mostly talks, one that mostly runs commands, one that calls tools fast."""

    def __init__(self) -> None:
        self.finish = threading.Event()

    def __call__(self, messages: list[dict[str, Any]]) -> Say:
        kind = next(kind for kind in ("talker", "runner", "caller") if kind in str(messages[1]["content"]))
        number = sum(1 for message in messages if message["role"] == "tool")
        if self.finish.is_set():
            return Say(f"Done after {number} commands.")
        pieces = {"talker": 60, "runner": 3, "caller": 2}[kind]
        ticks = {"talker": 1, "runner": 15, "caller": 2}[kind]
        # Every call writes its own number: a second run of one would be seen in the file.
        command = f"echo run-{number} >> /workspace/runs.log; for n in $(seq {ticks}); do echo tick $n; sleep 0.1; done"
        words = [f"word-{number}-{n} " for n in range(pieces)]
        return Say("".join(words), pieces=words, calls=[("run_command", {"command": command})], delay=0.03)


def in_text(frame: Frame) -> bool:
    return frame.delta.channel == CHANNEL_THOUGHT and frame.delta.offset > 30


def in_output(frame: Frame) -> bool:
    return frame.delta.channel == CHANNEL_STDOUT and frame.delta.offset > 5


def call_started(frame: Frame) -> bool:
    return frame.event.HasField("tool_call_started")


def further_than(seq: int) -> Callable[[Frame], bool]:
    return lambda frame: frame.event.seq > seq


async def test_kill_nine_loses_and_doubles_nothing(start_product: StartProduct) -> None:
    script = Script()
    with ModelServer(script) as model:
        env = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": "sk-test", "SANDBOX_BACKEND": "bubblewrap"}
        product = start_product(env=env, run=as_command)
        person = Person(product)
        model_name = "openai/gpt-5"
        made = [
            await person.create(f"You are the {kind}.", model=model_name) for kind in ("talker", "runner", "caller")
        ]
        viewers = [Viewer(session.session_id) for session in made]
        points = (in_text, in_output, call_started)
        for _ in range(KILLS):
            # Each session is at its own bad moment when the process dies.
            await asyncio.gather(*(person.follow(viewer, point) for viewer, point in zip(viewers, points, strict=True)))
            before = [viewer.last_seq for viewer in viewers]
            product.kill9()
            product.start()
            up = time.monotonic()
            await asyncio.gather(
                *(
                    person.follow(viewer, further_than(seq + 1), LEASE_SECONDS + 4)
                    for viewer, seq in zip(viewers, before, strict=True)
                )
            )
            assert time.monotonic() - up < LEASE_SECONDS + 4
        script.finish.set()
        await asyncio.gather(*(person.follow(viewer, turn_ended) for viewer in viewers))
        for session, viewer in zip(made, viewers, strict=True):
            await check(person, session, viewer)


async def check(person: Person, session: Any, viewer: Viewer) -> None:
    stored = await person.log(session.session_id)
    ended = next(index for index, event in enumerate(stored) if event.HasField("turn_completed"))
    assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
    assert viewer.events == stored[: len(viewer.events)]
    assert len(viewer.events) > ended
    assert stored[ended].turn_completed.outcome == TurnCompleted.OUTCOME_DONE
    assert_every_item_ended_once(stored)
    runs = collections.Counter((await marks(person, session)).decode().split())
    assert set(runs.values()) <= {1}, f"a command ran twice: {runs}"
    whole = [event for event in stored if event.command_completed.reason == CommandCompleted.REASON_EXITED]
    assert len(whole) <= len(runs)


async def marks(person: Person, session: Any) -> bytes:
    """What the commands wrote; nothing, where a session was killed each time before its first one."""
    try:
        return await person.read_file(session, "runs.log")
    except RemoteError as refused:
        if refused.reason != "FILE_NOT_FOUND":
            raise
        return b""


def assert_every_item_ended_once(stored: list[Event]) -> None:
    for kind in ("text", "command", "tool_call"):
        started = [event.item_id for event in stored if event.WhichOneof("payload") == f"{kind}_started"]
        completed = [event.item_id for event in stored if event.WhichOneof("payload") == f"{kind}_completed"]
        assert sorted(started) == sorted(completed)
        assert len(set(started)) == len(started)
