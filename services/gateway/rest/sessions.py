"""The contract's rows for sessions, and those that are new: messages and stop."""

from typing import Literal
from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from lucid.integrations.v1.integrations_pb2 import SaveConnectionRequest
from lucid.sessions.v1 import event_pb2 as epb
from lucid.sessions.v1 import sessions_pb2 as pb
from pydantic import BaseModel, Field

from services.gateway.backends.upstreams import Caller
from services.gateway.rest.callers import CallerHere, RowsHere
from services.gateway.rest.policy import PolicyIn
from services.gateway.rest.refusals import INVALID_REQUEST, Refused, answer_of, words_of
from services.gateway.rest.shapes import ALIVE, absent, iso
from services.gateway.rest.steering import Delivery, delivery_of
from services.gateway.settings import Settings
from services.rpc.errors import Code, LucidError
from services.rpc.ids import new_ulid

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"])
TASK_SHOWN = 80
TASK_LONGEST = 200_000
LISTED = 1000
DEMO = "demo"


class SessionIn(PolicyIn):
    """A task. Fields that are not named here are ignored, as they always were."""

    task: str = Field(min_length=1, max_length=TASK_LONGEST)
    repoUrl: str | None = Field(None, max_length=2000)
    gitToken: str | None = Field(None, max_length=1000)
    branch: str | None = Field(None, max_length=250)
    projectId: str | None = Field(None, max_length=200)
    model_provider: str | None = Field(None, max_length=200)
    modelProvider: str | None = Field(None, max_length=200)
    model: str | None = Field(None, max_length=200)
    api_key: str | None = Field(None, max_length=500)
    apiKey: str | None = Field(None, max_length=500)
    gitUserName: str | None = Field(None, max_length=200)
    gitUserEmail: str | None = Field(None, max_length=320)
    network: Literal["off", "registries", "list"] | None = None

    @property
    def network_mode(self) -> epb.NetworkMode.ValueType:
        """As the protos have it; not set = as far as the installation allows."""
        return epb.NetworkMode.Value(f"NETWORK_MODE_{(self.network or 'unspecified').upper()}")

    image: str | None = Field(None, max_length=300)
    setup: str | None = Field(None, max_length=32768)
    setupSeconds: int | None = Field(None, ge=0, le=3600)
    env: dict[str, str] | None = Field(None, max_length=100)


class SessionOut(BaseModel):
    """`mock`: the demo model answers."""

    status: str
    sessionId: str
    message: str


class SessionRow(BaseModel):
    """One of the list."""

    sessionId: str
    userId: str
    task: str
    isAlive: bool
    createdAt: str


class SessionsOut(BaseModel):
    """The caller's own."""

    sessions: list[SessionRow]


class MessageIn(BaseModel):
    """A follow-up. `delivery`, while the agent works: `steer` before its next model call, else after the turn."""

    content: str = Field(min_length=1, max_length=TASK_LONGEST)
    clientMessageId: str | None = Field(None, max_length=100)
    delivery: Delivery | None = None


class MessageOut(BaseModel):
    """Where it stands in the log; `queued`: it waits for the running turn."""

    seq: int
    queued: bool
    clientMessageId: str


class StopOut(BaseModel):
    """`stopping`: something ran."""

    status: str
    sessionId: str


@router.post("", response_model=SessionOut)
async def post_session(body: SessionIn, here: RowsHere, caller: CallerHere) -> SessionOut | JSONResponse:
    """Makes a session and starts the agent."""
    if body.gitToken:
        await _save_token(caller, here.settings, body.repoUrl or "", body.gitToken)
    try:
        model = await _model(caller, body)
        session = (await caller.ask(caller.sessions.CreateSession, _request(body, model))).session
    except LucidError as error:
        if error.reason == INVALID_REQUEST:
            raise
        return answer_of(error, {"status": "error", "message": words_of(error)})
    demo = session.model == DEMO
    words = "Session is ready; the demo model plays a written plan." if demo else "Session is ready."
    return SessionOut(status="mock" if demo else "ready", sessionId=session.session_id, message=words)


