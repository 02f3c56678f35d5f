"""grpc-web through the bridge: bytes, trailers, deadlines, streams, and what it refuses."""

import asyncio
import base64
import struct
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2
from lucid.gateway.v1 import accounts_pb2 as apb
from lucid.integrations.v1 import integrations_pb2 as ipb
from lucid.sessions.v1 import event_pb2 as epb
from lucid.sessions.v1 import sessions_pb2 as spb

from services.rpc.errors import Code
from tests.fakes.services import Refusal
from tests.service.gateway.conftest import KEY, Ground, until

SESSIONS = "/lucid.sessions.v1.SessionsService/"
ACCOUNTS = "/lucid.gateway.v1.AccountsService/"


def framed(message: Any) -> bytes:
    data = message.SerializeToString()
    return b"\x00" + struct.pack(">I", len(data)) + data


def unframed(body: bytes) -> tuple[list[bytes], dict[str, str]]:
    messages, trailers = [], {}
    while body:
        flag, length = body[0], struct.unpack(">I", body[1:5])[0]
        data, body = body[5 : 5 + length], body[5 + length :]
        if flag & 0x80:
            trailers = dict(line.split(":", 1) for line in data.decode().split("\r\n") if line)
        else:
            messages.append(data)
    return messages, trailers


async def call(
    client: httpx.AsyncClient, path: str, message: Any, **headers: str
) -> tuple[httpx.Response, list[bytes], dict[str, str]]:
    sent = {"Content-Type": "application/grpc-web+proto", "X-Grpc-Web": "1", **headers}
    answer = await client.post(path, content=framed(message), headers=sent)
    return answer, *unframed(answer.content)


