"""Rows for a session at work: pause and go on, the messages that wait, the answers to what the agent asks."""

from typing import Literal

from fastapi import APIRouter
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import UserMessage
from pydantic import BaseModel, Field

from services.gateway.rest.callers import CallerHere
from services.gateway.rest.shapes import absent

router = APIRouter(prefix="/api/v1/sessions/{session_id}", tags=["sessions"])
TEXT_LONGEST = 200_000
PLACE_MOST = 2**32 - 1
Delivery = Literal["queued", "steer"]


class PauseOut(BaseModel):
    """`pausing`: something ran."""

    pausing: bool


class ResumeOut(BaseModel):
    """`resumed`: it was paused, or messages waited."""

    resumed: bool


class QueuedIn(BaseModel):
    """A change to a message that waits; what is absent stays as it is. `place`: 0 = first."""

    text: str | None = Field(None, min_length=1, max_length=TEXT_LONGEST)
    delivery: Delivery | None = None
    place: int | None = Field(None, ge=0, le=PLACE_MOST)


class QueuedOut(BaseModel):
    """The change is durable."""

    queueItemId: str


class AnswerIn(BaseModel):
    """The chosen option, words, or both."""

    optionId: str = Field("", max_length=100)
    text: str = Field("", max_length=TEXT_LONGEST)


class AnswerOut(BaseModel):
    """The decision stands."""

    requestId: str


def delivery_of(name: Delivery | None) -> UserMessage.Delivery.ValueType:
    """As the protos have it."""
    if name is None:
        return UserMessage.DELIVERY_UNSPECIFIED
    return UserMessage.DELIVERY_STEER if name == "steer" else UserMessage.DELIVERY_QUEUED


@router.post("/pause")
async def post_pause(session_id: str, caller: CallerHere) -> PauseOut:
    """Lets the agent pause; what runs comes to its end. Safe to repeat."""
    with absent(session_id, f"Session {session_id} not found."):
        answer = await caller.ask(caller.sessions.PauseSession, pb.PauseSessionRequest(session_id=session_id))
    return PauseOut(pausing=answer.pausing)


@router.post("/resume")
async def post_resume(session_id: str, caller: CallerHere) -> ResumeOut:
    """Lets a paused session go on where it was. Safe to repeat."""
    with absent(session_id, f"Session {session_id} not found."):
        answer = await caller.ask(caller.sessions.ResumeSession, pb.ResumeSessionRequest(session_id=session_id))
    return ResumeOut(resumed=answer.resumed)


@router.patch("/queue/{queue_item_id}")
async def patch_queued(session_id: str, queue_item_id: str, body: QueuedIn, caller: CallerHere) -> QueuedOut:
    """Changes a message that waits: its words, when it is taken, its place. 409 once the agent has it."""
    with absent(session_id, f"Session {session_id} not found."):
        if body.text is not None or body.delivery is not None:
            update = pb.UpdateQueuedMessageRequest(
                session_id=session_id,
                queue_item_id=queue_item_id,
                text=body.text or "",
                delivery=delivery_of(body.delivery),
            )
            await caller.ask(caller.sessions.UpdateQueuedMessage, update)
        if body.place is not None:
            move = pb.MoveQueuedMessageRequest(session_id=session_id, queue_item_id=queue_item_id, place=body.place)
            await caller.ask(caller.sessions.MoveQueuedMessage, move)
    return QueuedOut(queueItemId=queue_item_id)


@router.delete("/queue/{queue_item_id}")
async def delete_queued(session_id: str, queue_item_id: str, caller: CallerHere) -> QueuedOut:
    """Withdraws a message that waits; 409 once the agent has it."""
    request = pb.CancelQueuedMessageRequest(session_id=session_id, queue_item_id=queue_item_id)
    with absent(session_id, f"Session {session_id} not found."):
        await caller.ask(caller.sessions.CancelQueuedMessage, request)
    return QueuedOut(queueItemId=queue_item_id)


@router.post("/approvals/{request_id}")
async def post_approval(session_id: str, request_id: str, body: AnswerIn, caller: CallerHere) -> AnswerOut:
    """Answers a question or an approval. The first decision stands: the same again is accepted, another one is 409."""
    request = pb.ResolveApprovalRequest(
        session_id=session_id, request_id=request_id, option_id=body.optionId, text=body.text
    )
    with absent(session_id, f"Session {session_id} not found."):
        await caller.ask(caller.sessions.ResolveApproval, request)
    return AnswerOut(requestId=request_id)
