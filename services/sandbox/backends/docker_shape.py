"""What a container is made of: names, labels, rights, limits, mounts. Pure values; the launcher hands them on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.types import LogConfig, Mount, Ulimit

from services.sandbox.backends.seccomp import profile
from services.sandbox.domain.limits import Limits
from services.sandbox.domain.models import Sandbox

STATE = "/var/lib/lucid"
RUN = "/run/lucid"
USER = "1000:1000"
PAGE = 4096
MAIN = ["sleep", "infinity"]


@dataclass(frozen=True)
class DockerOptions:
    """What the operator can choose.

    `images`: those allowed besides `image`. `toolbox_sources`: images to make the toolbox of; the first that is there.
    `disk_quota`: "auto" or the name of one. `data_dir`: where disk images lie.
    """

    socket_path: str
    image: str
    limits: Limits
    runtime: str
    prefix: str
    workspace: str
    instance: str
    images: tuple[str, ...] = ()
    toolbox_sources: tuple[str, ...] = ()
    disk_quota: str = "none"
    data_dir: Path = Path("data")


def container_name(options: DockerOptions, sandbox_id: str) -> str:
    """The container of a sandbox."""
    return f"{options.prefix}{sandbox_id}"


def volume_names(container: str) -> tuple[str, str]:
    """The volumes of the container that was made under this name: the workspace, the state."""
    return container, f"{container}-state"


def labels(options: DockerOptions, sandbox: Sandbox) -> dict[str, str]:
    """By which a restarted service finds what is its own."""
    return {
        "lucid.managed": "true",
        "lucid.instance": options.instance,
        "lucid.sandbox": sandbox.body,
        "lucid.session_id": sandbox.session_id,
        "lucid.user_id": sandbox.owner_id,
    }


def shape(
    options: DockerOptions, container: str, volumes: tuple[str, str], labels: dict[str, str], run_directory: str
) -> dict[str, Any]:
    """Arguments of the container's creation, all but image and command. `run_directory`: on the host."""
    return {
        "name": container,
        "labels": labels,
        "hostname": "sandbox",
        "user": USER,
        "working_dir": options.workspace,
        "entrypoint": [],
        "init": True,
        "runtime": options.runtime or None,
        "log_config": LogConfig(type="none"),
        **_confined(),
        **_limited(options),
        "mounts": _mounts(options, volumes, run_directory),
    }


def _confined() -> dict[str, Any]:
    return {
        "read_only": True,
        "network_mode": "none",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", f"seccomp={profile.text()}"],
    }


def _limited(options: DockerOptions) -> dict[str, Any]:
    return {
        "pids_limit": options.limits.pids,
        "mem_limit": options.limits.memory,
        "memswap_limit": options.limits.memory,
        "nano_cpus": int(options.limits.cpus * 1_000_000_000),
        "ulimits": [Ulimit(name="nofile", soft=8192, hard=8192), Ulimit(name="core", soft=0, hard=0)],
        "tmpfs": {"/tmp": f"rw,exec,nosuid,nodev,size={options.limits.memory_files},mode=1777"},  # noqa: S108
        "shm_size": options.limits.shared_memory,
        "sysctls": {"kernel.shmall": str(options.limits.shared_memory // PAGE)},
    }


def _mounts(options: DockerOptions, volumes: tuple[str, str], run_directory: str) -> list[Mount]:
    workspace, state = volumes
    return [
        Mount(options.workspace, workspace, type="volume"),
        Mount(STATE, state, type="volume"),
        Mount(RUN, run_directory, type="bind", read_only=True),
    ]
