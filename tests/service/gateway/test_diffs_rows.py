"""What a session has changed, over REST."""

from typing import Any

import httpx
import pytest
from lucid.sessions.v1 import event_pb2 as epb
from lucid.sessions.v1 import sessions_pb2 as spb

from tests.service.gateway.conftest import Ground


async def test_the_diff_is_json_with_counts_and_patches(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")
    edited = epb.FileEdited(path="a", kind=epb.FileEdited.KIND_ADDED, unified_diff="+1\n", added=1)
    ground.sessions.add(session.session_id, file_edited=edited)
    async with ground.client() as client:
        answer = await client.get(
            f"/api/v1/sessions/{session.session_id}/diff", params={"seq": 3, "limit": 7, "page_token": "t"}
        )
    assert answer.json() == {
        "baseCommit": "c",
        "treeBefore": "",
        "treeAfter": "",
        "files": [{"path": "a", "kind": "KIND_ADDED", "unifiedDiff": "+1\n", "added": 1}],
        "totalFiles": 1,
        "added": 0,
        "removed": 0,
        "nextPageToken": "more",
    }
    asked = ground.sessions.last("GetSessionDiff").request
    assert (asked.seq, asked.page_size, asked.page_token, asked.counts_only) == (3, 7, "t", False)


async def test_the_patch_is_a_file_of_bytes(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")
    for _ in range(2):
        ground.sessions.add(session.session_id)
    async with ground.client() as client:
        answer = await client.get(f"/api/v1/sessions/{session.session_id}/patch")
        one = await client.get(f"/api/v1/sessions/{session.session_id}/patch?seq=2&one_file=true")
    assert (answer.status_code, answer.content) == (200, b"+1\xff\n+2\xff\n")
    assert answer.headers["content-type"].startswith("text/x-patch")
    assert answer.headers["content-disposition"] == f'attachment; filename="{session.session_id}.patch"'
    assert one.headers["content-disposition"] == f'attachment; filename="{session.session_id}-2.patch"'
    asked = ground.sessions.last("GetSessionPatch").request
    assert (asked.seq, asked.one_file) == (2, True)


async def test_a_patch_that_breaks_off_does_not_look_whole(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")
    ground.sessions.add(session.session_id)
    ground.sessions.add(session.session_id, labels={"breaks": "1"})
    async with ground.client() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"/api/v1/sessions/{session.session_id}/patch")


async def test_rewinding_to_a_step_or_a_checkpoint(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann", state=spb.Session.STATE_IDLE)
    path = f"/api/v1/sessions/{session.session_id}/rewind"
    async with ground.client() as client:
        answer = await client.post(path, json={"seq": 4, "key": "k"})
        asked = ground.sessions.last("RewindSession").request
        assert (asked.seq, asked.request_id) == (4, "k")
        assert answer.json() == {
            "seq": 9,
            "checkpointId": "rewind-k",
            "undoCheckpointId": "u",
            "tree": "",
            "files": 2,
            "left": ["x"],
        }
        await client.post(path, json={"checkpointId": "base"})
        asked = ground.sessions.last("RewindSession").request
        assert (asked.checkpoint_id, bool(asked.request_id)) == ("base", True)
        session.state = spb.Session.STATE_RUNNING
        assert (await client.post(path, json={"seq": 4})).status_code == 409


@pytest.mark.parametrize("body", [{}, {"seq": 1, "checkpointId": "b"}, {"seq": -1}, {"seq": 1, "key": "a b"}])
async def test_a_rewind_to_nowhere_is_refused(ground: Ground, body: dict[str, Any]) -> None:
    session = ground.sessions.put("usr_ann")
    async with ground.client() as client:
        answer = await client.post(f"/api/v1/sessions/{session.session_id}/rewind", json=body)
    assert answer.status_code == 422
    assert not [call for call in ground.sessions.calls if call.rpc == "RewindSession"]
