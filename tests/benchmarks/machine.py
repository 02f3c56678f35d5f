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


def sandbox_cpu_seconds(folder: Path, product: int) -> float:
    """CPU time of what runs for a product's sandboxes, whose arguments name its folder, with all they have started and
    waited for; in steps of 10 ms. They are no children of the product: they outlive it."""
    parents: dict[int, int] = {}
    times: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                named = str(folder).encode() in (entry / "cmdline").read_bytes()
            except OSError:
                continue
            pid = int(entry.name)
            parents[pid] = 0 if named else int(fields[1])
            times[pid] = sum(map(int, fields[11:15])) / TICKS
    roots = {pid for pid, parent in parents.items() if parent == 0 and pid != 1} - {product}
    return sum(time for pid, time in times.items() if _root(pid, parents) in roots)


def _root(pid: int, parents: dict[int, int]) -> int:
    while parents.get(pid, 0) > 1:
        pid = parents[pid]
    return pid


def load() -> float:
    """Processes that want a core, over the last minute."""
    return os.getloadavg()[0]
