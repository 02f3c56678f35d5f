"""The gateway's settings; the only reader of its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WEB_DIST = Path(__file__).parent / "web" / "dist"


@dataclass(frozen=True)
class Settings:
    """Addresses, secrets and switches. Times are seconds, sizes bytes."""

    session_secret: str
    internal_api_key: str
    host: str = "127.0.0.1"
    port: int = 8000
    rpc_listen: str = "127.0.0.1:50051"
    data_dir: Path = Path("data")
    database_url: str = ""
    sessions_target: str = "inproc:"
    sandbox_target: str = "inproc:"
    integrations_target: str = "inproc:"
    auth_dev_login: bool = False
    allowed_origins: tuple[str, ...] = ()
    web_dist: Path = WEB_DIST
    github_url: str = "https://github.com"
    gitlab_url: str = "https://gitlab.com"
    access_token_ttl: int = 15 * 60
    max_body: int = 5 * 1024 * 1024
    watches_per_socket: int = 64
    # What may wait for one watch of a slow reader, and how long it may not move at all.
    watch_buffer: int = 1024 * 1024
    watch_stall: float = 10.0
    # How often a socket asks whether its person is still signed in.
    recheck: float = 60.0

    @property
    def store_url(self) -> str:
        """SQLAlchemy's address of the database."""
        if not self.database_url:
            return f"sqlite+aiosqlite:///{self.data_dir / 'gateway.db'}"
        scheme, _, rest = self.database_url.partition("://")
        return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else self.database_url

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Reads the names of the contract; unset ones keep their default."""
        text = {name: value.strip() for name, value in env.items()}
        origins = (origin.strip().rstrip("/") for origin in text.get("ALLOWED_ORIGINS", "").split(","))
        return cls(
            session_secret=text.get("SESSION_SECRET", ""),
            internal_api_key=text.get("INTERNAL_API_KEY", ""),
            host=text.get("HOST") or cls.host,
            port=int(text.get("PORT") or cls.port),
            rpc_listen=text.get("RPC_LISTEN") or cls.rpc_listen,
            data_dir=Path(text.get("LUCID_DATA_DIR") or cls.data_dir),
            database_url=text.get("DATABASE_URL", ""),
            sessions_target=text.get("SESSIONS_TARGET") or cls.sessions_target,
            sandbox_target=text.get("SANDBOX_TARGET") or cls.sandbox_target,
            integrations_target=text.get("INTEGRATIONS_TARGET") or cls.integrations_target,
            auth_dev_login=text.get("AUTH_DEV_LOGIN", "") == "1",
            allowed_origins=tuple(origin for origin in origins if origin),
            web_dist=Path(text.get("WEB_DIST") or cls.web_dist),
            github_url=(text.get("GITHUB_URL") or cls.github_url).rstrip("/"),
            gitlab_url=(text.get("GITLAB_URL") or cls.gitlab_url).rstrip("/"),
        )
