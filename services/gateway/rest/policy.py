"""How a session works, as REST takes it: at its start, and later."""

from typing import Any, Literal

from fastapi import APIRouter
from google.protobuf.json_format import MessageToDict
from lucid.sessions.v1 import event_pb2 as epb
from lucid.sessions.v1 import sessions_pb2 as pb
from pydantic import BaseModel, Field

from services.gateway.rest.callers import CallerHere
from services.gateway.rest.shapes import absent

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"])
COST_MOST = 2**63 - 1
COUNT_MOST = 2**32 - 1
MODES = {
    "never": epb.CONFIRMATION_MODE_NEVER,
    "risky": epb.CONFIRMATION_MODE_RISKY,
    "always": epb.CONFIRMATION_MODE_ALWAYS,
}


class BudgetIn(BaseModel):
    """What a session may use before it asks for more; 0 = the installation's default."""

    costMicros: int = Field(0, ge=0, le=COST_MOST)
    steps: int = Field(0, ge=0, le=COUNT_MOST)
    seconds: int = Field(0, ge=0, le=COUNT_MOST)

    def message(self) -> epb.Budget:
        """As the protos have it."""
        return epb.Budget(cost_micros=self.costMicros, steps=self.steps, seconds=self.seconds)


class PolicyIn(BaseModel):
    """What the agent asks first, what it may use, who answers when its model fails. What is absent stays as it is."""

    confirmation: Literal["never", "risky", "always"] | None = None
    budget: BudgetIn | None = None
    fallbackModel: str | None = Field(None, max_length=200)

    @property
    def mode(self) -> epb.ConfirmationMode.ValueType:
        """As the protos have it."""
        return epb.CONFIRMATION_MODE_UNSPECIFIED if self.confirmation is None else MODES[self.confirmation]

    def request(self, session_id: str) -> pb.ConfigureSessionRequest | None:
        """The call that asks for it; None where nothing is asked for."""
        if self.confirmation is None and self.budget is None and self.fallbackModel is None:
            return None
        request = pb.ConfigureSessionRequest(session_id=session_id, confirmation=self.mode)
        if self.budget is not None:
            request.budget.CopyFrom(self.budget.message())
        if self.fallbackModel is not None:
            request.fallback_model = self.fallbackModel
        return request


class SettingsIn(PolicyIn):
    """The title too."""

    title: str | None = Field(None, min_length=1, max_length=255)


@router.patch("/{session_id}")
async def patch_session(session_id: str, body: SettingsIn, caller: CallerHere) -> dict[str, Any]:
    """Changes how a session works, and its title; the session by the protos' JSON names. Safe to repeat."""
    with absent(session_id, f"Session {session_id} not found."):
        if (request := body.request(session_id)) is not None:
            await caller.ask(caller.sessions.ConfigureSession, request)
        if body.title is not None:
            renaming = pb.RenameSessionRequest(session_id=session_id, title=body.title)
            await caller.ask(caller.sessions.RenameSession, renaming)
        found = await caller.ask(caller.sessions.GetSession, pb.GetSessionRequest(session_id=session_id))
    return MessageToDict(found.session)
