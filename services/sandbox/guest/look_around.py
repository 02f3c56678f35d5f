"""The text given to `python3 -c`, once for each kind of sandbox: what of the twelve settings is seen from inside.

Prints one JSON object. It judges nothing; see domain/enclosure.py. Arguments: the workspace, the state folder, the run
folder.
"""
# ruff: noqa: PTH108, PTH118, PTH123, PTH208

from __future__ import annotations

import ctypes
import json
import os
import resource
import socket
import stat
import sys
from typing import Any

GROUP = "/sys/fs/cgroup"
IO_URING_SETUP = 425  # the same on every machine
CLONE_NEWUSER = 0x10000000
AF_ALG, AF_VSOCK = 38, 40
DEEP = 3
ENTRIES = 20000


def read(path: str) -> str:
    """A small file; empty where it is not there."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def number(text: str) -> int | None:
    """None for "max", for what is not there, and for what version 1 writes where there is no limit."""
    return int(text) if text.isdigit() and int(text) < 2**60 else None


def status() -> dict[str, str]:
    """What the kernel says of this process."""
    lines = (line.partition(":") for line in read("/proc/self/status").splitlines())
    return {name: value.strip() for name, _, value in lines}


def refused_call(call: Any) -> int:
    """The error it fails with; 0 if it does not."""
    try:
        call()
    except OSError as error:
        return error.errno or -1
    return 0


def io_uring() -> None:
    """Raises OSError where there is none. The arguments are wrong: a kernel that looks at them says EFAULT."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(IO_URING_SETUP, 1, 0) < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")


def unshare() -> None:
    """Raises OSError where no user namespace can be made. Comes last: it changes this process."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) < 0:
        raise OSError(ctypes.get_errno(), "unshare")


def refused_write(folder: str) -> int:
    """The error that a new file in it fails with; 0 if it does not."""
    path = os.path.join(folder, ".lucid-look")

    def write() -> None:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        os.unlink(path)

    return refused_call(write)


def swap() -> int | None:
    """Memory and swap together, in bytes; None where it is not limited, or not counted."""
    both = number(read(GROUP + "/memory/memory.memsw.limit_in_bytes"))
    alone, memory = number(read(GROUP + "/memory.swap.max")), number(read(GROUP + "/memory.max"))
    return both if both is not None else (None if alone is None or memory is None else alone + memory)


def cpus() -> float | None:
    """Cores; None where there is no limit."""
    for folder in ("", "/cpu", "/cpu,cpuacct"):
        quota, _, period = read(GROUP + folder + "/cpu.max").partition(" ")
        if not quota:
            quota, period = read(GROUP + folder + "/cpu.cfs_quota_us"), read(GROUP + folder + "/cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit():
            return int(quota) / int(period)
    return None


def own_nproc() -> int | None:
    """The limit of processes, where the kernel counts those of our user namespace for itself (since Linux 5.14)."""
    release = [int("".join(c for c in part if c.isdigit()) or 0) for part in os.uname().release.split(".")[:2]]
    mapped = read("/proc/self/uid_map").split()
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    in_own_namespace = bool(mapped) and int(mapped[2]) < 2**32 - 1
    return soft if in_own_namespace and release >= [5, 14] and soft != resource.RLIM_INFINITY else None


def disks(*folders: str) -> dict[str, int]:
    """Bytes of the file systems they lie on."""
    sizes = ((folder, os.statvfs(folder)) for folder in folders)
    return {folder: size.f_blocks * size.f_frsize for folder, size in sizes}


def sockets(*ours: str) -> list[str]:
    """Unix sockets in what is mounted here, apart from our own folders: the system's own files have none that live."""
    found: list[str] = []
    for line in read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        place, kind = before.split(" ")[4], after.split(" ")[0]
        virtual = kind in ("proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts")
        if place not in ("/", "/usr", *ours) and not virtual:
            found += below(place)
    return sorted(found)


def below(place: str) -> list[str]:
    """Sockets at a place, and in its upper folders."""
    found, waiting, seen = [], [(place, 0)], 0
    while waiting and seen < ENTRIES:
        path, depth = waiting.pop()
        seen += 1
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISSOCK(mode):
                found.append(path)
            elif stat.S_ISDIR(mode) and depth < DEEP:
                waiting += [(os.path.join(path, name), depth + 1) for name in os.listdir(path)]
        except OSError:
            continue
    return found


def look(workspace: str, state: str, run: str) -> dict[str, Any]:
    """Everything."""
    mine = status()
    return {
        "capabilities": {name: int(value, 16) for name, value in mine.items() if name.startswith("Cap")},
        "no_new_privileges": int(mine.get("NoNewPrivs", 0)),
        "seccomp": int(mine.get("Seccomp", 0)),
        "ids": [*os.getresuid(), *os.getresgid()],
        "writes": {folder: refused_write(folder) for folder in ("/", "/usr", "/etc")},
        "pids": number(read(GROUP + "/pids/pids.max") or read(GROUP + "/pids.max")),
        "own_nproc": own_nproc(),
        "memory": number(read(GROUP + "/memory/memory.limit_in_bytes") or read(GROUP + "/memory.max")),
        "swap": swap(),
        "swap_total": int((read("/proc/meminfo").partition("SwapTotal:")[2].split() or ["0"])[0]),
        "cpus": cpus(),
        "disks": disks(workspace, state),
        "devices": [line.split(":")[0].strip() for line in read("/proc/net/dev").splitlines()[2:]],
        "sockets": sockets(workspace, state, run),
        "calls": {
            "io_uring_setup": refused_call(io_uring),
            "socket(AF_ALG)": refused_call(lambda: socket.socket(AF_ALG, socket.SOCK_SEQPACKET).close()),
            "socket(AF_VSOCK)": refused_call(lambda: socket.socket(AF_VSOCK, socket.SOCK_STREAM).close()),
            "unshare(CLONE_NEWUSER)": refused_call(unshare),
        },
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(look(*sys.argv[1:4])))
