"""Chats: a view on sessions and their events."""

from typing import Any

import pytest
from lucid.sessions.v1 import event_pb2 as epb
from lucid.sessions.v1 import sessions_pb2 as pb

from tests.service.gateway.conftest import Ground

PATH = "/api/v1/chats"


async def test_listing_pages_by_offset(ground: Ground) -> None:
    for number in range(120):
        ground.sessions.put("usr_ann", title=f"t{number}", model="openai/gpt", project_id="p" if number == 119 else "")
    async with ground.client() as client:
        rows = (await client.get(PATH)).json()["chats"]
        late = (await client.get(PATH, params={"limit": 7, "offset": 101})).json()["chats"]
        beyond = (await client.get(PATH, params={"offset": 500})).json()
    assert [row["title"] for row in rows] == [f"t{number}" for number in range(119, 69, -1)]
    assert [row["title"] for row in late] == [f"t{number}" for number in range(18, 11, -1)]
    assert beyond == {"chats": []}
    assert rows[0] == {
        "id": rows[0]["agentSessionId"],
        "agentSessionId": rows[0]["id"],
        "projectId": "p",
        "title": "t119",
        "modelProvider": "openai",
        "isActive": False,
        "createdAt": "2023-11-14T22:15:19.000Z",
        "updatedAt": "2023-11-14T22:16:59.000Z",
    }
    assert rows[1]["projectId"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "offset=-1", "offset=", "limit=1e1"])
async def test_bad_pages(ground: Ground, query: str) -> None:
    async with ground.client() as client:
        assert (await client.get(f"{PATH}?{query}")).status_code == 422


async def test_a_chat_has_its_events_as_messages(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann", state=pb.Session.STATE_IDLE)
    agent, user = epb.SOURCE_AGENT, epb.SOURCE_USER
    done = epb.CommandCompleted(exit_code=1, reason=epb.CommandCompleted.REASON_EXITED, head=b"bad \xff", total_bytes=5)
    cut = epb.CommandCompleted(signal="SIGKILL", truncated=True, head=b"a" * 16384, tail=b"z" * 16384)
    payloads: list[dict[str, Any]] = [
        {"source": epb.SOURCE_SYSTEM, "status_changed": epb.StatusChanged(phase=epb.StatusChanged.PHASE_QUEUED)},
        {"source": user, "user_message": epb.UserMessage(text="do it")},
        {"source": agent, "text_completed": epb.TextCompleted(channel=epb.CHANNEL_THOUGHT, text="hm")},
        {"source": agent, "command_started": epb.CommandStarted(command="make", cwd="/workspace")},
        {"source": agent, "command_completed": done},
        {"source": agent, "command_completed": cut},
        {"source": agent, "file_edited": epb.FileEdited(path="a.py", kind=epb.FileEdited.KIND_ADDED, added=2)},
        {"source": agent, "file_edited": epb.FileEdited(path="b.py", kind=epb.FileEdited.KIND_MODIFIED, removed=1)},
        {"source": agent, "text_completed": epb.TextCompleted(channel=epb.CHANNEL_MESSAGE, text="done")},
        {"source": epb.SOURCE_SYSTEM, "error": epb.Error(code="X", message="went wrong")},
        {"source": user, "user_message": epb.UserMessage(text="again")},
    ]
    for payload in payloads:
        ground.sessions.add(session.session_id, **payload)
    async with ground.client() as client:
        chat = (await client.get(f"{PATH}/{session.session_id}")).json()
    rows = chat["messages"]
    assert [(row["role"], row["eventType"], row["content"]) for row in rows if row["content"][0] not in "a\x00"] == [
        ("user", "InitialTask", "do it"),
        ("assistant", "ThinkAction", "hm"),
        ("assistant", "CmdRunAction", "make"),
        ("assistant", "CmdOutputObservation", "bad �"),
        ("assistant", "FileEditAction", "b.py +0 -1"),
        ("assistant", "MessageAction", "done"),
        ("system", "error", "went wrong"),
    ]
    assert [row["eventType"] for row in rows if row["content"].startswith("a")] == [
        "CmdOutputObservation",
        "FileWriteAction",
        "FollowUp",
    ]
    assert rows[2]["metadataJson"] == {"command": "make", "cwd": "/workspace"}
    assert rows[3]["metadataJson"]["exitCode"] == 1
    assert len(rows[4]["content"]) == 2003
    assert set(rows[0]) == {"id", "role", "content", "eventType", "metadataJson", "createdAt"}
    assert chat["isActive"] is True


async def test_a_long_chat_is_whole_and_in_order(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")
    for number in range(1203):
        ground.sessions.add(session.session_id, user_message=epb.UserMessage(text=str(number)))
    async with ground.client() as client:
        rows = (await client.get(f"{PATH}/{session.session_id}")).json()["messages"]
    assert [row["content"] for row in rows] == [str(number) for number in range(1203)]


async def test_renaming(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")
    path = f"{PATH}/{session.session_id}"
    async with ground.client() as client:
        answer = await client.patch(path, json={"title": " New "})
        assert answer.json() == {"status": "updated", "id": session.session_id, "title": "New"}
        for body in ({}, {"title": ""}, {"title": "  "}, {"title": None}, {"title": 3}, {"name": "x"}):
            refused = await client.patch(path, json=body)
            assert (refused.status_code, refused.json()) == (400, {"detail": "Missing 'title'"})
        assert (await client.patch(path, json={"title": "x" * 256})).status_code == 400
        half = await client.patch(path, content=b'{"title": "a\\ud800"}', headers={"Content-Type": "application/json"})
        assert (half.status_code, half.json()["title"]) == (200, "a?")
        absent = await client.patch(f"{PATH}/ses_none", json={"title": "x"})
    assert (absent.status_code, absent.json()) == (404, {"detail": "Chat not found"})


async def test_deleting(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")
    async with ground.client() as client:
        answer = await client.delete(f"{PATH}/{session.session_id}")
        again = await client.delete(f"{PATH}/{session.session_id}")
    assert answer.json() == {"status": "deleted", "id": session.session_id}
    assert (again.status_code, again.json()) == (404, {"detail": "Chat not found"})
