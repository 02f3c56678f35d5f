"""The sandbox service's settings; the only reader of its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from services.sandbox.domain.limits import LEAST_DISK, Limits, Quota, size_of
from services.sandbox.domain.network import NOTHING_ALLOWED, HostRule, NetworkChoice, NetworkMode, host_rule

LONGEST = 1e8
UNITS = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
LONGEST_OUTPUT = 4 * 1024**3
POOL_SIZE = 1
STARTS_AT_ONCE = 2 * (os.cpu_count() or 1)  # the engine is no faster with more of them at once
MEMORY_EACH = 256 * 1024 * 1024  # what one takes, over many: few come near their limit at the same time
LEAST_LIMIT = 4
BACKENDS = ("auto", "docker", "bubblewrap", "process")
QUOTAS = ("auto", *(quota.value for quota in Quota))


@dataclass(frozen=True)
class Settings:
    """Sizes like "2g", `cpu_limit` in cores, `output_limit` in bytes. Empty `database_url`: SQLite in the data folder.

    Empty `database_url`: SQLite in the data folder.
    `images`: those that may be asked for besides `image`; `*` in one stands for any characters. `toolbox_image`: what
    the toolbox is made of; empty: `image`, else the one of our recipe.
    `pool_size`: sandboxes made beforehand. `starts_at_once`, `sandbox_limit`: what is beyond waits (limit 0 = none).
    `pause_after`, `idle_timeout` (seconds) and `retention` (days) since the last use of a sandbox; 0 = never.
    `look_every`: most seconds between two looks at all sandboxes.
    """

    session_secret: str = field(repr=False)
    internal_api_key: str = field(repr=False)
    data_dir: Path = Path("data")
    database_url: str = field(default="", repr=False)
    rpc_listen: str = "127.0.0.1:50051"
    gate_target: str = ""
    backend: str = "auto"
    allow_unconfined: bool = False
    image: str = "lucid-sandbox:latest"
    images: tuple[str, ...] = ()
    toolbox_image: str = ""
    memory_limit: str = "2g"
    cpu_limit: float = 1.0
    pids_limit: int = 512
    disk_limit: str = "10g"
    disk_quota: str = "auto"
    runtime: str = ""
    output_limit: int = 512 * 1024 * 1024
    container_prefix: str = "lucid-sandbox-"
    workspace: str = "/workspace"
    docker_socket: str = "/var/run/docker.sock"
    pause_after: float = 120.0
    idle_timeout: float = 1800.0
    retention: float = 14.0
    look_every: float = 10.0
    network: NetworkChoice = NOTHING_ALLOWED
    ca_file: str = ""
    pool_size: int = 0
    starts_at_once: int = STARTS_AT_ONCE
    sandbox_limit: int = 0

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Names as in the README's table. Raises ValueError where a secret is missing or a value makes no sense."""
        missing = [name for name in ("SESSION_SECRET", "INTERNAL_API_KEY") if not env.get(name)]
        if missing:
            msg = f"sandbox needs {', '.join(missing)} in its environment"
            raise ValueError(msg)
        return cls(
            session_secret=env["SESSION_SECRET"],
            internal_api_key=env["INTERNAL_API_KEY"],
            data_dir=data_dir_of(env),
            database_url=env.get("DATABASE_URL", ""),
            rpc_listen=env.get("RPC_LISTEN") or cls.rpc_listen,
            gate_target=env.get("GATE_TARGET", ""),
            backend=_backend(env.get("SANDBOX_BACKEND") or cls.backend),
            allow_unconfined=env.get("SANDBOX_ALLOW_UNCONFINED", "") == "1",
            image=env.get("SANDBOX_IMAGE") or cls.image,
            images=tuple(name for name in map(str.strip, env.get("SANDBOX_IMAGES", "").split(",")) if name),
            toolbox_image=env.get("SANDBOX_TOOLBOX_IMAGE", ""),
            memory_limit=env.get("SANDBOX_MEMORY_LIMIT") or cls.memory_limit,
            cpu_limit=float(env.get("SANDBOX_CPU_LIMIT") or cls.cpu_limit),
            pids_limit=int(env.get("SANDBOX_PIDS_LIMIT") or cls.pids_limit),
            disk_limit=env.get("SANDBOX_DISK_LIMIT") or cls.disk_limit,
            disk_quota=_quota(env),
            runtime=env.get("SANDBOX_RUNTIME", ""),
            output_limit=_bytes("SANDBOX_OUTPUT_LIMIT", env.get("SANDBOX_OUTPUT_LIMIT") or str(cls.output_limit)),
            container_prefix=env.get("SANDBOX_CONTAINER_PREFIX") or cls.container_prefix,
            workspace=env.get("WORKSPACE_MOUNT_PATH") or cls.workspace,
            pool_size=_number(env, "SANDBOX_POOL_SIZE", POOL_SIZE, 0),
            starts_at_once=_number(env, "SANDBOX_STARTS_AT_ONCE", cls.starts_at_once, 1),
            sandbox_limit=_number(env, "SANDBOX_LIMIT", _limit_by_memory(), 0),
            pause_after=_duration(env, "SANDBOX_PAUSE_AFTER", cls.pause_after),
            idle_timeout=_duration(env, "SANDBOX_IDLE_TIMEOUT", cls.idle_timeout),
            retention=_duration(env, "SANDBOX_RETENTION", cls.retention),
            docker_socket=_socket(env.get("DOCKER_HOST") or f"unix://{cls.docker_socket}"),
            network=_network(env),
            ca_file=env.get("SANDBOX_CA_FILE", ""),
        )

    @property
    def limits(self) -> Limits:
        """What one sandbox may have. Raises ValueError."""
        return Limits(size_of(self.memory_limit), self.cpu_limit, self.pids_limit, _disk(self.disk_limit))

    @property
    def database(self) -> str:
        """SQLAlchemy URL with its asynchronous driver."""
        if not self.database_url:
            return f"sqlite+aiosqlite:///{self.data_dir.resolve() / 'sandbox.db'}"
        for plain in ("postgresql://", "postgres://"):
            if self.database_url.startswith(plain):
                return self.database_url.replace(plain, "postgresql+psycopg://", 1)
        return self.database_url

    @property
    def gate(self) -> str:
        """Where the git gate listens: `unix:/path` or `host:port`."""
        return self.gate_target or f"unix:{self.data_dir.resolve() / 'run' / 'gate.sock'}"


