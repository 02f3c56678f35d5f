"""What a session has changed: files, a patch to apply, the way back to a step."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from google.protobuf.json_format import MessageToDict
from lucid.sessions.v1 import diffs_pb2 as dpb
from pydantic import BaseModel, Field

from services.gateway.rest.callers import CallerHere
from services.gateway.rest.events import Seq
from services.gateway.rest.refusals import Refused
from services.gateway.rest.shapes import absent
from services.rpc.ids import new_ulid

router = APIRouter(prefix="/api/v1/sessions/{session_id}", tags=["files"])


class DiffOut(BaseModel):
    """Changed files by the protos' JSON names of FileEdited; the totals with the first page only."""

    baseCommit: str
    treeBefore: str
    treeAfter: str
    files: list[dict[str, Any]]
    totalFiles: int
    added: int
    removed: int
    nextPageToken: str


class RewindIn(BaseModel):
    """To an event, or to a checkpoint. `key`: the same again does nothing twice."""

    seq: int = Field(0, ge=0, le=2**32 - 1)
    checkpointId: str = Field("", max_length=100)
    key: str = Field("", pattern="^[A-Za-z0-9_-]{0,80}$")


class RewindOut(BaseModel):
    """`seq`: the event that tells of it; `undoCheckpointId`: how the files were before."""

    seq: int
    checkpointId: str
    undoCheckpointId: str
    tree: str
    files: int
    left: list[str]


@router.get("/diff")
async def get_diff(
    session_id: str,
    caller: CallerHere,
    seq: Seq = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    page_token: Annotated[str, Query(max_length=300)] = "",
    counts_only: bool = False,
) -> DiffOut:
    """Files with counts and patches, a page at a time: the whole session, or the step of a FileEdited by its `seq`."""
    request = dpb.GetSessionDiffRequest(
        session_id=session_id, seq=seq, page_size=limit, page_token=page_token, counts_only=counts_only
    )
    with absent(session_id, f"Session {session_id} not found."):
        found = await caller.ask(caller.sessions.GetSessionDiff, request)
    return DiffOut(
        baseCommit=found.base_commit,
        treeBefore=found.tree_before,
        treeAfter=found.tree_after,
        files=[MessageToDict(file) for file in found.files],
        totalFiles=found.total_files,
        added=found.added,
        removed=found.removed,
        nextPageToken=found.next_page_token,
    )


@router.get("/patch", response_class=StreamingResponse)
async def get_patch(session_id: str, caller: CallerHere, seq: Seq = 0, one_file: bool = False) -> StreamingResponse:
    """The same as one patch, to save: `git apply` takes it. An answer that breaks off is no whole patch."""
    request = dpb.GetSessionPatchRequest(session_id=session_id, seq=seq, one_file=one_file)
    answers = caller.follow(caller.sessions.GetSessionPatch, request)
    with absent(session_id, f"Session {session_id} not found."):
        # The first part is awaited here, so that a refusal is a status and not the beginning of a file.
        first = await anext(answers, None)
    name = f"{session_id}-{seq}" if seq else session_id
    headers = {"Content-Disposition": f'attachment; filename="{name}.patch"', "Cache-Control": "no-store"}
    return StreamingResponse(_parts(first, answers), media_type="text/x-patch", headers=headers)


async def _parts(
    first: dpb.GetSessionPatchResponse | None, answers: AsyncGenerator[dpb.GetSessionPatchResponse, None]
) -> AsyncIterator[bytes]:
    try:
        if first is not None:
            yield first.data
        async for answer in answers:
            yield answer.data
    finally:
        await answers.aclose()


@router.post("/rewind")
async def post_rewind(session_id: str, body: RewindIn, caller: CallerHere) -> RewindOut:
    """Puts the files back, while the agent does not work (409 otherwise). Safe to repeat with the same `key`."""
    if bool(body.seq) == bool(body.checkpointId):
        raise Refused(422, "One of seq and checkpointId.")
    request = dpb.RewindSessionRequest(session_id=session_id, request_id=body.key or new_ulid())
    if body.seq:
        request.seq = body.seq
    else:
        request.checkpoint_id = body.checkpointId
    with absent(session_id, f"Session {session_id} not found."):
        done = await caller.ask(caller.sessions.RewindSession, request)
    return RewindOut(
        seq=done.seq,
        checkpointId=done.checkpoint_id,
        undoCheckpointId=done.undo_checkpoint_id,
        tree=done.tree,
        files=done.files,
        left=list(done.left),
    )
