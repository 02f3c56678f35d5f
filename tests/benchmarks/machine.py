"""What the kernel says of processes."""

import os
import time
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU time of one process, user and system, ended threads included, children not.

    The process's CPU clock (clock_getcpuclockid(3)): the same account as in /proc/<pid>/stat, which counts in steps of
    10 ms only, but in nanoseconds.
    """
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid: int) -> int:
    """RSS."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def descendants_cpu_seconds(pid: int) -> float:
    """CPU time of the children of a process and theirs, with those they have waited for; in steps of 10 ms."""
    parents: dict[int, tuple[int, float]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / TICKS)
    return sum(cpu for child, (_, cpu) in parents.items() if child != pid and _is_below(child, pid, parents))


def _is_below(child: int, pid: int, parents: dict[int, tuple[int, float]]) -> bool:
    while child in parents and child != pid:
        child = parents[child][0]
    return child == pid


def load() -> float:
    """Processes that want a core, over the last minute."""
    return os.getloadavg()[0]
