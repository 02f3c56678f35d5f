"""What a sandbox of bubblewrap is made of: namespaces, mounts, rights, limits, the filter of system calls.

Three programs stand one in another where the service is root: bubblewrap makes the mounts, `setpriv` becomes the
sandbox's user, and a second bubblewrap makes a user namespace that allows no further ones. The limits come last: the
kernel counts the processes of a user namespace for itself (since Linux 5.14), so one sandbox cannot use up another's.
"""

import os
import resource
from collections.abc import Mapping
from pathlib import Path

from services.sandbox.backends.folders import SANDBOX_UID
from services.sandbox.domain.limits import Limits

OPEN_FILES = 8192
SHARED = (
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/maven",
    "/etc/mime.types",
    "/etc/python3",
    "/etc/python3.11",
    "/etc/perl",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
)
ROOT_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
FOLDERS = (
    "/etc",
    "/etc/ssl",
    "/home",
    "/run",
    "/sys",
    "/sys/fs",
    "/sys/fs/cgroup",
    "/var",
    "/var/lib",
)  # made with parents that others may pass through
INSIDE = ("--uid", str(SANDBOX_UID), "--gid", str(SANDBOX_UID))


def confined(
    mounts: list[str], env: Mapping[str, str], limits: list[str], filter_fd: int | None, lock: bool
) -> list[str]:
    """All that stands before the program. `lock`: a second user namespace, which forbids further ones."""
    is_filtered = [] if filter_fd is None else ["--seccomp", str(filter_fd)]
    parts = [
        "bwrap",
        *_namespaces(),
        *([] if lock else is_filtered),
        # Without a process of bubblewrap's own in between nothing inside outlives the helper.
        *("--as-pid-1", "--new-session", "--hostname", "sandbox", "--clearenv"),
        *(part for name, value in env.items() for part in ("--setenv", name, value)),
        *mounts,
        "--",
        *_drop(),
    ]
    if lock:
        parts += ["/usr/bin/bwrap", "--unshare-user", "--disable-userns", *INSIDE, *is_filtered]
        parts += ["--dev-bind", "/", "/", "--"]
    return [*parts, *limits]


def system_mounts(limits: Limits) -> list[str]:
    """The machine's programs, read-only, and what every process needs."""
    return [
        *(part for folder in FOLDERS for part in ("--perms", "0755", "--dir", folder)),
        *_root(),
        *("--proc", "/proc", "--dev", "/dev"),
        *("--perms", "1777", "--size", str(limits.memory_files), "--tmpfs", "/tmp"),  # noqa: S108
        *("--perms", "1777", "--size", str(limits.shared_memory), "--tmpfs", "/dev/shm"),  # noqa: S108
    ]


def process_limits(limits: Limits, has_memory_group: bool) -> list[str]:
    """What the kernel holds every process to. `--data` stands in for a memory limit where no group has one.

    Not `--as`: runtimes (V8, Go, Java) reserve many times the memory that they ever use, and would not start.
    """
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = OPEN_FILES if most_files in (-1, resource.RLIM_INFINITY) else min(OPEN_FILES, most_files)
    parts = ["/usr/bin/prlimit", f"--nofile={files}:{files}", "--core=0:0", f"--nproc={limits.pids}:{limits.pids}"]
    if limits.disk:
        parts.append(f"--fsize={limits.disk}:{limits.disk}")
    if not has_memory_group:
        parts.append(f"--data={limits.memory}:{limits.memory}")
    return parts


def _namespaces() -> list[str]:
    """As root no user namespace is needed: the mounts are made by root, then the program becomes a real other user."""
    if os.geteuid() == 0:
        namespaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        keep = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
        return [*namespaces, "--cap-drop", "ALL", *keep]
    return ["--unshare-all", "--unshare-user", *INSIDE, "--disable-userns", "--cap-drop", "ALL"]


def _drop() -> list[str]:
    if os.geteuid() != 0:
        return []
    ids = [f"--reuid={SANDBOX_UID}", f"--regid={SANDBOX_UID}", "--clear-groups"]
    return ["/usr/bin/setpriv", *ids, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"]


def _root() -> list[str]:
    parts = ["--ro-bind", "/usr", "/usr"]
    for name in ROOT_LINKS:
        path = Path("/") / name
        if path.is_symlink():
            parts += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            parts += ["--ro-bind", str(path), str(path)]
    for shared in (*SHARED, *map(str, Path("/etc").glob("java-*-openjdk"))):
        parts += ["--ro-bind-try", shared, shared]
    return parts
