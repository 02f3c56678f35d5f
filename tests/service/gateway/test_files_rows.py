"""Files of the workspace, by way of the session."""

import pytest
from lucid.sandbox.v1 import sandbox_pb2 as bpb

from services.rpc.errors import Code
from tests.fakes.services import Refusal
from tests.service.gateway.conftest import Ground


def workspace(ground: Ground, **files: bytes) -> str:
    session = ground.sessions.put("usr_ann", sandbox_id="sbx_ann")
    ground.sandbox.owners["sbx_ann"] = "usr_ann"
    ground.sandbox.files = {name.replace("__", "/"): data for name, data in files.items()}
    return session.session_id


async def test_the_tree_is_nested(ground: Ground) -> None:
    session_id = workspace(ground)
    entry = bpb.ListTreeResponse.Entry
    ground.sandbox.entries = [
        entry(path="a", directory=True),
        entry(path="a/b", directory=True),
        entry(path="a/b/c.txt", size=3),
        entry(path="a/z.txt"),
        entry(path="m.txt"),
        entry(path="z", directory=True),
    ]
    async with ground.client() as client:
        answer = await client.get("/api/v1/files/list", params={"session_id": session_id})
    inner = {"name": "c.txt", "type": "file", "path": "/a/b/c.txt"}
    assert answer.json() == {
        "tree": [
            {
                "name": "a",
                "type": "folder",
                "path": "/a",
                "children": [
                    {"name": "b", "type": "folder", "path": "/a/b", "children": [inner]},
                    {"name": "z.txt", "type": "file", "path": "/a/z.txt"},
                ],
            },
            {"name": "m.txt", "type": "file", "path": "/m.txt"},
            {"name": "z", "type": "folder", "path": "/z", "children": []},
        ]
    }


async def test_before_there_is_a_sandbox_there_are_no_files(ground: Ground) -> None:
    session_id = ground.sessions.put("usr_ann").session_id
    async with ground.client() as client:
        tree = await client.get("/api/v1/files/list", params={"session_id": session_id})
        read = await client.get("/api/v1/files/read", params={"session_id": session_id, "path": "a"})
    assert tree.json() == {"tree": []}
    assert (read.status_code, read.json()) == (404, {"detail": "File not found: a"})


@pytest.mark.parametrize(
    ("asked", "path"),
    [("src/a.txt", "src/a.txt"), ("/src/a.txt", "src/a.txt"), ("/workspace/src/a.txt", "/workspace/src/a.txt")],
)
async def test_reading(ground: Ground, asked: str, path: str) -> None:
    session_id = workspace(ground)
    ground.sandbox.files[path] = "héllo ".encode() + b"\xff"
    async with ground.client() as client:
        answer = await client.get("/api/v1/files/read", params={"session_id": session_id, "path": asked})
    assert answer.json() == {"content": "héllo \ufffd"}


async def test_long_files_are_read_in_parts_up_to_a_limit(ground: Ground) -> None:
    session_id = workspace(ground, long=b"0123456789" * 300_000, huge=b"x" * (10 * 1024 * 1024 + 1), empty=b"")
    async with ground.client() as client:
        long = await client.get("/api/v1/files/read", params={"session_id": session_id, "path": "long"})
        huge = await client.get("/api/v1/files/read", params={"session_id": session_id, "path": "huge"})
        empty = await client.get("/api/v1/files/read", params={"session_id": session_id, "path": "empty"})
    assert long.json()["content"] == "0123456789" * 300_000
    assert huge.status_code == 413
    assert empty.json() == {"content": ""}


async def test_what_cannot_be_read(ground: Ground) -> None:
    session_id = workspace(ground)
    async with ground.client() as client:

        async def read(path: str) -> tuple[int, str]:
            answer = await client.get("/api/v1/files/read", params={"session_id": session_id, "path": path})
            return answer.status_code, answer.json()["detail"]

        assert await read("none.txt") == (404, "File not found: none.txt")
        assert await read("../../etc/passwd") == (400, "Path traversal not allowed.")
        assert await read("/workspace/../etc/passwd") == (400, "Path traversal not allowed.")
        assert await read("x" * 5000) == (400, "The path is not valid.")
        ground.sandbox.fail["ReadFile"] = Refusal(Code.FAILED_PRECONDITION, "NOT_A_FILE")
        assert await read("src") == (400, "Not a file: src")
        assert (await client.get("/api/v1/files/read", params={"session_id": session_id})).status_code == 422
        assert (await client.get("/api/v1/files/list")).status_code == 422


async def test_a_workspace_that_is_gone(ground: Ground) -> None:
    session_id = ground.sessions.put("usr_ann", sandbox_id="sbx_gone").session_id
    async with ground.client() as client:
        answer = await client.get("/api/v1/files/list", params={"session_id": session_id})
    assert answer.status_code == 404
