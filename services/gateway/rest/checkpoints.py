"""Work of a session that was not pushed, as it was saved before its sandbox was put away."""

from collections.abc import AsyncGenerator, AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from lucid.sandbox.v1 import lifecycle_pb2 as pb
from pydantic import BaseModel

from services.gateway.rest.callers import CallerHere
from services.gateway.rest.files import sandbox_of
from services.gateway.rest.refusals import Refused
from services.gateway.rest.shapes import iso, worded

router = APIRouter(prefix="/api/v1/sessions", tags=["checkpoints"])
MOST = 100


class CheckpointOut(BaseModel):
    """`bytes`: of the file. `leftOut`: what was too large, one line each."""

    id: str
    createdAt: str
    reason: str
    bytes: int
    commits: int
    files: int
    leftOut: list[str]


class CheckpointsOut(BaseModel):
    """Newest first."""

    checkpoints: list[CheckpointOut]


@router.get("/{session_id}/checkpoints")
async def list_checkpoints(session_id: str, caller: CallerHere) -> CheckpointsOut:
    """What was saved; nothing while there is no sandbox."""
    sandbox_id = await sandbox_of(caller, session_id)
    if not sandbox_id:
        return CheckpointsOut(checkpoints=[])
    request = pb.ListCheckpointsRequest(sandbox_id=sandbox_id, page_size=MOST)
    with worded({"SANDBOX_NOT_FOUND": (404, f"Session {session_id} has no workspace any more.")}):
        answer = await caller.ask(caller.sandbox.ListCheckpoints, request)
    return CheckpointsOut(checkpoints=[_shown(checkpoint) for checkpoint in answer.checkpoints])


def _shown(checkpoint: pb.Checkpoint) -> CheckpointOut:
    return CheckpointOut(
        id=checkpoint.checkpoint_id,
        createdAt=iso(checkpoint.create_time),
        reason=checkpoint.reason,
        bytes=checkpoint.bytes,
        commits=checkpoint.commits,
        files=checkpoint.files,
        leftOut=list(checkpoint.left_out),
    )


@router.get("/{session_id}/checkpoints/{checkpoint_id}", response_class=StreamingResponse)
async def get_checkpoint(session_id: str, checkpoint_id: str, caller: CallerHere) -> StreamingResponse:
    """A gzipped tar to save: bundle and patch for each repository, and how to apply them. An answer that breaks off is
    no whole file."""
    missing = (404, f"Checkpoint {checkpoint_id} not found.")
    sandbox_id = await sandbox_of(caller, session_id)
    if not sandbox_id:
        raise Refused(*missing)
    request = pb.ReadCheckpointRequest(sandbox_id=sandbox_id, checkpoint_id=checkpoint_id)
    answers = caller.follow(caller.sandbox.ReadCheckpoint, request)
    with worded(dict.fromkeys(("CHECKPOINT_NOT_FOUND", "SANDBOX_NOT_FOUND", "INVALID_REQUEST"), missing)):
        # The first part is awaited here, so that a refusal is a status and not the beginning of a file.
        first = await anext(answers, None)
    name = f"{session_id}-{checkpoint_id}.tar.gz"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    if first is not None:
        headers["Content-Length"] = str(first.size)
    return StreamingResponse(_parts(first, answers), media_type="application/gzip", headers=headers)


async def _parts(
    first: pb.ReadCheckpointResponse | None, answers: AsyncGenerator[pb.ReadCheckpointResponse, None]
) -> AsyncIterator[bytes]:
    try:
        if first is not None:
            yield first.data
        async for answer in answers:
            yield answer.data
    finally:
        await answers.aclose()
