"""Integrations' settings; the only reader of its environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SEEDS = Path(__file__).resolve().parents[2] / "deploy" / "seed"


@dataclass(frozen=True)
class Settings:
    """`gate_listen` and `rpc_listen`: `unix:/path` or `host:port`. Empty `database_url`: SQLite in the data folder."""

    session_secret: str = field(repr=False)
    internal_api_key: str = field(repr=False)
    encryption_key: str = field(repr=False)
    data_dir: Path = Path("data")
    database_url: str = field(default="", repr=False)
    rpc_listen: str = "127.0.0.1:50051"
    gate_listen: str = ""
    github_url: str = "https://github.com"
    github_api_url: str = "https://api.github.com"
    gitlab_url: str = "https://gitlab.com"
    public_url: str = "http://127.0.0.1:8000"
    provider_hosts_allowed: tuple[str, ...] = ()
    repository_cache_gb: float = 5.0
    seed: bool = False
    seed_dir: Path = SEEDS

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Names as in the README's table. Raises ValueError where a secret is missing."""
        missing = [name for name in ("SESSION_SECRET", "INTERNAL_API_KEY", "ENCRYPTION_KEY") if not env.get(name)]
        if missing:
            msg = f"integrations needs {', '.join(missing)} in its environment"
            raise ValueError(msg)
        return cls(
            session_secret=env["SESSION_SECRET"],
            internal_api_key=env["INTERNAL_API_KEY"],
            encryption_key=env["ENCRYPTION_KEY"],
            data_dir=Path(env.get("LUCID_DATA_DIR") or "data"),
            database_url=env.get("DATABASE_URL", ""),
            rpc_listen=env.get("RPC_LISTEN") or cls.rpc_listen,
            gate_listen=env.get("GATE_LISTEN", ""),
            github_url=env.get("GITHUB_URL") or cls.github_url,
            github_api_url=env.get("GITHUB_API_URL") or cls.github_api_url,
            gitlab_url=env.get("GITLAB_URL") or cls.gitlab_url,
            public_url=env.get("PUBLIC_URL") or f"http://{env.get('HOST') or '127.0.0.1'}:{env.get('PORT') or 8000}",
            provider_hosts_allowed=tuple(_words(env.get("PROVIDER_HOSTS_ALLOWED", ""))),
            repository_cache_gb=_amount(env, "REPOSITORY_CACHE_GB", cls.repository_cache_gb),
            seed=env.get("LUCID_SEED", "") == "1",
            seed_dir=Path(env.get("LUCID_SEED_DIR") or SEEDS),
        )

    @property
    def database(self) -> str:
        """SQLAlchemy URL with its asynchronous driver."""
        if not self.database_url:
            return f"sqlite+aiosqlite:///{self.data_dir.resolve() / 'integrations.db'}"
        for plain in ("postgresql://", "postgres://"):
            if self.database_url.startswith(plain):
                return self.database_url.replace(plain, "postgresql+psycopg://", 1)
        return self.database_url

    @property
    def gate(self) -> str:
        """Where the gate listens."""
        return self.gate_listen or f"unix:{self.data_dir.resolve() / 'run' / 'gate.sock'}"

    @property
    def repositories(self) -> Path:
        """Local bare repositories."""
        return self.data_dir.resolve() / "repos"

    @property
    def repository_copies(self) -> Path:
        """Copies of hosted repositories."""
        return self.data_dir.resolve() / "copies"


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _amount(env: Mapping[str, str], name: str, default: float) -> float:
    try:
        amount = float(env.get(name) or default)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        msg = f"{name} must be a number of gigabytes; 0 for none"
        raise ValueError(msg)
    return amount
