"""Every row against every kind of identity, and every row while its services are away."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio
from lucid.gateway.v1.accounts_pb2 import StreamRequest, StreamResponse
from lucid.sessions.v1.sessions_pb2 import WatchEventsRequest
from websockets.asyncio.client import connect

from services.gateway.server import build, http_server
from services.rpc.channels import open_channel
from tests.service.gateway.conftest import KEY, Ground, settings_for

CHECKPOINT = "chk_0123456789"

ROWS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/api/v1/auth/me", {}),
    ("POST", "/api/v1/auth/logout", {}),
    ("POST", "/api/v1/sessions", {"json": {"task": "t"}}),
    ("GET", "/api/v1/sessions", {}),
    ("DELETE", "/api/v1/sessions/{id}", {}),
    ("POST", "/api/v1/sessions/{id}/messages", {"json": {"content": "c"}}),
    ("POST", "/api/v1/sessions/{id}/stop", {}),
    ("PATCH", "/api/v1/sessions/{id}", {"json": {"title": "n", "confirmation": "never"}}),
    ("POST", "/api/v1/sessions/{id}/pause", {}),
    ("POST", "/api/v1/sessions/{id}/resume", {}),
    ("PATCH", "/api/v1/sessions/{id}/queue/{queue_item_id}", {"json": {"text": "t", "place": 0}}),
    ("DELETE", "/api/v1/sessions/{id}/queue/{queue_item_id}", {}),
    ("POST", "/api/v1/sessions/{id}/approvals/{request_id}", {"json": {"optionId": "yes"}}),
    ("GET", "/api/v1/sessions/{id}/export", {}),
    ("GET", "/api/v1/sessions/{id}/diff", {}),
    ("GET", "/api/v1/sessions/{id}/patch", {}),
    ("POST", "/api/v1/sessions/{id}/rewind", {"json": {"seq": 1, "key": "k"}}),
    ("GET", "/api/v1/sessions/{id}/checkpoints", {}),
    ("GET", "/api/v1/sessions/{id}/checkpoints/{checkpoint_id}", {}),
    ("GET", "/api/v1/sessions/{id}/events", {}),
    ("GET", "/api/v1/sessions/{id}/watch", {}),
    ("GET", "/api/v1/chats", {}),
    ("GET", "/api/v1/chats/{id}", {}),
    ("PATCH", "/api/v1/chats/{id}", {"json": {"title": "n"}}),
    ("DELETE", "/api/v1/chats/{id}", {}),
    ("GET", "/api/v1/environments?provider=github&repository=ada/tea", {}),
    ("PUT", "/api/v1/environments", {"json": {"provider": "github", "repository": "ada/tea"}}),
    ("GET", "/api/v1/files/list?session_id={id}", {}),
    ("GET", "/api/v1/files/read?session_id={id}&path=a.txt", {}),
    ("GET", "/api/v1/files/download?session_id={id}&path=a.txt", {}),
    ("GET", "/api/v1/files/archive?session_id={id}", {}),
    ("POST", "/api/v1/integrations", {"json": {"provider": "github", "token": "t"}}),
    ("GET", "/api/v1/integrations", {}),
    ("DELETE", "/api/v1/integrations/github", {}),
    ("GET", "/api/v1/integrations/github/repos", {}),
    ("POST", "/api/v1/integrations/github/pr", {"json": {"repoUrl": "u", "branch": "b", "title": "t"}}),
]
SESSION_ROWS = [row for row in ROWS if "{id}" in row[1]]
NAMES = [f"{method} {path}" for method, path, _ in ROWS]
SESSION_NAMES = [f"{method} {path}" for method, path, _ in SESSION_ROWS]


async def ask(client: httpx.AsyncClient, row: tuple[str, str, dict[str, Any]], session_id: str) -> httpx.Response:
    method, path, more = row
    return await client.request(
        method, path.format(id=session_id, queue_item_id="msg_1", request_id="apr_1", checkpoint_id=CHECKPOINT), **more
    )


def called(ground: Ground) -> int:
    return len(ground.sessions.calls) + len(ground.sandbox.calls) + len(ground.integrations.calls)


def test_the_table_holds_every_row(tmp_path: Path) -> None:
    import asyncio

    async def paths() -> set[tuple[str, str]]:
        gateway = await build(settings_for(tmp_path), lambda _t: open_channel("unix:/nowhere"))
        spec = gateway.app._routes.rest.openapi()["paths"]  # type: ignore[attr-defined]
        await gateway.service.stop()
        return {(method.upper(), path) for path, methods in spec.items() for method in methods}

    table = {(method, path.partition("?")[0]) for method, path, _ in ROWS}
    named = {
        (method, path.replace("{session_id}", "{id}").replace("{chat_id}", "{id}").replace("{provider}", "github"))
        for method, path in asyncio.run(paths())
    }
    assert named - table == {("GET", "/"), ("GET", "/health"), ("POST", "/api/v1/auth/dev-login")}


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
async def test_nobody_gets_in(ground: Ground, row: tuple[str, str, dict[str, Any]]) -> None:
    session = ground.sessions.put("usr_ann")
    identities: dict[str, tuple[Any, str]] = {
        "none": ({}, "Authentication required"),
        "expired": ({"Authorization": f"Bearer {ground.token(ttl=-3600)}"}, "Invalid token"),
        "forged": ({"Authorization": f"Bearer {ground.token(secret='x' * 40)}"}, "Invalid token"),
        "unsigned": ({"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c3JfYW5uIn0."}, "Invalid token"),
        "garbage": ({"Authorization": b"Bearer \xff\xfe.x.y"}, "Invalid token"),
        "basic": ({"Authorization": "Basic YTpi"}, "Authentication required"),
        "bare user": ({"X-User-ID": "usr_ann"}, "Invalid internal API key"),
        "wrong key": ({"X-User-ID": "usr_ann", "X-Internal-Key": KEY + "x"}, "Invalid internal API key"),
        "key of nobody": ({"X-Internal-Key": KEY}, "Authentication required"),
        "made-up cookie": ({"Cookie": "lucid_sign_in=abc", "Origin": ground.base}, "Authentication required"),
    }
    async with ground.client(None) as client:
        for name, (headers, text) in identities.items():
            client.headers = httpx.Headers(headers)
            answer = await ask(client, row, session.session_id)
            assert (name, answer.status_code, answer.json()) == (name, 401, {"detail": text})
    assert called(ground) == 0


@pytest.mark.parametrize("row", SESSION_ROWS, ids=SESSION_NAMES)
async def test_somebody_elses_session_is_not_there(ground: Ground, row: tuple[str, str, dict[str, Any]]) -> None:
    foreign = ground.sessions.put("usr_bob", sandbox_id="sbx_bob")
    before = foreign.SerializeToString()
    async with ground.client() as client:
        other = await ask(client, row, foreign.session_id)
        absent = await ask(client, row, "ses_absent")
        strange = await ask(client, row, "ses-%00-'\"")
    assert other.status_code == absent.status_code == 404
    assert strange.status_code in (404, 422)
    assert other.text.replace(foreign.session_id, "X") == absent.text.replace("ses_absent", "X")
    assert ground.sessions.sessions[foreign.session_id].SerializeToString() == before


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] != "GET"], ids=[n for n in NAMES if n[:3] != "GET"])
async def test_a_cookie_alone_changes_nothing_from_elsewhere(
    ground: Ground, row: tuple[str, str, dict[str, Any]]
) -> None:
    async with ground.browser() as client:
        for origin in ("http://evil.example", "null", ground.base.replace("127.0.0.1", "localhost"), ground.base + "0"):
            client.headers["Origin"] = origin
            answer = await ask(client, row, "ses_1")
            assert (origin, answer.status_code) == (origin, 403)
        del client.headers["Origin"]
        assert (await ask(client, row, "ses_1")).status_code == 403
    assert called(ground) == 0


async def test_the_internal_key_speaks_for_a_user_as_a_person(ground: Ground) -> None:
    async with ground.client(None) as client:
        client.headers = httpx.Headers({"X-User-ID": "usr_ann", "X-Internal-Key": KEY})
        assert (await client.get("/api/v1/sessions")).status_code == 200
    seen = ground.sessions.last("ListSessions")
    assert (seen.user_id, seen.internal) == ("usr_ann", False)
    assert KEY not in str(seen.metadata)


async def test_a_bearer_comes_before_the_cookie(ground: Ground) -> None:
    async with ground.browser() as client:
        await client.get("/api/v1/sessions", headers=ground.bearer("usr_zoe"))
    assert ground.sessions.last("ListSessions").user_id == "usr_zoe"


async def test_an_identity_without_an_account(ground: Ground) -> None:
    async with ground.client("usr_unknown") as client:
        answer = await client.get("/api/v1/auth/me")
    assert answer.status_code == 404


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deserted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """A gateway whose services are away."""
    folder = tmp_path_factory.mktemp("deserted")
    channel = grpc.aio.insecure_channel(f"unix:{folder}/nobody.sock")
    gateway = await build(settings_for(folder), lambda _target: channel)
    await gateway.service.start()
    async with http_server(gateway.app, "127.0.0.1", 0) as port:
        yield Ground(gateway, settings_for(folder), f"http://127.0.0.1:{port}", channel)
    await gateway.service.stop()
    await channel.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", ROWS[2:], ids=NAMES[2:])
async def test_services_that_are_away_are_said_to_be(deserted: Ground, row: tuple[str, str, dict[str, Any]]) -> None:
    async with deserted.client() as client:
        answer = await ask(client, row, "ses_1")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "Traceback" not in answer.text
    assert "sock" not in answer.text


@pytest.mark.asyncio(loop_scope="module")
async def test_the_transports_own_words_stay_inside(deserted: Ground) -> None:
    async with deserted.client() as client:
        for rpc in ("ListSessions", "WatchEvents"):
            headers = {"Content-Type": "application/grpc-web+proto"}
            path = f"/lucid.sessions.v1.SessionsService/{rpc}"
            answer = await client.post(path, content=b"\x00\x00\x00\x00\x00", headers=headers)
            assert b"grpc-status:14" in answer.content
            assert b"nobody.sock" not in answer.content
    async with connect(deserted.ws, additional_headers=deserted.bearer()) as ws:
        asked = StreamRequest.Watch(stream_id=1, watch=WatchEventsRequest(session_id="ses_1"))
        await ws.send(StreamRequest(watch=asked).SerializeToString())
        ending = StreamResponse.FromString(await ws.recv()).end
    assert (ending.code, ending.reason) == (14, "UNAVAILABLE")
    assert "nobody.sock" not in ending.message


@pytest.mark.parametrize("row", ROWS[2:], ids=NAMES[2:])
async def test_a_fault_behind_is_a_plain_500(ground: Ground, row: tuple[str, str, dict[str, Any]]) -> None:
    session = ground.sessions.put("usr_ann", sandbox_id="sbx_1")
    boom = RuntimeError("secret words")
    for fake in (ground.sessions, ground.integrations):
        fake.fail = dict.fromkeys((name for name in dir(fake) if name[0].isupper()), boom)
    async with ground.client() as client:
        answer = await ask(client, row, session.session_id)
    assert answer.status_code == 500
    assert "secret" not in answer.text
