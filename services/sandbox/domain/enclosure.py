"""The twelve settings that close a sandbox off: what must be seen from inside, and what cannot be had everywhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from services.sandbox.domain.limits import Limits

MIB = 2**20
REFUSED_CALL = {1, 38, 97}  # EPERM, ENOSYS, EAFNOSUPPORT
REFUSED_WRITE = {1, 2, 13, 30}  # EPERM, ENOENT (not every image has a /usr), EACCES, EROFS


class Setting(Enum):
    """One of them; the value is its name for people."""

    CAPABILITIES = "no capabilities"
    NEW_PRIVILEGES = "no new privileges"
    SYSTEM_CALLS = "filter of system calls"
    USER = "an unprivileged user"
    ROOT = "read-only system files"
    PROCESSES = "limit of processes"
    MEMORY = "limit of memory"
    SWAP = "limit of swap"
    CPU = "limit of CPU"
    DISK = "limit of disk"
    NETWORK = "no network device"
    SOCKETS = "no sockets of this machine"


@dataclass(frozen=True)
class Expected:
    """What a way to confine promises. `lacking`: what it cannot give here. `measured_disk`: a limit of disk is not the
    file system's but kept by measuring. `own_kernel`: the sandbox sees another kernel than the machine's."""

    limits: Limits
    lacking: frozenset[Setting] = frozenset()
    measured_disk: bool = False
    own_kernel: bool = False


@dataclass(frozen=True)
class Finding:
    """Whether a setting holds, and what was seen."""

    setting: Setting
    holds: bool
    found: str


def judge(facts: Mapping[str, Any], expected: Expected) -> tuple[Finding, ...]:
    """All twelve, by what guest/look_around.py has seen."""
    return tuple(Finding(setting, *_look(setting, facts, expected)) for setting in Setting)


def broken(findings: tuple[Finding, ...], expected: Expected) -> tuple[Finding, ...]:
    """Those that were promised and do not hold."""
    return tuple(one for one in findings if not one.holds and one.setting not in expected.lacking)


def lacks(expected: Expected) -> tuple[str, ...]:
    """What is missing, in words for people; empty for a sandbox that has everything."""
    if expected.lacking >= set(Setting):
        return ("any confinement",)
    left = expected.lacking - ({Setting.SWAP} if Setting.MEMORY in expected.lacking else set())
    words = [setting.value for setting in Setting if setting in left and setting is not Setting.DISK]
    if Setting.DISK in left:
        words.append("enforced limit of disk (it is measured)" if expected.measured_disk else Setting.DISK.value)
    return tuple(words)


def _look(setting: Setting, facts: Mapping[str, Any], expected: Expected) -> tuple[bool, str]:
    if expected.own_kernel and setting in _KEPT_OUTSIDE:
        return True, "kept outside of the sandbox's own kernel"
    return _RULES[setting](facts, expected)


def _capabilities(facts: Mapping[str, Any], _: Expected) -> tuple[bool, str]:
    held = {name: value for name, value in facts["capabilities"].items() if value}
    return not held, ", ".join(f"{name} {value:x}" for name, value in held.items()) or "none"


def _system_calls(facts: Mapping[str, Any], expected: Expected) -> tuple[bool, str]:
    open_doors = [name for name, error in facts["calls"].items() if error not in REFUSED_CALL]
    is_filtered = expected.own_kernel or facts["seccomp"] == 2
    found = f"mode {facts['seccomp']}" + "".join(f", {name} is let through" for name in open_doors)
    return is_filtered and not open_doors, found


def _processes(facts: Mapping[str, Any], expected: Expected) -> tuple[bool, str]:
    limits = [value for value in (facts["pids"], facts["own_nproc"]) if value is not None]
    return bool(limits) and min(limits) <= expected.limits.pids, str(min(limits, default="none"))


def _memory(facts: Mapping[str, Any], expected: Expected) -> tuple[bool, str]:
    found = facts["memory"]
    return found is not None and found <= expected.limits.memory, "none" if found is None else f"{found // MIB} MiB"


def _swap(facts: Mapping[str, Any], expected: Expected) -> tuple[bool, str]:
    """Memory and swap together are what memory alone may be; without swap on the machine there is none to limit."""
    found = facts["swap"]
    if found is None:
        return facts["swap_total"] == 0, "the machine has none" if facts["swap_total"] == 0 else "none"
    return found <= expected.limits.memory, f"{found // MIB} MiB with memory"


def _cpu(facts: Mapping[str, Any], expected: Expected) -> tuple[bool, str]:
    found = facts["cpus"]
    return found is not None and found <= expected.limits.cpus + 0.005, "none" if found is None else f"{found:g} cores"


def _disk(facts: Mapping[str, Any], expected: Expected) -> tuple[bool, str]:
    size = max(facts["disks"].values(), default=0)
    return 0 < size <= expected.limits.disk, f"{size // MIB} MiB"


def _devices(facts: Mapping[str, Any], _: Expected) -> tuple[bool, str]:
    return set(facts["devices"]) <= {"lo"}, ", ".join(facts["devices"]) or "none"


def _sockets(facts: Mapping[str, Any], _: Expected) -> tuple[bool, str]:
    return not facts["sockets"], ", ".join(facts["sockets"][:5]) or "none but ours"


_KEPT_OUTSIDE = {Setting.PROCESSES, Setting.MEMORY, Setting.SWAP, Setting.CPU}
_RULES: Mapping[Setting, Callable[[Mapping[str, Any], Expected], tuple[bool, str]]] = {
    Setting.CAPABILITIES: _capabilities,
    Setting.NEW_PRIVILEGES: lambda facts, _: (facts["no_new_privileges"] == 1, str(facts["no_new_privileges"])),
    Setting.SYSTEM_CALLS: _system_calls,
    Setting.USER: lambda facts, _: (all(facts["ids"]), " ".join(map(str, facts["ids"]))),
    Setting.ROOT: lambda facts, _: (set(facts["writes"].values()) <= REFUSED_WRITE, str(facts["writes"])),
    Setting.PROCESSES: _processes,
    Setting.MEMORY: _memory,
    Setting.SWAP: _swap,
    Setting.CPU: _cpu,
    Setting.DISK: _disk,
    Setting.NETWORK: _devices,
    Setting.SOCKETS: _sockets,
}
