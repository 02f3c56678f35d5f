"""Files to keep: one, and a folder as an archive."""

import httpx
import pytest

from services.rpc.errors import Code
from tests.fakes.services import Refusal
from tests.service.gateway.conftest import Ground
from tests.service.gateway.test_files_rows import workspace


@pytest.mark.parametrize("path", ["src/a.bin", "/src/a.bin"])
async def test_a_file_is_saved_under_its_name(ground: Ground, path: str) -> None:
    session_id = workspace(ground, **{"src__a.bin": b"<script>0123456789"})
    async with ground.client() as client:
        answer = await client.get("/api/v1/files/download", params={"session_id": session_id, "path": path})
    assert (answer.content, answer.headers["content-length"]) == (b"<script>0123456789", "18")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a.bin"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert ground.sandbox.last("DownloadFile").user_id == "usr_ann"


async def test_no_name_breaks_out_of_the_header(ground: Ground) -> None:
    name = 'ä"; filename=x\r\nSet-Cookie: a=b'
    session_id = workspace(ground, **{name: b"x"})
    async with ground.client() as client:
        answer = await client.get("/api/v1/files/download", params={"session_id": session_id, "path": name})
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-disposition"].isascii()


async def test_a_file_that_becomes_shorter_is_no_whole_answer(ground: Ground) -> None:
    session_id = workspace(ground, a=b"0123456789")
    ground.sandbox.promised_more = 5
    async with ground.client() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/api/v1/files/download", params={"session_id": session_id, "path": "a"})


@pytest.mark.parametrize(
    ("reason", "code", "status"),
    [
        ("PATH_OUTSIDE_WORKSPACE", Code.INVALID_ARGUMENT, 400),
        ("FILE_NOT_FOUND", Code.NOT_FOUND, 404),
        ("NOT_A_FILE", Code.FAILED_PRECONDITION, 400),
        ("SANDBOX_UNAVAILABLE", Code.UNAVAILABLE, 503),
    ],
)
async def test_a_refusal_is_a_status(ground: Ground, reason: str, code: Code, status: int) -> None:
    session_id = workspace(ground, a=b"x")
    ground.sandbox.fail["DownloadFile"] = Refusal(code, reason)
    async with ground.client() as client:
        answer = await client.get("/api/v1/files/download", params={"session_id": session_id, "path": "a"})
    assert answer.status_code == status


async def test_a_workspace_and_a_folder_as_archives(ground: Ground) -> None:
    session_id = workspace(ground)
    async with ground.client() as client:
        whole = await client.get("/api/v1/files/archive", params={"session_id": session_id, "without_made": True})
        asked = ground.sandbox.last("ExportArchive").request
        part = await client.get("/api/v1/files/archive", params={"session_id": session_id, "path": "/src/app"})
    assert (whole.content, asked.leave_out_made) == (b"tar of all", True)
    assert whole.headers["content-disposition"] == "attachment; filename*=UTF-8''workspace.tar"
    assert (part.content, part.headers["content-type"]) == (b"tar of src/app", "application/x-tar")
    assert part.headers["content-disposition"] == "attachment; filename*=UTF-8''app.tar"


@pytest.mark.parametrize("row", ["download", "archive"])
async def test_what_is_not_there_or_somebody_elses_looks_the_same(ground: Ground, row: str) -> None:
    session_id = workspace(ground, a=b"x")
    asked = f"/api/v1/files/{row}"
    async with ground.client("usr_bob") as bob, ground.client(None) as nobody, ground.client() as ann:
        foreign = await bob.get(asked, params={"session_id": session_id, "path": "a"})
        absent = await bob.get(asked, params={"session_id": "ses_absent", "path": "a"})
        stranger = await nobody.get(asked, params={"session_id": session_id, "path": "a"})
        waiting = ground.sessions.put("usr_ann").session_id
        early = await ann.get(asked, params={"session_id": waiting, "path": "a"})
    assert [foreign.status_code, absent.status_code, stranger.status_code, early.status_code] == [404, 404, 401, 404]
    assert foreign.json()["detail"].replace(session_id, "") == absent.json()["detail"].replace("ses_absent", "")
