"""A session as a file to keep or to send on."""

from collections.abc import AsyncGenerator, AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from lucid.sessions.v1 import sessions_pb2 as pb

from services.gateway.rest.callers import CallerHere
from services.gateway.rest.shapes import absent

router = APIRouter(prefix="/api/v1/sessions", tags=["events"])


@router.get("/{session_id}/export", response_class=StreamingResponse)
async def get_export(session_id: str, caller: CallerHere) -> StreamingResponse:
    """The whole log as JSON lines, to save. An answer that breaks off is no whole file."""
    answers = caller.follow(caller.sessions.ExportSession, pb.ExportSessionRequest(session_id=session_id))
    with absent(session_id, f"Session {session_id} not found."):
        # The first part is awaited here, so that a refusal is a status and not the beginning of a file.
        first = await anext(answers, None)
    headers = {"Content-Disposition": f'attachment; filename="{session_id}.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(_parts(first, answers), media_type="application/x-ndjson", headers=headers)


async def _parts(
    first: pb.ExportSessionResponse | None, answers: AsyncGenerator[pb.ExportSessionResponse, None]
) -> AsyncIterator[bytes]:
    try:
        if first is not None:
            yield first.lines
        async for answer in answers:
            yield answer.lines
    finally:
        await answers.aclose()
