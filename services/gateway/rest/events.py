"""The log as JSON: pages of it, and as a stream that curl and EventSource can follow."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from google.protobuf.json_format import MessageToDict
from lucid.sessions.v1 import event_pb2 as epb
from lucid.sessions.v1 import sessions_pb2 as pb
from pydantic import BaseModel

from services.gateway.domain.errors import StreamEnded
from services.gateway.rest.callers import CallerHere
from services.gateway.rest.refusals import Refused
from services.gateway.rest.shapes import absent
from services.rpc.errors import LucidError

router = APIRouter(prefix="/api/v1/sessions", tags=["events"])
SEQ_MOST = 2**32 - 1
Seq = Annotated[int, Query(ge=0, le=SEQ_MOST)]


class EventsOut(BaseModel):
    """Events by the protos' JSON names, in order; `lastSeq` is the head of the log."""

    events: list[dict[str, Any]]
    lastSeq: int


@router.get("/{session_id}/events")
async def get_events(
    session_id: str,
    caller: CallerHere,
    after_seq: Seq = 0,
    before_seq: Seq = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> EventsOut:
    """A page; with `before_seq` the latest before it."""
    request = pb.ListEventsRequest(session_id=session_id, after_seq=after_seq, before_seq=before_seq, page_size=limit)
    with absent(session_id, f"Session {session_id} not found."):
        page = await caller.ask(caller.sessions.ListEvents, request)
    return EventsOut(events=[MessageToDict(event) for event in page.events], lastSeq=page.last_seq)


@router.get("/{session_id}/watch", response_class=StreamingResponse)
async def get_watch(
    session_id: str,
    caller: CallerHere,
    after_seq: Seq = 0,
    last_event_id: Annotated[str, Header()] = "",
) -> StreamingResponse:
    """Server-sent events: durable ones carry their seq as `id`, all others a name."""
    if last_event_id and not (last_event_id.isascii() and last_event_id.isdigit() and int(last_event_id) <= SEQ_MOST):
        raise Refused(400, "Last-Event-ID is not the number of an event.")
    request = pb.WatchEventsRequest(session_id=session_id, after_seq=int(last_event_id or after_seq))
    answers = caller.follow(caller.sessions.WatchEvents, request)
    with absent(session_id, f"Session {session_id} not found."):
        # The first answer is awaited here, so that a refusal is a status and not the beginning of a stream.
        first = await anext(answers, None)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_lines(first, answers), media_type="text/event-stream", headers=headers)


async def _lines(
    first: pb.WatchEventsResponse | None, answers: AsyncGenerator[pb.WatchEventsResponse, None]
) -> AsyncIterator[str]:
    ending: LucidError = StreamEnded()
    try:
        if first is not None:
            yield _text(first)
        async for answer in answers:
            yield _text(answer)
    except LucidError as error:
        ending = error
    finally:
        await answers.aclose()
    yield _named("end", {"code": ending.code.value, "reason": ending.reason, "message": ending.message})


def _text(answer: pb.WatchEventsResponse) -> str:
    return "".join(_frame(frame) for frame in answer.frames)


def _frame(frame: epb.Frame) -> str:
    kind = frame.WhichOneof("frame")
    if kind is None:
        return ""
    if kind == "event":
        return f"id: {frame.event.seq}\ndata: {json.dumps(MessageToDict(frame.event))}\n\n"
    return _named(kind, MessageToDict(getattr(frame, kind)))


def _named(name: str, content: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(content)}\n\n"
