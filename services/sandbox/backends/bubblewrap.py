"""Namespaces by bubblewrap: no network, no rights, /usr read-only, its own processes, and what limits can be had."""

import asyncio
import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from services.rpc.logs import get_logger
from services.sandbox.backends import pipes
from services.sandbox.backends.bubblewrap_shape import confined, process_limits, system_mounts
from services.sandbox.backends.cgroups import ControlGroups
from services.sandbox.backends.folders import SANDBOX_UID, Folders
from services.sandbox.backends.seccomp import bpf
from services.sandbox.domain.enclosure import Expected, Setting
from services.sandbox.domain.errors import SandboxUnavailable
from services.sandbox.domain.limits import Limits
from services.sandbox.domain.models import Arrival, Confinement, Sandbox
from services.sandbox.ports import Attachment, Place

WORKSPACE = "/workspace"
STATE = "/var/lib/lucid"
RUN = "/run/lucid"
PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")
ACCOUNTS = "root:x:0:0:root:/root:/usr/sbin/nologin\nsandbox:x:1000:1000:sandbox:/var/lib/lucid/home:/bin/bash\n"
GROUP = "root:x:0:\nsandbox:x:1000:\n"
HOSTS = "127.0.0.1 localhost sandbox\n::1 localhost\n"
USER_NAMESPACES = (
    "This kernel lets this user make no user namespaces. As root: sysctl kernel.unprivileged_userns_clone=1 (Debian), "
    "user.max_user_namespaces=10000, or kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); or run the sandbox "
    "service as root, or use Docker"
)
log = get_logger(__name__)