def info(trailers: dict[str, str]) -> error_details_pb2.ErrorInfo:
    packed = trailers["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
    found = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(found)
    return found


async def test_a_unary_call_reaches_the_service_with_the_caller(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann", title="mine")
    async with ground.client() as client:
        request = spb.GetSessionRequest(session_id=session.session_id)
        answer, messages, trailers = await call(client, SESSIONS + "GetSession", request)
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    assert trailers == {"grpc-status": "0"}
    assert spb.GetSessionResponse.FromString(messages[0]).session == session
    seen = ground.sessions.last("GetSession")
    assert (seen.user_id, seen.internal) == ("usr_ann", False)


async def test_the_cookie_becomes_a_token_that_the_service_verifies(ground: Ground) -> None:
    async with ground.browser() as client:
        _, _, trailers = await call(client, SESSIONS + "ListSessions", spb.ListSessionsRequest())
        me = (await client.get("/api/v1/auth/me")).json()["user"]["id"]
    assert trailers == {"grpc-status": "0"}
    assert ground.sessions.last("ListSessions").user_id == me


async def test_browser_headers_stay_at_the_edge(ground: Ground) -> None:
    async with ground.browser() as client:
        await call(client, SESSIONS + "ListSessions", spb.ListSessionsRequest(), Referer="http://r/", **{"X-Any": "1"})
    sent = ground.sessions.last("ListSessions").metadata
    assert set(sent) <= {"authorization", "x-request-id", "user-agent", "grpc-accept-encoding"}
    assert "cookie" not in sent


async def test_a_refusal_arrives_with_its_reason(ground: Ground) -> None:
    async with ground.client() as client:
        request = spb.GetSessionRequest(session_id="ses_none")
        answer, messages, trailers = await call(client, SESSIONS + "GetSession", request)
    assert (answer.status_code, messages, trailers["grpc-status"]) == (200, [], "5")
    assert info(trailers).reason == "SESSION_NOT_FOUND"


async def test_messages_of_refusals_survive_any_character(ground: Ground) -> None:
    ground.sessions.fail["ListSessions"] = Refusal(Code.ABORTED, "ANY", "ключ 100 %\r\nline")
    async with ground.client() as client:
        _, _, trailers = await call(client, SESSIONS + "ListSessions", spb.ListSessionsRequest())
    assert trailers["grpc-status"] == "10"
    assert trailers["grpc-message"].isascii()
    assert "%0D%0A" in trailers["grpc-message"]


async def test_a_broken_rule_names_the_field(ground: Ground) -> None:
    async with ground.client() as client:
        _, _, trailers = await call(client, SESSIONS + "GetSession", spb.GetSessionRequest())
    assert trailers["grpc-status"] == "3"
    assert info(trailers).metadata["field"] == "session_id"


async def test_nobody_is_unauthenticated(ground: Ground) -> None:
    async with ground.client(None) as client:
        _, _, trailers = await call(client, SESSIONS + "ListSessions", spb.ListSessionsRequest())
    assert trailers["grpc-status"] == "16"
    assert not ground.sessions.calls


async def test_a_cookie_from_another_page_is_refused(ground: Ground) -> None:
    async with ground.browser() as client:
        for origin in ("http://evil.example", "null", ""):
            request = spb.ListSessionsRequest()
            _, _, trailers = await call(client, SESSIONS + "ListSessions", request, Origin=origin)
            assert trailers["grpc-status"] == "7"
            assert info(trailers).reason == "ORIGIN_REFUSED"
    assert not ground.sessions.calls


@pytest.mark.parametrize("identity", ["token", "key"])
async def test_internal_methods_are_closed_to_people(ground: Ground, identity: str) -> None:
    headers = {"X-Internal-Key": KEY, "X-User-ID": "usr_ann"} if identity == "key" else ground.bearer()
    request = ipb.CloseGateRequest(session_id="ses_1")
    async with ground.client(None) as client:
        _, _, trailers = await call(client, "/lucid.integrations.v1.IntegrationsService/CloseGate", request, **headers)
    assert trailers["grpc-status"] == "7"
    assert info(trailers).reason == "INTERNAL_ONLY"


@pytest.mark.parametrize("path", ["/lucid.sessions.v1.SessionsService/Nope", "/grpc.health.v1.Health/Check"])
async def test_unknown_methods_are_unimplemented(ground: Ground, path: str) -> None:
    async with ground.client() as client:
        _, _, trailers = await call(client, path, spb.ListSessionsRequest())
    assert trailers["grpc-status"] == "12"


@pytest.mark.parametrize("body", [b"", b"\x00\x00", b"\x01\x00\x00\x00\x00", b"\x00\x00\x00\x00\x09abc", b"\xff" * 40])
async def test_broken_frames_are_refused(ground: Ground, body: bytes) -> None:
    async with ground.client() as client:
        headers = {"Content-Type": "application/grpc-web+proto"}
        answer = await client.post(SESSIONS + "ListSessions", content=body, headers=headers)
    assert unframed(answer.content)[1]["grpc-status"] == "3"
    assert not ground.sessions.calls


async def test_bytes_that_are_no_message_are_refused_by_the_service(ground: Ground) -> None:
    async with ground.client() as client:
        headers = {"Content-Type": "application/grpc-web+proto"}
        garbage = b"\x00\x00\x00\x00\x04\xff\xff\xff\xff"
        answer = await client.post(SESSIONS + "GetSession", content=garbage, headers=headers)
    assert info(unframed(answer.content)[1]).reason == "INVALID_REQUEST"


async def test_other_content_types_are_refused(ground: Ground) -> None:
    async with ground.client() as client:
        answer = await client.post(SESSIONS + "ListSessions", json={})
    assert answer.status_code == 415


async def test_text_mode(ground: Ground) -> None:
    async with ground.client() as client:
        headers = {"Content-Type": "application/grpc-web-text"}
        body = base64.b64encode(framed(spb.ListSessionsRequest()))
        answer = await client.post(SESSIONS + "ListSessions", content=body, headers=headers)
    parts = answer.text.replace("=", "= ").split()
    decoded = b"".join(base64.b64decode(part + "=" * (-len(part) % 4)) for part in parts if part.strip("="))
    assert decoded.endswith(b"grpc-status:0\r\n")
    assert answer.headers["content-type"] == "application/grpc-web-text+proto"


async def test_the_clients_deadline_holds(ground: Ground) -> None:
    async def forever(request: Any, context: Any) -> Any:
        await asyncio.Event().wait()

    ground.sessions.ListSessions = forever  # type: ignore[method-assign]
    session = ground.sessions.put("usr_ann")
    ground.sessions.streams[session.session_id] = _silent
    async with ground.client() as client:
        request = spb.WatchEventsRequest(session_id=session.session_id)
        _, _, trailers = await call(client, SESSIONS + "WatchEvents", request, **{"grpc-timeout": "200m"})
        assert trailers["grpc-status"] == "4"
        _, _, trailers = await call(client, SESSIONS + "WatchEvents", request, **{"grpc-timeout": "soon"})
        assert trailers["grpc-status"] == "3"


async def _silent(_request: spb.WatchEventsRequest) -> AsyncIterator[spb.WatchEventsResponse]:
    await asyncio.Event().wait()
    yield spb.WatchEventsResponse()


async def test_a_stream_arrives_message_by_message_and_ends_with_the_tab(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")
    step = asyncio.Event()

    async def two(_request: spb.WatchEventsRequest) -> AsyncIterator[spb.WatchEventsResponse]:
        for seq in (1, 2):
            yield spb.WatchEventsResponse(frames=[epb.Frame(event=epb.Event(seq=seq))])
            await step.wait()
        await asyncio.Event().wait()

    ground.sessions.streams[session.session_id] = two
    headers = {"Content-Type": "application/grpc-web+proto"}
    content = framed(spb.WatchEventsRequest(session_id=session.session_id, after_seq=7))
    async with ground.client() as client:
        async with client.stream("POST", SESSIONS + "WatchEvents", content=content, headers=headers) as answer:
            parts = answer.aiter_bytes()
            first = unframed(await anext(parts))[0]
            assert spb.WatchEventsResponse.FromString(first[0]).frames[0].event.seq == 1
            step.set()
            second = unframed(await anext(parts))[0]
            assert spb.WatchEventsResponse.FromString(second[0]).frames[0].event.seq == 2
        await until(lambda: ground.sessions.open_watches == 0)
    assert ground.sessions.last("WatchEvents").request.after_seq == 7


async def test_a_stream_that_fails_ends_with_its_reason(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")

    async def breaks(_request: spb.WatchEventsRequest) -> AsyncIterator[spb.WatchEventsResponse]:
        yield spb.WatchEventsResponse(frames=[epb.Frame(event=epb.Event(seq=1))])
        raise Refusal(Code.RESOURCE_EXHAUSTED, "RESYNC")

    ground.sessions.streams[session.session_id] = breaks
    async with ground.client() as client:
        request = spb.WatchEventsRequest(session_id=session.session_id)
        _, messages, trailers = await call(client, SESSIONS + "WatchEvents", request)
    assert len(messages) == 1
    assert trailers["grpc-status"] == "8"
    assert info(trailers).reason == "RESYNC"


async def test_accounts_are_served_too(ground: Ground) -> None:
    async with ground.browser("bob@x.org") as client:
        _, messages, _ = await call(client, ACCOUNTS + "GetAccount", apb.GetAccountRequest())
        assert apb.GetAccountResponse.FromString(messages[0]).user.email == "bob@x.org"
        _, messages, _ = await call(client, ACCOUNTS + "CreateAccessToken", apb.CreateAccessTokenRequest())
        made = apb.CreateAccessTokenResponse.FromString(messages[0])
    async with ground.client(None) as client:
        me = await client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {made.token}"})
    assert me.json()["user"]["email"] == "bob@x.org"


async def test_the_installation_is_open_to_everybody(ground: Ground) -> None:
    ground.sessions.models.append(spb.Model(model="openai/gpt", label="GPT"))
    async with ground.client(None) as client:
        stale = {"Cookie": "lucid_sign_in=stale"}
        _, messages, trailers = await call(client, ACCOUNTS + "GetInstallation", apb.GetInstallationRequest(), **stale)
    assert trailers == {"grpc-status": "0"}
    found = apb.GetInstallationResponse.FromString(messages[0])
    assert (found.dev_login, found.google_login, found.demo_only) == (True, False, False)
    assert found.github_token_url.startswith("https://github.com/settings/tokens/new")
    assert (found.confinement, list(found.lacks)) == ("", [])  # nobody's business before a sign-in


async def test_who_has_signed_in_is_told_how_work_is_closed_off(ground: Ground) -> None:
    async with ground.browser("bob@x.org") as client:
        _, messages, _ = await call(client, ACCOUNTS + "GetInstallation", apb.GetInstallationRequest())
    found = apb.GetInstallationResponse.FromString(messages[0])
    assert (found.confinement, list(found.lacks)) == ("docker", ["limit of disk"])


async def test_the_installation_answers_while_sessions_is_away(ground: Ground) -> None:
    ground.sessions.fail["ListModels"] = Refusal(Code.INTERNAL, "INTERNAL")
    async with ground.client(None) as client:
        _, messages, _ = await call(client, ACCOUNTS + "GetInstallation", apb.GetInstallationRequest())
    assert apb.GetInstallationResponse.FromString(messages[0]).demo_only is False
