"""Settings of the sessions service; the only reader of its environment."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lucid.sessions.v1.event_pb2 import NetworkMode

from services.sessions.backends.models import Providers
from services.sessions.domain.models import Confirmation


@dataclass(frozen=True)
class Settings:
    """Times in seconds. Empty keys and addresses mean: not set up; without `redis_url` this is the only replica."""

    data_dir: Path
    database_url: str
    session_secret: str
    internal_api_key: str
    encryption_key: str
    redis_url: str = ""
    sandbox_target: str = "inproc:"
    integrations_target: str = "inproc:"
    rpc_listen: str = "127.0.0.1:50051"
    providers: Providers = field(default_factory=Providers)
    max_iterations: int = 50
    conversation_timeout: float = 1800.0
    session_budget_usd: float = 0.0
    question_timeout: float = 0.0
    network: NetworkMode.ValueType = NetworkMode.NETWORK_MODE_REGISTRIES
    title_model: str = ""
    confirmation: Confirmation = Confirmation.DEFAULT
    context_window: int = 0
    compact_at: float = 0.8
    lease_seconds: float = 5.0
    sessions_at_once: int = 200

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Raises ValueError for a number that is none and an unknown word."""
        data = Path(env.get("LUCID_DATA_DIR") or "data").resolve()
        return cls(
            data_dir=data,
            database_url=env.get("DATABASE_URL") or f"sqlite+aiosqlite:///{data / 'sessions.db'}",
            session_secret=env.get("SESSION_SECRET", ""),
            internal_api_key=env.get("INTERNAL_API_KEY", ""),
            encryption_key=env.get("ENCRYPTION_KEY", ""),
            redis_url=env.get("REDIS_URL", "").strip(),
            sandbox_target=env.get("SANDBOX_TARGET") or "inproc:",
            integrations_target=env.get("INTEGRATIONS_TARGET") or "inproc:",
            rpc_listen=env.get("RPC_LISTEN") or "127.0.0.1:50051",
            providers=_providers(env),
            max_iterations=int(env.get("MAX_ITERATIONS") or 50),
            conversation_timeout=float(env.get("CONVERSATION_TIMEOUT") or 1800),
            title_model=env.get("TITLE_MODEL", ""),
            confirmation=_confirmation(env.get("CONFIRMATION_MODE", "")),
            context_window=int(env.get("CONTEXT_WINDOW") or 0),
            compact_at=_share("COMPACT_AT", env.get("COMPACT_AT") or "0.8"),
            session_budget_usd=_amount(env, "SESSION_BUDGET_USD"),
            question_timeout=_amount(env, "QUESTION_TIMEOUT"),
            network=_network(env.get("EGRESS") or "registries"),
        )


def _amount(env: Mapping[str, str], name: str) -> float:
    """0 = no bound."""
    amount = float(env.get(name) or 0)
    if not 0 <= amount < math.inf:
        raise ValueError(f"{name} must be 0 or more, not {amount}.")
    return amount


def _confirmation(name: str) -> Confirmation:
    if not name:
        return Confirmation.DEFAULT
    if name not in ("never", "risky", "always"):
        raise ValueError(f"CONFIRMATION_MODE must be never, risky or always, not {name!r}.")
    return Confirmation[name.upper()]


def _network(name: str) -> NetworkMode.ValueType:
    if name not in ("off", "registries", "list"):
        raise ValueError(f"EGRESS must be off, registries or list, not {name!r}.")
    return NetworkMode.Value(f"NETWORK_MODE_{name.upper()}")


def _share(name: str, value: str) -> float:
    share = float(value)
    if not 0 < share <= 1:
        raise ValueError(f"{name} must be a share between 0 and 1, such as 0.8.")
    return share


def _providers(env: Mapping[str, str]) -> Providers:
    return Providers(
        anthropic_api_key=env.get("ANTHROPIC_API_KEY", ""),
        anthropic_base_url=env.get("ANTHROPIC_BASE_URL", ""),
        openai_api_key=env.get("OPENAI_API_KEY", ""),
        openai_base_url=env.get("OPENAI_BASE_URL", ""),
        google_api_key=env.get("GOOGLE_API_KEY", ""),
        llm_api_key=env.get("LLM_API_KEY", ""),
        llm_base_url=env.get("LLM_BASE_URL", ""),
        default_model=env.get("DEFAULT_MODEL", ""),
        fallback_model=env.get("FALLBACK_MODEL", ""),
    )