def data_dir_of(env: Mapping[str, str]) -> Path:
    """Where everything lies; all that ending sandboxes needs to know."""
    return Path(env.get("LUCID_DATA_DIR") or "data").resolve()


def _bytes(name: str, text: str) -> int:
    """As Docker writes it: 512m is 512 MiB."""
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].isalpha() else (text, "b")
    if not number.isdecimal() or unit not in UNITS or not 0 < int(number) * UNITS[unit] < LONGEST_OUTPUT:
        msg = f"{name} is {text!r}; it can be a number of bytes below 4g, such as 512m"
        raise ValueError(msg)
    return int(number) * UNITS[unit]


def _number(env: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = env.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) < least:
        msg = f"{name} is {text!r}; it can be a whole number from {least} on"
        raise ValueError(msg)
    return int(text)


def _limit_by_memory() -> int:
    try:
        first = Path("/proc/meminfo").read_text().split()  # MemTotal: 24037468 kB
        return max(LEAST_LIMIT, int(first[1]) * 1024 // MEMORY_EACH)
    except (OSError, ValueError, IndexError):
        return 0


def _backend(name: str) -> str:
    if name not in BACKENDS:
        msg = f"SANDBOX_BACKEND is {name!r}; it can be {', '.join(BACKENDS)}"
        raise ValueError(msg)
    return name


def _disk(limit: str) -> int:
    """Bytes; 0 = as much as there is."""
    return 0 if limit in ("", "0", "none") else size_of(limit)


def _quota(env: Mapping[str, str]) -> str:
    name = env.get("SANDBOX_DISK_QUOTA") or Settings.disk_quota
    if name not in QUOTAS:
        msg = f"SANDBOX_DISK_QUOTA is {name!r}; it can be {', '.join(QUOTAS)}"
        raise ValueError(msg)
    if name in ("auto", Quota.NONE.value):
        return name
    # Another backend would take its place in silence, and only measure.
    if env.get("SANDBOX_BACKEND") != "docker":
        msg = f"SANDBOX_DISK_QUOTA is {name!r}, which containers alone can have: it needs SANDBOX_BACKEND=docker"
        raise ValueError(msg)
    if _disk(env.get("SANDBOX_DISK_LIMIT") or Settings.disk_limit) < LEAST_DISK:
        msg = f"SANDBOX_DISK_QUOTA is {name!r}, which needs a SANDBOX_DISK_LIMIT of {LEAST_DISK // 2**20}m at least"
        raise ValueError(msg)
    return name


def _duration(env: Mapping[str, str], name: str, default: float) -> float:
    """0 = never."""
    given = env.get(name) or str(default)
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not 0 <= value < LONGEST:
        msg = f"{name} is {given!r}; it is a number, 0 or more"
        raise ValueError(msg)
    return value


def _network(env: Mapping[str, str]) -> NetworkChoice:
    mode = env.get("EGRESS") or NetworkMode.REGISTRIES.value
    if mode not in {known.value for known in NetworkMode}:
        msg = f"EGRESS is {mode!r}; it can be {', '.join(known.value for known in NetworkMode)}"
        raise ValueError(msg)
    private = frozenset(map(str, _rules(env, "EGRESS_PRIVATE_HOSTS")))
    registries, hosts = (
        tuple(replace(rule, private=str(rule) in private) for rule in _rules(env, name))
        for name in ("EGRESS_REGISTRIES", "EGRESS_HOSTS")
    )
    return NetworkChoice(NetworkMode(mode), registries, hosts)


def _rules(env: Mapping[str, str], name: str) -> list[HostRule]:
    try:
        return [host_rule(text) for text in env.get(name, "").split(",") if text.strip()]
    except ValueError as error:
        msg = f"{name}: {error}"
        raise ValueError(msg) from None


def _socket(docker_host: str) -> str:
    if not docker_host.startswith("unix://"):
        msg = f"DOCKER_HOST is {docker_host!r}: the sandbox service runs beside its engine and needs a unix:// address"
        raise ValueError(msg)
    return docker_host.removeprefix("unix://")
