"""Files of the workspace to keep: one of them, or a folder as an archive. Streamed, at the reader's pace."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from lucid.sandbox.v1 import files_pb2 as fpb

from services.gateway.rest.callers import CallerHere
from services.gateway.rest.files import SessionId, sandbox_of, within
from services.gateway.rest.refusals import Refused
from services.gateway.rest.shapes import worded

router = APIRouter(prefix="/api/v1/files", tags=["files"])
ARCHIVE_NAME = "workspace.tar"
# What a folder is in a path's place, and what belongs to somebody else, look as the other rows' do.
REFUSALS = {
    "PATH_OUTSIDE_WORKSPACE": (400, "Path traversal not allowed."),
    "INVALID_REQUEST": (400, "The path is not valid."),
}


@router.get("/download", response_class=StreamingResponse)
async def get_download(
    session_id: SessionId, path: Annotated[str, Query(min_length=1)], caller: CallerHere
) -> StreamingResponse:
    """A file of any size as it is. An answer that breaks off, with fewer bytes than it said, is no whole file."""
    missing = (404, f"File not found: {path}")
    sandbox_id = await sandbox_of(caller, session_id)
    if not sandbox_id:
        raise Refused(*missing)
    asked = fpb.DownloadFileRequest(sandbox_id=sandbox_id, path=within(path))
    answers = caller.follow(caller.sandbox.DownloadFile, asked)
    texts = {"FILE_NOT_FOUND": missing, "SANDBOX_NOT_FOUND": missing, "NOT_A_FILE": (400, f"Not a file: {path}")}
    with worded({**REFUSALS, **texts}):
        # The first part is awaited here, so that a refusal is a status and not the beginning of a file.
        first = await anext(answers)
    headers = {**_as_file(path.rstrip("/").rpartition("/")[2]), "Content-Length": str(first.file.size)}
    return StreamingResponse(_bytes(first.file.size, answers), media_type="application/octet-stream", headers=headers)


@router.get("/archive", response_class=StreamingResponse)
async def get_archive(
    session_id: SessionId,
    caller: CallerHere,
    path: str = "",
    without_made: Annotated[bool, Query(description="Leave out node_modules, caches and the like")] = False,
) -> StreamingResponse:
    """A folder, or the whole workspace, as a tar archive. An answer that breaks off is no whole archive."""
    sandbox_id = await sandbox_of(caller, session_id)
    missing = (404, f"Folder not found: {path}" if path else f"Session {session_id} has no workspace.")
    if not sandbox_id:
        raise Refused(*missing)
    inside = within(path) if path else ""
    asked = fpb.ExportArchiveRequest(sandbox_id=sandbox_id, path=inside, leave_out_made=without_made)
    answers = caller.follow(caller.sandbox.ExportArchive, asked)
    with worded({**REFUSALS, "FILE_NOT_FOUND": missing, "SANDBOX_NOT_FOUND": missing}):
        first = await anext(answers)
    name = f"{path.rstrip('/').rpartition('/')[2]}.tar" if path.strip("/") else ARCHIVE_NAME
    return StreamingResponse(_packed(first, answers), media_type="application/x-tar", headers=_as_file(name))


def _as_file(name: str) -> dict[str, str]:
    """To be saved under its name, whatever is in it: no browser shows or runs it as a page of ours."""
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


async def _bytes(left: int, answers: AsyncGenerator[fpb.DownloadFileResponse, None]) -> AsyncIterator[bytes]:
    try:
        async for answer in answers:
            left -= len(answer.data)
            yield answer.data
        if left:  # a connection that is cut is the only way left to say so
            raise Refused(409, "The file became shorter while it was read.")
    finally:
        await answers.aclose()


async def _packed(
    first: fpb.ExportArchiveResponse, answers: AsyncGenerator[fpb.ExportArchiveResponse, None]
) -> AsyncIterator[bytes]:
    try:
        yield first.data
        async for answer in answers:
            yield answer.data
    finally:
        await answers.aclose()
