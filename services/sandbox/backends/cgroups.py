"""Control groups of our own for sandboxes that no engine looks after: memory, processes, CPU.

One group for each sandbox, `lucid-<data folder>/<sandbox>`, in version 2 or in the hierarchies of version 1, wherever
this service may make them: at the top (as root), or below its own group (where systemd or a container runtime has
delegated it: `Delegate=yes`). The name tells whose it is, so a later service finds it. The helper joins before it is
started, and sees its group read-only, which tells it who was killed for want of memory.
"""

import contextlib
import hashlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.rpc.logs import get_logger
from services.sandbox.domain.limits import Limits

CONTROLLERS = ("memory", "pids", "cpu")
PERIOD = 100_000
REMOVE_SECONDS = 3.0
REMOVE_PAUSE = 0.01
JOIN = 'while [ "$1" != -- ]; do echo 0 >"$1" || exit 125; shift; done; shift; exec "$@"'
log = get_logger(__name__)


@dataclass(frozen=True)
class Home:
    """Where our groups lie in one hierarchy, and which controllers it has. `inside`: where a sandbox sees its own."""

    path: Path
    controllers: tuple[str, ...]
    inside: str
    is_unified: bool


class ControlGroups:
    """Those of one data folder. Everything is found anew by name; nothing is kept but where the homes are."""

    def __init__(self, data_dir: Path, system: Path = Path("/")) -> None:
        self._name = f"lucid-{hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]}"
        self._system = system
        self._homes: tuple[Home, ...] | None = None

    def controllers(self) -> frozenset[str]:
        """Which of memory, pids and cpu can be limited here."""
        return frozenset(name for home in self._found() for name in home.controllers)

    def make(self, sandbox_id: str, limits: Limits) -> None:
        """A group with these limits; what an earlier helper left in it is ended. Raises OSError."""
        self.remove(sandbox_id)
        for home in self._found():
            group = _group(home, sandbox_id)
            for name, value in _files(home, limits):
                with contextlib.suppress(FileNotFoundError):  # swap is not counted on every machine
                    (group / name).write_text(value)

    def join(self, sandbox_id: str) -> list[str]:
        """What to put before a program so that it starts in its group, or not at all."""
        members = [str(home.path / sandbox_id / "cgroup.procs") for home in self._found()]
        return ["/bin/sh", "-c", JOIN, "sh", *members, "--"] if members else []

    def seen_inside(self, sandbox_id: str) -> list[tuple[str, str]]:
        """Folders of this machine and where the sandbox sees them."""
        return [(str(home.path / sandbox_id), home.inside) for home in self._found()]

    def remove(self, sandbox_id: str) -> None:
        """Ends what is in the group, and removes it. Safe to repeat."""
        last = time.monotonic() + REMOVE_SECONDS
        for home in self._found():
            group = home.path / sandbox_id
            while group.is_dir():
                _kill(group)
                with contextlib.suppress(OSError):
                    group.rmdir()
                    break
                if time.monotonic() > last:
                    log.warning("control group is still in use", extra={"group": str(group)})
                    return
                time.sleep(REMOVE_PAUSE)
            with contextlib.suppress(OSError):  # others are in it
                home.path.rmdir()

    def survey(self) -> set[str]:
        """Ids of the sandboxes that have a group."""
        homes = [home.path for home in self._found() if home.path.is_dir()]
        return {entry.name for path in homes for entry in path.iterdir() if entry.is_dir()}

    def _found(self) -> tuple[Home, ...]:
        if self._homes is None:
            self._homes = tuple(self._look())
        return self._homes

    def _look(self) -> Iterator[Home]:
        left = set(CONTROLLERS)
        for mount, is_unified, options in _mounts(self._system):
            own = _own(self._system, "" if is_unified else next(iter(options & set(CONTROLLERS)), "none"))
            offered = _offered(mount) if is_unified else options
            wanted = tuple(name for name in CONTROLLERS if name in offered & left)
            if not wanted:
                continue
            for parent in (mount, mount / own):
                if _prepare(parent, self._name, wanted, is_unified):
                    inside = "/sys/fs/cgroup" if is_unified else f"/sys/fs/cgroup/{wanted[0]}"
                    left -= set(wanted)
                    yield Home(parent / self._name, wanted, inside, is_unified)
                    break


def _group(home: Home, sandbox_id: str) -> Path:
    """Made anew. The home itself goes away with the last group in it, which may be just now."""
    group = home.path / sandbox_id
    for last in (False, False, True):
        home.path.mkdir(exist_ok=True)
        try:
            if home.is_unified:
                _hand_down(home.path, home.controllers)
            group.mkdir()
        except FileNotFoundError:
            if last:
                raise
        else:
            break
    return group


def _files(home: Home, limits: Limits) -> Iterator[tuple[str, str]]:
    quota = str(int(limits.cpus * PERIOD))
    unified = {
        "memory": (("memory.max", str(limits.memory)), ("memory.swap.max", "0")),
        "pids": (("pids.max", str(limits.pids)),),
        "cpu": (("cpu.max", f"{quota} {PERIOD}"),),
    }
    apart = {
        "memory": (
            ("memory.limit_in_bytes", str(limits.memory)),
            ("memory.memsw.limit_in_bytes", str(limits.memory)),
        ),
        "pids": (("pids.max", str(limits.pids)),),
        "cpu": (("cpu.cfs_period_us", str(PERIOD)), ("cpu.cfs_quota_us", quota)),
    }
    for controller in home.controllers:
        yield from (unified if home.is_unified else apart)[controller]


def _mounts(system: Path) -> Iterator[tuple[Path, bool, set[str]]]:
    """Hierarchies: where, whether it is version 2, and the controllers of one of version 1."""
    with contextlib.suppress(OSError):
        for line in (system / "proc/self/mountinfo").read_text().splitlines():
            before, _, after = line.partition(" - ")
            kind, _, options = after.split(" ", 2)
            if kind in ("cgroup", "cgroup2"):
                mount = system / before.split(" ")[4].lstrip("/")
                yield mount, kind == "cgroup2", set(options.split(","))


def _own(system: Path, controller: str) -> str:
    """The group that this process is in; of the unified hierarchy for no name."""
    with contextlib.suppress(OSError):
        for line in (system / "proc/self/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            if controller in names.split(","):
                return path.lstrip("/")
    return ""


def _offered(group: Path) -> set[str]:
    try:
        return set((group / "cgroup.controllers").read_text().split())
    except OSError:
        return set()


def _prepare(parent: Path, name: str, controllers: tuple[str, ...], is_unified: bool) -> bool:
    """Whether our home could be made there, with groups in it that have these controllers."""
    home = parent / name
    try:
        if is_unified:
            _hand_down(parent, controllers)
        home.mkdir(exist_ok=True)
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):  # another service's groups may be in it
            home.rmdir()
    return True


def _hand_down(group: Path, controllers: tuple[str, ...]) -> None:
    """Version 2: a group gives its controllers to those below only while no process is in it itself."""
    control = group / "cgroup.subtree_control"
    missing = set(controllers) - set(control.read_text().split())
    if not missing:
        return
    order = " ".join(f"+{name}" for name in sorted(missing))
    try:
        control.write_text(order)
    except OSError:
        ours = group / "lucid-service"
        ours.mkdir(exist_ok=True)
        for pid in (group / "cgroup.procs").read_text().split():
            (ours / "cgroup.procs").write_text(pid)
        control.write_text(order)


def _kill(group: Path) -> None:
    with contextlib.suppress(OSError):
        (group / "cgroup.kill").write_text("1")
        return
    with contextlib.suppress(OSError):
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
