"""What the sandbox uses: by the kernel's account of its control group (version 2 or 1), else by its process table."""
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import os
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
UNLIMITED = 1 << 60  # what version 1 says where there is no limit is larger
ROOT = "/sys/fs/cgroup"


def stats(workspace: str) -> dict[str, Any]:
    """CPU time since the start in milliseconds; bytes; how many processes. A limit of 0: none that is known."""
    found = _version_2() or _version_1() or _process_table()
    if not found["cpu_ms"]:  # a group of ours may count memory and processes only
        found["cpu_ms"] = _process_table()["cpu_ms"]
    disk = os.statvfs(workspace)
    return {**found, "disk_total": disk.f_frsize * disk.f_blocks, "disk_free": disk.f_frsize * disk.f_bavail}


def _version_2() -> dict[str, int] | None:
    memory = _number("memory.current")
    if memory is None:
        return None
    return {
        "cpu_ms": _line("cpu.stat", "usage_usec") // 1000,
        "memory": memory - _line("memory.stat", "inactive_file"),
        "memory_limit": _limit("memory.max"),
        "processes": _number("pids.current") or 0,
        "processes_limit": _limit("pids.max"),
    }


def _version_1() -> dict[str, int] | None:
    memory = _number("memory/memory.usage_in_bytes")
    if memory is None:
        return None
    return {
        "cpu_ms": (_number("cpuacct/cpuacct.usage") or 0) // 1000000,
        "memory": memory - _line("memory/memory.stat", "total_inactive_file"),
        "memory_limit": _limit("memory/memory.limit_in_bytes"),
        "processes": _number("pids/pids.current") or 0,
        "processes_limit": _limit("pids/pids.max"),
    }


def _process_table() -> dict[str, int]:
    """All that is seen: where there is no control group of our own, there is a process namespace. What has ended
    counts as far as its parent, which still runs, has waited for it."""
    ticks = memory = processes = 0
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
        memory += int(fields[21]) * PAGE
        processes += 1
    found = {"cpu_ms": ticks * 1000 // TICKS, "memory": memory, "processes": processes}
    return {**found, "memory_limit": 0, "processes_limit": 0}


def _number(name: str) -> int | None:
    """What a file of one number holds; None where there is no such file, or no number in it."""
    try:
        with open(f"{ROOT}/{name}", "rb") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _limit(name: str) -> int:
    limit = _number(name) or 0
    return limit if limit < UNLIMITED else 0


def _line(name: str, key: str) -> int:
    try:
        with open(f"{ROOT}/{name}", "rb") as file:
            for line in file:
                word, _, value = line.partition(b" ")
                if word == key.encode():
                    return int(value)
    except (OSError, ValueError):
        return 0
    return 0
