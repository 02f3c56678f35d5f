"""Addresses, origins, host names, settings, headers."""

from pathlib import Path

import pytest

from services.gateway.convert import headers_of, visit_of
from services.gateway.domain.errors import InvalidEmail, OriginRefused
from services.gateway.domain.models import account_of, hash_secret
from services.gateway.domain.origins import check_host, check_origin
from services.gateway.settings import Settings

OWN = "http://127.0.0.1:8000"


def test_addresses_are_lower_case_and_named_by_their_first_part() -> None:
    account = account_of("  Ann.B@Example.COM ")
    assert (account.email, account.name) == ("ann.b@example.com", "ann.b")
    assert account_of("dev@localhost").email == "dev@localhost"
    with pytest.raises(InvalidEmail):
        account_of("no address")


def test_a_hash_does_not_hold_its_secret() -> None:
    assert len(hash_secret("s")) == 64
    assert hash_secret("s") != hash_secret("S")
    assert hash_secret("\ud800")


@pytest.mark.parametrize(
    "origin", ["", "null", "http://127.0.0.1:8001", "https://127.0.0.1:8000", OWN + ".evil", OWN + "/"]
)
def test_foreign_origins(origin: str) -> None:
    with pytest.raises(OriginRefused):
        check_origin(origin, OWN, ("http://localhost:3000",))


def test_own_and_listed_origins() -> None:
    check_origin(OWN, OWN, ())
    check_origin("http://localhost:3000", OWN, ("http://localhost:3000",))


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "10.0.0.5", "a.localhost", "lucid.example"]
)
def test_hosts_that_cannot_be_rebound(host: str) -> None:
    check_host(host, ("https://lucid.example",))


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "lucid.example"]
)
def test_hosts_that_can(host: str) -> None:
    with pytest.raises(OriginRefused):
        check_host(host, ())


def test_settings_read_the_contracts_names() -> None:
    env = {
        "SESSION_SECRET": "s",
        "INTERNAL_API_KEY": "k",
        "HOST": "0.0.0.0",
        "PORT": "9000",
        "LUCID_DATA_DIR": "/d",
        "ALLOWED_ORIGINS": "http://a:1/, ,https://b",
        "AUTH_DEV_LOGIN": "1",
        "SESSIONS_TARGET": "dns:///s:1",
        "GITHUB_URL": "http://gh/",
        "DATABASE_URL": "postgres://u@h/db",
    }
    settings = Settings.from_env(env)
    assert (settings.session_secret, settings.internal_api_key) == ("s", "k")
    assert (settings.host, settings.port, settings.data_dir) == ("0.0.0.0", 9000, Path("/d"))
    assert settings.allowed_origins == ("http://a:1", "https://b")
    assert settings.auth_dev_login is True
    assert settings.sessions_target == "dns:///s:1"
    assert settings.github_url == "http://gh"
    assert settings.store_url == "postgresql+psycopg://u@h/db"


def test_settings_defaults() -> None:
    settings = Settings.from_env({"AUTH_DEV_LOGIN": "0", "ALLOWED_ORIGINS": ""})
    assert settings.auth_dev_login is False
    assert settings.allowed_origins == ()
    assert (settings.host, settings.port, settings.sandbox_target) == ("127.0.0.1", 8000, "inproc:")
    assert settings.store_url == "sqlite+aiosqlite:///data/gateway.db"


def test_headers_first_wins_and_cookies_join() -> None:
    raw = [
        (b"Authorization", b"a"),
        (b"authorization", b"b"),
        (b"cookie", b"x=1"),
        (b"Cookie", b"lucid_sign_in=s; y=2"),
    ]
    headers = headers_of(raw)
    assert headers["authorization"] == "a"
    visit = visit_of("wss", {**headers, "host": "h:1"}, safe=False)
    assert (visit.claimed.cookie, visit.own_origin) == ("s", "https://h:1")
