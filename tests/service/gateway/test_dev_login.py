"""Signing in by an address, the cookie, signing out."""

import logging
from pathlib import Path

import pytest

from services.gateway.convert import COOKIE
from tests.service.gateway.conftest import Ground, running


async def test_dev_login_answers_a_token_and_sets_the_cookie(ground: Ground) -> None:
    async with ground.client(None) as client:
        answer = await client.post("/api/v1/auth/dev-login", json={"email": " Ann@Example.com "})
    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {"token", "expiresAt", "user"}
    assert body["user"]["email"] == "ann@example.com"
    assert body["user"]["name"] == "ann"
    assert body["expiresAt"].endswith("Z")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie


async def test_the_same_address_is_the_same_user(ground: Ground) -> None:
    async with ground.browser("a@x.org") as first, ground.browser("A@X.org") as second:
        ids = [(await client.get("/api/v1/auth/me")).json()["user"]["id"] for client in (first, second)]
    assert ids[0] == ids[1]


async def test_token_and_cookie_name_the_same_user(ground: Ground) -> None:
    async with ground.client(None) as client:
        body = (await client.post("/api/v1/auth/dev-login", json={"email": "a@x.org"})).json()
        by_cookie = await client.get("/api/v1/auth/me")
    async with ground.client(None) as client:
        by_token = await client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {body['token']}"})
    assert by_cookie.json() == by_token.json() == {"user": body["user"]}


async def test_logout_ends_the_sign_in_for_good(ground: Ground) -> None:
    async with ground.browser() as client:
        kept = client.cookies[COOKIE]
        assert (await client.post("/api/v1/auth/logout")).json() == {"status": "signed_out"}
    async with ground.client(None) as client:
        answer = await client.get("/api/v1/auth/me", headers={"Cookie": f"{COOKIE}={kept}"})
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Authentication required"}


async def test_the_cookie_itself_is_not_in_the_database(ground: Ground) -> None:
    async with ground.browser() as client:
        secret = client.cookies[COOKIE].encode()
    files = [path.read_bytes() for path in ground.settings.data_dir.iterdir() if path.name.startswith("gateway.db")]
    assert files
    assert not any(secret in data for data in files)


@pytest.mark.parametrize(
    "email", ["", "ann", "a@b@c", "a b@c", "@x", "x@", "a@" + "b" * 400, "<a>@b", 'a"@b', "a\x00@b"]
)
async def test_what_is_no_address_is_refused(ground: Ground, email: str) -> None:
    async with ground.client(None) as client:
        answer = await client.post("/api/v1/auth/dev-login", json={"email": email})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "email"]
    assert "set-cookie" not in answer.headers


async def test_it_is_not_there_when_switched_off(tmp_path: Path) -> None:
    async with running(tmp_path, auth_dev_login=False) as ground, ground.client(None) as client:
        answer = await client.post("/api/v1/auth/dev-login", json={"email": "a@x.org"})
    assert answer.status_code == 404


async def test_it_is_loud_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with running(tmp_path):
        pass
    assert any("AUTH_DEV_LOGIN" in record.message for record in caplog.records)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example"])
async def test_a_rebound_name_cannot_sign_in(ground: Ground, host: str) -> None:
    async with ground.client(None) as client:
        headers = {"Host": host, "Origin": f"http://{host}"}
        answer = await client.post("/api/v1/auth/dev-login", json={"email": "a@x.org"}, headers=headers)
    assert answer.status_code == 403


async def test_another_page_cannot_sign_a_browser_in(ground: Ground) -> None:
    async with ground.client(None) as client:
        headers = {"Origin": "http://evil.example"}
        answer = await client.post("/api/v1/auth/dev-login", json={"email": "a@x.org"}, headers=headers)
    assert answer.status_code == 403


async def test_sign_ins_outlive_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as ground, ground.browser() as client:
        kept = client.cookies[COOKIE]
    async with running(tmp_path) as ground, ground.client(None) as client:
        answer = await client.get("/api/v1/auth/me", headers={"Cookie": f"{COOKIE}={kept}"})
    assert answer.json()["user"]["email"] == "ann@example.com"
