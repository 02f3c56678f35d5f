"""Settings from the environment."""

from pathlib import Path

import pytest

from services.integrations.settings import Settings

SECRETS = {"SESSION_SECRET": "s", "INTERNAL_API_KEY": "i", "ENCRYPTION_KEY": "e"}


@pytest.mark.parametrize("name", SECRETS)
def test_a_missing_secret_refuses_to_start(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Settings.from_env(SECRETS | {name: ""})


def test_defaults() -> None:
    settings = Settings.from_env(SECRETS | {"LUCID_DATA_DIR": "/data"})
    assert settings.gate == "unix:/data/run/gate.sock"
    assert settings.database == "sqlite+aiosqlite:////data/integrations.db"
    assert settings.repositories == Path("/data/repos")
    assert (settings.github_url, settings.github_api_url) == ("https://github.com", "https://api.github.com")
    assert settings.public_url == "http://127.0.0.1:8000"
    assert not settings.seed
    assert (settings.seed_dir / "teatime" / "history.json").is_file()


def test_everything_set() -> None:
    settings = Settings.from_env(
        SECRETS
        | {
            "DATABASE_URL": "postgres://u:p@h/d",
            "GATE_LISTEN": "0.0.0.0:9",
            "PROVIDER_HOSTS_ALLOWED": "a:1, b ,,",
            "LUCID_SEED": "1",
            "PUBLIC_URL": "https://lucid.example",
        }
    )
    assert settings.database == "postgresql+psycopg://u:p@h/d"
    assert settings.gate == "0.0.0.0:9"
    assert settings.provider_hosts_allowed == ("a:1", "b")
    assert settings.seed
    assert settings.public_url == "https://lucid.example"


def test_secrets_are_not_printed() -> None:
    settings = Settings("SECRET-A", "SECRET-B", "SECRET-C", database_url="postgres://u:SECRET-D@h/d")
    assert "SECRET-" not in repr(settings)
