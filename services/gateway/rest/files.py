"""The workspace's files."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from lucid.sandbox.v1 import sandbox_pb2 as bpb
from lucid.sessions.v1 import sessions_pb2 as pb
from pydantic import BaseModel

from services.gateway.backends.upstreams import Caller
from services.gateway.rest.callers import CallerHere
from services.gateway.rest.refusals import Refused
from services.gateway.rest.shapes import absent, worded

router = APIRouter(prefix="/api/v1/files", tags=["files"])
WORKSPACE = "/workspace"
PART = 1024 * 1024
LONGEST = 10 * PART

SessionId = Annotated[str, Query(min_length=1)]


class TreeOut(BaseModel):
    """`{name, type: folder or file, path, children?}`, nested."""

    tree: list[dict[str, Any]]


class FileOut(BaseModel):
    """Text; bytes that are none are replaced."""

    content: str


async def sandbox_of(caller: Caller, session_id: str) -> str:
    """The session's sandbox; empty while there is none."""
    with absent(session_id, f"Session {session_id} not found."):
        session = (await caller.ask(caller.sessions.GetSession, pb.GetSessionRequest(session_id=session_id))).session
    return session.sandbox_id


@router.get("/list")
async def get_list(session_id: SessionId, caller: CallerHere) -> TreeOut:
    """The whole tree; empty while the sandbox is being made."""
    sandbox_id = await sandbox_of(caller, session_id)
    if not sandbox_id:
        return TreeOut(tree=[])
    with worded({"SANDBOX_NOT_FOUND": (404, f"Session {session_id} has no workspace any more.")}):
        answer = await caller.ask(caller.sandbox.ListTree, bpb.ListTreeRequest(sandbox_id=sandbox_id))
    return TreeOut(tree=nested(answer))


def nested(answer: bpb.ListTreeResponse) -> list[dict[str, Any]]:
    """Parents come before their children in the answer, so one pass is enough."""
    tree: list[dict[str, Any]] = []
    folders: dict[str, list[dict[str, Any]]] = {"": tree}
    for entry in answer.entries:
        parent, _, name = entry.path.rpartition("/")
        node: dict[str, Any] = {
            "name": name,
            "type": "folder" if entry.directory else "file",
            "path": f"/{entry.path}",
        }
        if entry.directory:
            node["children"] = folders.setdefault(entry.path, [])
        folders.setdefault(parent, []).append(node)
    return tree


@router.get("/read")
async def get_read(session_id: SessionId, path: Annotated[str, Query(min_length=1)], caller: CallerHere) -> FileOut:
    """A file's text. `path` is relative to the workspace, or begins with it, or is one of the tree's."""
    sandbox_id = await sandbox_of(caller, session_id)
    missing = (404, f"File not found: {path}")
    if not sandbox_id:
        raise Refused(*missing)
    texts = {
        "PATH_OUTSIDE_WORKSPACE": (400, "Path traversal not allowed."),
        "FILE_NOT_FOUND": missing,
        "SANDBOX_NOT_FOUND": missing,
        "NOT_A_FILE": (400, f"Not a file: {path}"),
        "INVALID_REQUEST": (400, "The path is not valid."),
    }
    with worded(texts):
        data = await _bytes(caller, sandbox_id, within(path))
    return FileOut(content=data.decode("utf-8", "replace"))


def within(path: str) -> str:
    """A path of the tree, or of the workspace, as the sandbox knows it."""
    return path if path.startswith(WORKSPACE + "/") else path.lstrip("/") or "."


async def _bytes(caller: Caller, sandbox_id: str, path: str) -> bytes:
    data = bytearray()
    while True:
        request = bpb.ReadFileRequest(sandbox_id=sandbox_id, path=path, offset=len(data), limit=PART)
        part = await caller.ask(caller.sandbox.ReadFile, request)
        if part.size > LONGEST:
            raise Refused(413, "The file is too large to show: more than 10 MiB.")
        data += part.data
        if not part.data or len(data) >= part.size:
            return bytes(data)
