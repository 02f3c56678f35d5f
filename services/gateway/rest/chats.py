"""The old chat rows: a view on sessions and their events."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from lucid.sessions.v1 import sessions_pb2 as pb
from pydantic import BaseModel

from services.gateway.backends.upstreams import Caller
from services.gateway.rest.callers import CallerHere
from services.gateway.rest.messages import ChatRows, MessageRow
from services.gateway.rest.refusals import INVALID_REQUEST, Refused
from services.gateway.rest.shapes import ALIVE, absent, iso, provider_of, worded

router = APIRouter(prefix="/api/v1/chats", tags=["chats"])
NOT_FOUND = "Chat not found"
PAGE = 100
EVENTS_PAGE = 500


class ChatRow(BaseModel):
    """One of the list."""

    id: str
    agentSessionId: str
    projectId: str | None
    title: str
    modelProvider: str
    isActive: bool
    createdAt: str
    updatedAt: str


class ChatsOut(BaseModel):
    """The caller's own."""

    chats: list[ChatRow]


class ChatOut(ChatRow):
    """With all of its messages."""

    messages: list[MessageRow]


class DeletedOut(BaseModel):
    """It is gone."""

    status: str = "deleted"
    id: str


class RenamedOut(BaseModel):
    """It has another title."""

    status: str = "updated"
    id: str
    title: str


def _fields(session: pb.Session) -> dict[str, Any]:
    return {
        "id": session.session_id,
        "agentSessionId": session.session_id,
        "projectId": session.project_id or None,
        "title": session.title,
        "modelProvider": provider_of(session.model),
        "isActive": session.state in ALIVE,
        "createdAt": iso(session.create_time),
        "updatedAt": iso(session.update_time),
    }


@router.get("")
async def get_chats(
    caller: CallerHere,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> ChatsOut:
    """Most recently changed first."""
    found: list[pb.Session] = []
    token = ""
    while len(found) < offset + limit:
        page = await caller.ask(caller.sessions.ListSessions, pb.ListSessionsRequest(page_size=PAGE, page_token=token))
        found += page.sessions
        token = page.next_page_token
        if not token:
            break
    return ChatsOut(chats=[ChatRow(**_fields(session)) for session in found[offset : offset + limit]])


@router.get("/{chat_id}")
async def get_chat(chat_id: str, caller: CallerHere) -> ChatOut:
    """With all of its messages: the row was never paged."""
    with absent(chat_id, NOT_FOUND):
        session = (await caller.ask(caller.sessions.GetSession, pb.GetSessionRequest(session_id=chat_id))).session
        return ChatOut(**_fields(session), messages=await _messages(caller, chat_id))


async def _messages(caller: Caller, session_id: str) -> list[MessageRow]:
    rows, view, after = [], ChatRows(), 0
    while True:
        request = pb.ListEventsRequest(session_id=session_id, after_seq=after, page_size=EVENTS_PAGE)
        page = await caller.ask(caller.sessions.ListEvents, request)
        rows += [row for row in map(view.row, page.events) if row is not None]
        if not page.events or page.events[-1].seq >= page.last_seq:
            return rows
        after = page.events[-1].seq
        # Turning events into JSON takes its time; the streams of others go on in between.
        await asyncio.sleep(0)


@router.patch("/{chat_id}")
async def patch_chat(chat_id: str, caller: CallerHere, body: Annotated[dict[str, Any], Body()]) -> RenamedOut:
    """Another title."""
    title = body.get("title")
    if not isinstance(title, str) or not title.strip():
        raise Refused(400, "Missing 'title'")
    with absent(chat_id, NOT_FOUND), worded({INVALID_REQUEST: (400, "The title is too long: at most 255 characters.")}):
        request = pb.RenameSessionRequest(session_id=chat_id, title=_encodable(title.strip()))
        session = (await caller.ask(caller.sessions.RenameSession, request)).session
    return RenamedOut(id=chat_id, title=session.title)


def _encodable(text: str) -> str:
    """JSON can carry half a character; nothing behind the edge can."""
    return text.encode("utf-8", "replace").decode()


@router.delete("/{chat_id}")
async def delete_chat(chat_id: str, caller: CallerHere) -> DeletedOut:
    """Ends and removes it."""
    with absent(chat_id, NOT_FOUND):
        await caller.ask(caller.sessions.DeleteSession, pb.DeleteSessionRequest(session_id=chat_id))
    return DeletedOut(id=chat_id)
