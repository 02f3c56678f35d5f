"""What was saved of a session's work: a list, and a file to save."""

from datetime import UTC, datetime

from lucid.sandbox.v1 import lifecycle_pb2 as lpb

from tests.service.gateway.conftest import Ground

ID = "chk_0123456789"


def session_with(ground: Ground) -> str:
    session = ground.sessions.put("usr_ann", sandbox_id="sbx_ann")
    ground.sandbox.owners["sbx_ann"] = "usr_ann"
    saved = lpb.Checkpoint(
        checkpoint_id=ID, sandbox_id="sbx_ann", reason="hibernated", bytes=9, commits=2, files=1, left_out=["big: too"]
    )
    saved.create_time.FromDatetime(datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC))
    ground.sandbox.checkpoints, ground.sandbox.archives = [saved], {ID: b"bundle+++"}
    return session.session_id


async def test_the_list_and_the_file(ground: Ground) -> None:
    session_id = session_with(ground)
    async with ground.client() as client:
        listed = await client.get(f"/api/v1/sessions/{session_id}/checkpoints")
        saved = await client.get(f"/api/v1/sessions/{session_id}/checkpoints/{ID}")
    assert listed.json() == {
        "checkpoints": [
            {
                "id": ID,
                "createdAt": "2026-05-04T03:02:01.000Z",
                "reason": "hibernated",
                "bytes": 9,
                "commits": 2,
                "files": 1,
                "leftOut": ["big: too"],
            }
        ]
    }
    assert (saved.status_code, saved.content) == (200, b"bundle+++")
    assert saved.headers["content-type"] == "application/gzip"
    assert saved.headers["content-length"] == "9"
    assert saved.headers["content-disposition"] == f'attachment; filename="{session_id}-{ID}.tar.gz"'


async def test_none_there(ground: Ground) -> None:
    session_id = session_with(ground)
    bare = ground.sessions.put("usr_ann", sandbox_id="").session_id
    async with ground.client() as client:
        absent = await client.get(f"/api/v1/sessions/{session_id}/checkpoints/chk_9999999999")
        empty = await client.get(f"/api/v1/sessions/{bare}/checkpoints")
        nothing = await client.get(f"/api/v1/sessions/{bare}/checkpoints/{ID}")
    assert [absent.status_code, nothing.status_code] == [404, 404]
    assert empty.json() == {"checkpoints": []}
