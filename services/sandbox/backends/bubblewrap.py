"""Namespaces by bubblewrap: no network, no rights, /usr read-only, its own processes. No memory or CPU limit."""

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from services.sandbox.backends import pipes
from services.sandbox.backends.folders import SANDBOX_UID, Folders
from services.sandbox.domain.errors import SandboxUnavailable
from services.sandbox.domain.models import Arrival, Confinement, Sandbox
from services.sandbox.ports import Attachment, Place

WORKSPACE = "/workspace"
STATE = "/var/lib/lucid"
RUN = "/run/lucid"
TMP_BYTES = 1024 * 1024 * 1024
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
PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")
ROOT_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
FOLDERS = ("/etc", "/etc/ssl", "/home", "/run", "/var", "/var/lib")  # made with parents that others may pass through
LIMITS = ("/usr/bin/prlimit", "--nofile=8192:8192", "--nproc=4096:4096", "--core=0:0")
ACCOUNTS = "root:x:0:0:root:/root:/usr/sbin/nologin\nsandbox:x:1000:1000:sandbox:/var/lib/lucid/home:/bin/bash\n"
GROUP = "root:x:0:\nsandbox:x:1000:\n"
HOSTS = "127.0.0.1 localhost sandbox\n::1 localhost\n"


class BubblewrapLauncher:
    """See ports.Launcher. The sandbox is the helper's process, which outlives us; after it only the folders stay."""

    confinement = Confinement.BUBBLEWRAP

    def __init__(self, data_dir: Path) -> None:
        self._folders = Folders(data_dir)
        self._runs: dict[str, str] = {}
        self._lock: list[str] | None = None

    async def usable(self) -> str:
        """Empty if bubblewrap works here, else why not."""
        if shutil.which("bwrap") is None:
            return "bubblewrap is not installed"
        if not python_inside():
            return "there is no python3 below /usr"
        if not await _probe(_lock()):
            self._lock = _lock()
            return ""
        self._lock = []  # where the sandbox's user may make no user namespaces, none need be locked away
        return await _probe([])

    def place(self, sandbox_id: str) -> Place:
        """See ports.Launcher."""
        return Place(workspace=WORKSPACE, state=STATE, run=RUN, python=(python_inside(),), own_namespace=True)

    async def image(self, asked: str) -> str:
        """See ports.Launcher."""
        return ""

    def images(self) -> tuple[str, ...]:
        """See ports.Launcher."""
        return ()

    async def launch(self, sandbox: Sandbox, run_directory: str) -> Arrival:
        """See ports.Launcher."""
        owner = SANDBOX_UID if os.geteuid() == 0 else None
        if self._lock is None and (reason := await self.usable()):
            raise SandboxUnavailable(reason)
        kept = await asyncio.to_thread(self._folders.make, sandbox.sandbox_id, owner)
        for name, text in (("passwd", ACCOUNTS), ("group", GROUP), ("hosts", HOSTS)):
            await asyncio.to_thread((Path(run_directory) / name).write_text, text)
        self._runs[sandbox.sandbox_id] = run_directory
        return Arrival(created=True, workspace_kept=kept)

    async def attach(self, sandbox: Sandbox, argv: list[str], env: Mapping[str, str]) -> Attachment:
        """See ports.Launcher."""
        return await pipes.start([*self._confine(sandbox.sandbox_id, env), *argv], {"PATH": "/usr/bin:/bin"}, "/")

    async def remove(self, sandbox_id: str, keep_workspace: bool) -> None:
        """See ports.Launcher."""
        self._runs.pop(sandbox_id, None)
        if not keep_workspace:
            await asyncio.to_thread(self._folders.remove, sandbox_id)

    async def survey(self) -> set[str]:
        """See ports.Launcher."""
        return await asyncio.to_thread(self._folders.survey)

    async def pause(self, sandbox_id: str) -> bool:
        """See ports.Launcher. There is nothing to pause: what is idle uses no processor, and nothing else is paused."""
        return False

    async def resume(self, sandbox_id: str) -> bool:
        """See ports.Launcher."""
        return True

    async def condition(self, sandbox_id: str) -> str:
        """See ports.Launcher. It is its helper's process, and nothing of it is left when that has ended."""
        return "its process ended"

    def _confine(self, sandbox_id: str, env: Mapping[str, str]) -> list[str]:
        run = self._runs[sandbox_id]
        return [
            "bwrap",
            *_namespaces(),
            # Without a process of bubblewrap's own in between nothing inside outlives the helper.
            *("--as-pid-1", "--new-session", "--hostname", "sandbox", "--clearenv"),
            *(part for name, value in env.items() for part in ("--setenv", name, value)),
            *(part for folder in FOLDERS for part in ("--perms", "0755", "--dir", folder)),
            *_root(),
            *("--ro-bind", f"{run}/passwd", "/etc/passwd"),
            *("--ro-bind", f"{run}/group", "/etc/group"),
            *("--ro-bind", f"{run}/hosts", "/etc/hosts"),
            *("--proc", "/proc", "--dev", "/dev"),
            *("--perms", "1777", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"),  # noqa: S108
            *("--bind", str(self._folders.workspace(sandbox_id)), WORKSPACE),
            *("--bind", str(self._folders.state(sandbox_id)), STATE),
            *("--ro-bind", run, RUN),
            *("--remount-ro", "/", "--chdir", WORKSPACE, "--"),
            *LIMITS,
            *_drop(),
            *(self._lock or []),
        ]


def python_inside() -> str:
    """An interpreter that is seen inside: one below /usr."""
    return next((path for path in PYTHONS if Path(path).exists()), "")


def _namespaces() -> list[str]:
    """As root no user namespace is needed: the mounts are made by root, then the program becomes a real other user."""
    if os.geteuid() == 0:
        namespaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        keep = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
        return [*namespaces, "--cap-drop", "ALL", *keep]
    inside = ["--uid", str(SANDBOX_UID), "--gid", str(SANDBOX_UID)]
    return ["--unshare-all", "--unshare-user", *inside, "--disable-userns", "--cap-drop", "ALL"]


def _drop() -> list[str]:
    if os.geteuid() != 0:
        return []
    ids = [f"--reuid={SANDBOX_UID}", f"--regid={SANDBOX_UID}", "--clear-groups"]
    return ["/usr/bin/setpriv", *ids, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"]


def _lock() -> list[str]:
    """A user namespace that allows no further ones, where `_namespaces` made none: they open doors into the kernel."""
    if os.geteuid() != 0:
        return []
    inside = ["--uid", str(SANDBOX_UID), "--gid", str(SANDBOX_UID)]
    return ["/usr/bin/bwrap", "--unshare-user", "--disable-userns", *inside, "--dev-bind", "/", "/", "--"]


async def _probe(lock: list[str]) -> str:
    """Empty if a sandbox of this shape starts here, else what bubblewrap says."""
    seen = [*_root(), "--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108
    shape = [*_namespaces(), *seen, "--", *LIMITS, *_drop(), *lock]
    try:
        attachment = await pipes.start(["bwrap", *shape, "/bin/true"], {"PATH": "/usr/bin:/bin"}, "/")
    except SandboxUnavailable as error:
        return error.message
    while await attachment.read():
        pass
    complaint = await attachment.complaint()
    await attachment.close()
    return complaint


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