class BubblewrapLauncher:
    """See ports.Launcher. The sandbox is the helper's process, which outlives us; after it only the folders stay."""

    confinement = Confinement.BUBBLEWRAP

    def __init__(self, data_dir: Path, limits: Limits) -> None:
        self._folders = Folders(data_dir)
        self._groups = ControlGroups(data_dir)
        self._limits = limits
        self._runs: dict[str, str] = {}
        self._lock: bool | None = None

    async def usable(self) -> str:
        """Empty if bubblewrap works here, else why not."""
        if shutil.which("bwrap") is None:
            return "bubblewrap is not installed (apt-get install bubblewrap)"
        if not python_inside():
            return "there is no python3 below /usr"
        if os.geteuid() == 0 and not await self._probe(lock=True):
            self._lock = True
            return ""
        complaint = await self._probe(lock=False)
        if not complaint:  # where the sandbox's user may make no user namespaces, none need be locked away
            self._lock = False
        return _with_remedy(complaint)

    def place(self, body: str) -> Place:
        """See ports.Launcher."""
        return Place(
            workspace=WORKSPACE,
            state=STATE,
            run=RUN,
            python=(python_inside(),),
            own_namespace=True,
            disk_limit=self._limits.disk,
        )

    async def image(self, asked: str) -> str:
        """See ports.Launcher."""
        return ""

    def images(self) -> tuple[str, ...]:
        """See ports.Launcher."""
        return ()

    async def expected(self, body: str = "") -> Expected:
        """See ports.Launcher."""
        if self._lock is None and (reason := await self.usable()):
            raise SandboxUnavailable(reason)
        groups = await asyncio.to_thread(self._groups.controllers)
        has_own_count = os.geteuid() != 0 or bool(self._lock)
        given = {
            Setting.SYSTEM_CALLS: bpf.is_known(),
            Setting.PROCESSES: "pids" in groups or (has_own_count and counts_by_namespace()),
            Setting.MEMORY: "memory" in groups,
            Setting.SWAP: "memory" in groups,
            Setting.CPU: "cpu" in groups,
            Setting.DISK: False,
        }
        lacking = frozenset(setting for setting, is_given in given.items() if not is_given)
        return Expected(self._limits, lacking, measured_disk=bool(self._limits.disk))

    async def launch(self, sandbox: Sandbox, run_directory: str) -> Arrival:
        """See ports.Launcher."""
        owner = SANDBOX_UID if os.geteuid() == 0 else None
        if self._lock is None and (reason := await self.usable()):
            raise SandboxUnavailable(reason)
        kept = await asyncio.to_thread(self._folders.make, sandbox.body, owner)
        try:
            await asyncio.to_thread(self._groups.make, sandbox.body, self._limits)
        except OSError as error:
            raise SandboxUnavailable(f"The control group cannot be made: {error.strerror}") from error
        for name, text in (("passwd", ACCOUNTS), ("group", GROUP), ("hosts", HOSTS)):
            await asyncio.to_thread((Path(run_directory) / name).write_text, text)
        self._runs[sandbox.body] = run_directory
        return Arrival(created=True, workspace_kept=kept)

    async def attach(self, sandbox: Sandbox, argv: list[str], env: Mapping[str, str]) -> Attachment:
        """See ports.Launcher."""
        body = sandbox.body
        with _filter() as filter_fd:
            inside = confined(self._mounts(body), env, self._process_limits(), filter_fd, bool(self._lock))
            whole = [*self._groups.join(body), *inside, *argv]
            return await pipes.start(whole, {"PATH": "/usr/bin:/bin"}, "/", _given(filter_fd))

    async def recipe(self, sandbox: Sandbox) -> str:
        """See ports.Launcher."""
        return f"{confined(self._mounts(''), {}, self._process_limits(), 0, bool(self._lock))} {self._limits}"

    async def rename(self, sandbox: Sandbox) -> None:
        """See ports.Launcher. Its folders go by the body."""

    async def remove(self, body: str, keep_workspace: bool) -> None:
        """See ports.Launcher."""
        self._runs.pop(body, None)
        await asyncio.to_thread(self._groups.remove, body)
        if not keep_workspace:
            await asyncio.to_thread(self._folders.remove, body)

    async def survey(self) -> set[str]:
        """See ports.Launcher."""
        return await asyncio.to_thread(self._folders.survey) | await asyncio.to_thread(self._groups.survey)

    async def pause(self, sandbox: Sandbox) -> bool:
        """See ports.Launcher. There is nothing to pause: what is idle uses no processor, and nothing else is paused."""
        return False

    async def resume(self, sandbox: Sandbox) -> bool:
        """See ports.Launcher."""
        return True

    async def condition(self, sandbox: Sandbox) -> str:
        """See ports.Launcher. It is its helper's process, and nothing of it is left when that has ended."""
        return "its process ended"

    def _process_limits(self) -> list[str]:
        return process_limits(self._limits, "memory" in self._groups.controllers())

    def _mounts(self, body: str) -> list[str]:
        run = self._runs.get(body, "")
        return [
            *system_mounts(self._limits),
            *("--ro-bind", f"{run}/passwd", "/etc/passwd"),
            *("--ro-bind", f"{run}/group", "/etc/group"),
            *("--ro-bind", f"{run}/hosts", "/etc/hosts"),
            *("--bind", str(self._folders.workspace(body)), WORKSPACE),
            *("--bind", str(self._folders.state(body)), STATE),
            *("--ro-bind", run, RUN),
            *(part for outside, inside in self._groups.seen_inside(body) for part in ("--ro-bind", outside, inside)),
            *("--remount-ro", "/", "--chdir", WORKSPACE),
        ]

    async def _probe(self, lock: bool) -> str:
        """Empty if a sandbox of this shape starts here, else what bubblewrap says."""
        with _filter() as filter_fd:
            shape = confined(system_mounts(self._limits), {}, self._process_limits(), filter_fd, lock)
            try:
                attachment = await pipes.start(
                    [*shape, "/bin/echo", "ok"], {"PATH": "/usr/bin:/bin"}, "/", _given(filter_fd)
                )
            except SandboxUnavailable as error:
                return error.message
            said = b""
            while part := await attachment.read():
                said += part
        complaint = await attachment.complaint()
        await attachment.close()
        return "" if said == b"ok\n" else complaint or "bubblewrap does not start, and does not say why"


def python_inside() -> str:
    """An interpreter that is seen inside: one below /usr."""
    return next((path for path in PYTHONS if Path(path).exists()), "")


def _with_remedy(complaint: str) -> str:
    """What bubblewrap says, and what an operator can do where the kernel is the cause."""
    if complaint and any(word in complaint for word in ("namespace", "uid map", "not permitted", "Permission denied")):
        return f"{complaint}. {USER_NAMESPACES}"
    return complaint


def counts_by_namespace() -> bool:
    """Whether the kernel counts the processes of a user namespace for itself (since Linux 5.14)."""
    major, minor = (int(re.sub(r"\D.*", "", part) or 0) for part in os.uname().release.split(".")[:2])
    return (major, minor) >= (5, 14)


@contextmanager
def _filter() -> Iterator[int | None]:
    """The filter of system calls as an open file; None on a machine whose calls we have no numbers for."""
    if not bpf.is_known():
        log.warning("no filter of system calls for this kind of machine", extra={"machine": platform.machine()})
        yield None
        return
    fd = os.memfd_create("lucid-seccomp")
    try:
        os.write(fd, bpf.program())
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _given(filter_fd: int | None) -> tuple[int, ...]:
    return () if filter_fd is None else (filter_fd,)
