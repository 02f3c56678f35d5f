"""Messages that come while the agent works wait as chips; a question waits for its answer, also over a kill -9."""

import threading
from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Event, QueueChanged, StatusChanged, TurnCompleted, UserMessage

from services.rpc.status import RemoteError
from tests.fakes.model_server import Say
from tests.fakes.viewer import Viewer
from tests.grounds.hosted import MODEL, Ground
from tests.grounds.person import is_event, turn_ended

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
WAITING = StatusChanged.PHASE_WAITING_USER


class Busy:
    """Works on small commands until it is let go; later messages are repeated in the summary."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def __call__(self, messages: list[dict[str, Any]]) -> Say:
        asked = next(str(message["content"]) for message in reversed(messages) if message["role"] == "user")
        if not self.let_go.is_set():
            # Not the same one each time: an agent that only repeats itself is stopped.
            return Say("Working.", calls=[("run_command", {"command": f"sleep 0.2; echo {len(messages)}"})])
        return Say("", calls=[("finish", {"summary": f"I have read: {asked}"})])


async def send(ground: Ground, session_id: str, text: str, client_id: str) -> pb.SendMessageResponse:
    request = pb.SendMessageRequest(session_id=session_id, text=text, client_message_id=client_id)
    return await ground.person.sessions.send_message(request)


def queue_changes(events: list[Event]) -> list[tuple[int, str, list[str]]]:
    changes = [event.queue_changed for event in events if event.HasField("queue_changed")]
    return [(change.change, change.queue_item_id, list(change.order)) for change in changes]


async def test_messages_wait_their_turn_and_are_taken_once(ground: Ground) -> None:
    script = Busy()
    ground.model.script = script
    session_id = (await ground.person.create("Work.", model=MODEL)).session_id
    viewer = Viewer(session_id)
    await ground.person.follow(viewer, is_event("command_started"))
    first = await send(ground, session_id, "one", "c1")
    assert first.queued
    second = ground.rest.post(f"/sessions/{session_id}/messages", {"content": "two", "clientMessageId": "c2"}).body
    assert second["queued"]
    assert await send(ground, session_id, "one", "c1") == first
    again = ground.rest.post(f"/sessions/{session_id}/messages", {"content": "two", "clientMessageId": "c2"}).body
    assert again == second
    assert (await send(ground, session_id, "three", "c3")).queued
    script.let_go.set()
    for _ in range(4):
        await ground.person.follow(viewer, turn_ended)
    added, taken = QueueChanged.CHANGE_ADDED, QueueChanged.CHANGE_TAKEN
    assert queue_changes(viewer.events) == [
        (added, "c1", ["c1"]),
        (added, "c2", ["c1", "c2"]),
        (added, "c3", ["c1", "c2", "c3"]),
        (taken, "c1", ["c2", "c3"]),
        (taken, "c2", ["c3"]),
        (taken, "c3", []),
    ]
    messages = [event.user_message for event in viewer.events if event.HasField("user_message")]
    assert [(message.text, message.client_message_id) for message in messages[1:]] == [
        ("one", "c1"),
        ("two", "c2"),
        ("three", "c3"),
    ]
    assert {message.delivery for message in messages[1:]} == {UserMessage.DELIVERY_QUEUED}
    summaries = [event.turn_completed.summary for event in viewer.events if event.HasField("turn_completed")]
    assert [summary.rpartition(": ")[2] for summary in summaries[1:]] == ["one", "two", "three"]
    # Also later the first answer is given again, and nothing more is taken.
    assert await send(ground, session_id, "one", "c1") == first
    assert len(await ground.person.log(session_id)) == len(viewer.events) + 1
    assert ground.rest.get(f"/chats/{session_id}").body["isActive"]


def ask(messages: list[dict[str, Any]]) -> Say:
    """Asks once, then finishes with what it was answered."""
    answers = [message for message in messages if message["role"] == "tool"]
    if not answers:
        options = ["tea", "coffee"]
        return Say("One thing.", calls=[("ask_user", {"question": "Which drink?", "options": options})])
    return Say("", calls=[("finish", {"summary": answers[-1]["content"]})])


@pytest.mark.parametrize("killed", [False, True], ids=["alive", "killed"])
async def test_a_question_waits_for_its_answer(ground: Ground, killed: bool) -> None:
    ground.model.script = ask
    session_id = (await ground.person.create("Serve a drink.", model=MODEL)).session_id
    viewer = Viewer(session_id)
    await ground.person.follow(viewer, lambda frame: frame.event.status_changed.phase == WAITING)
    (asked,) = [event.approval_requested for event in viewer.events if event.HasField("approval_requested")]
    assert (asked.title, [option.label for option in asked.options]) == ("Which drink?", ["tea", "coffee"])
    if killed:
        ground.product.kill9()
        ground.product.start()
    assert len(ground.model.requests) == 1
    request = pb.ResolveApprovalRequest(session_id=session_id, request_id=asked.request_id, option_id="2")
    await ground.person.sessions.resolve_approval(request)
    await ground.person.sessions.resolve_approval(request)
    other = pb.ResolveApprovalRequest(session_id=session_id, request_id=asked.request_id, option_id="1")
    with pytest.raises(RemoteError) as decided:
        await ground.person.sessions.resolve_approval(other)
    assert decided.value.reason == "APPROVAL_RESOLVED"
    await ground.person.follow(viewer, turn_ended)
    ended = viewer.events[-1].turn_completed
    assert (ended.outcome, ended.summary) == (TurnCompleted.OUTCOME_DONE, "The person chose: coffee")
    assert len(ground.model.requests) == 2
    stored = await ground.person.log(session_id)
    for kind in ("approval_requested", "approval_resolved", "turn_completed"):
        assert sum(event.WhichOneof("payload") == kind for event in stored) == 1
    assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