def _request(body: SessionIn, model: str) -> pb.CreateSessionRequest:
    request = pb.CreateSessionRequest(
        request_id=new_ulid(),
        task=body.task,
        model=model,
        project_id=body.projectId or "",
        git_user_name=body.gitUserName or "",
        git_user_email=body.gitUserEmail or "",
        model_api_key=body.api_key or body.apiKey or "",
        confirmation=body.mode,
        budget=None if body.budget is None else body.budget.message(),
        fallback_model=body.fallbackModel or "",
        network=body.network_mode,
        environment=pb.Environment(
            image=body.image or "", setup=body.setup or "", setup_seconds=body.setupSeconds or 0, env=body.env or {}
        ),
    )
    if body.repoUrl:
        request.repository.url = body.repoUrl
        request.repository.base_branch = body.branch or ""
    return request


async def _model(caller: Caller, body: SessionIn) -> str:
    """`provider/model` as sessions knows it. A provider alone means the first of its models."""
    provider, model = body.model_provider or body.modelProvider or "", body.model or ""
    if model:
        return model if "/" in model or model == DEMO or not provider else f"{provider}/{model}"
    if not provider or "/" in provider or provider == DEMO:
        return provider
    known = (await caller.ask(caller.sessions.ListModels, pb.ListModelsRequest())).models
    return next((each.model for each in known if each.model.startswith(provider + "/")), provider)


async def _save_token(caller: Caller, settings: Settings, url: str, token: str) -> None:
    """Keeps the token before anything else is made: a refused one leaves nothing behind."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise Refused(400, {"status": "error", "message": "repoUrl is not an address."}) from None  # type: ignore[arg-type]
    gitlab = host == urlsplit(settings.gitlab_url).hostname or "gitlab" in host
    request = SaveConnectionRequest(provider="gitlab" if gitlab else "github", token=token)
    if gitlab:
        request.base_url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    try:
        await caller.ask(caller.integrations.SaveConnection, request)
    except LucidError as error:
        if error.code in (Code.FAILED_PRECONDITION, Code.INVALID_ARGUMENT):
            raise Refused(422, error.message) from error
        raise


@router.get("")
async def get_sessions(caller: CallerHere) -> SessionsOut:
    """The caller's, most recently changed first."""
    found: list[SessionRow] = []
    token = ""
    while len(found) < LISTED:
        page = await caller.ask(caller.sessions.ListSessions, pb.ListSessionsRequest(page_size=100, page_token=token))
        found += [_row(session) for session in page.sessions]
        token = page.next_page_token
        if not token:
            break
    return SessionsOut(sessions=found)


def _row(session: pb.Session) -> SessionRow:
    return SessionRow(
        sessionId=session.session_id,
        userId=session.owner_id,
        task=session.task[:TASK_SHOWN],
        isAlive=session.state in ALIVE,
        createdAt=iso(session.create_time),
    )


@router.delete("/{session_id}")
async def delete_session(session_id: str, caller: CallerHere) -> SessionOut:
    """Ends and removes it."""
    with absent(session_id, f"Session {session_id} not found."):
        await caller.ask(caller.sessions.DeleteSession, pb.DeleteSessionRequest(session_id=session_id))
    words = "Session stopped and resources cleaned up."
    return SessionOut(status="stopped", sessionId=session_id, message=words)


@router.post("/{session_id}/messages")
async def post_message(session_id: str, body: MessageIn, caller: CallerHere) -> MessageOut:
    """Adds a follow-up; the same clientMessageId twice gives the first answer."""
    client_id = body.clientMessageId or new_ulid()
    request = pb.SendMessageRequest(
        session_id=session_id, text=body.content, client_message_id=client_id, delivery=delivery_of(body.delivery)
    )
    with absent(session_id, f"Session {session_id} not found."):
        sent = await caller.ask(caller.sessions.SendMessage, request)
    return MessageOut(seq=sent.seq, queued=sent.queued, clientMessageId=sent.client_message_id)


@router.post("/{session_id}/stop")
async def post_stop(session_id: str, caller: CallerHere) -> StopOut:
    """Stops the agent and keeps the session; safe to repeat."""
    with absent(session_id, f"Session {session_id} not found."):
        answer = await caller.ask(caller.sessions.StopSession, pb.StopSessionRequest(session_id=session_id))
    return StopOut(status="stopping" if answer.stopping else "stopped", sessionId=session_id)
