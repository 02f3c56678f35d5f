"""Whether anything is at work in the sandbox that must not be put to sleep."""
# ruff: noqa: PTH115, PTH123, PTH208

from __future__ import annotations

import os
from typing import Any

from . import processes
from .commands import Commands

LISTENING = b"0A"
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def look(commands: Commands, terminals: int, has_children: bool) -> dict[str, Any]:
    """What holds the sandbox awake, in words; and the processor time of what runs, for the next look to compare."""
    running, held = commands.running(), commands.held()
    below = processes.below(os.getpid()) if has_children else set()
    reasons = [f"{running} commands run"] if running else []
    if held:
        reasons.append(f"{held} background processes hold the output of a command")
    if terminals:
        reasons.append("a terminal is open")
    if below and _listens(below):
        reasons.append("a background process listens on a port")
    return {"reasons": reasons, "ticks": sum(map(_ticks, below)), "processes": len(below)}


def _listens(pids: set[int]) -> bool:
    listening = {inode for table in TABLES for inode in _listening(table)}
    wanted = {f"socket:[{inode}]" for inode in listening}
    return bool(wanted) and any(
        _link(f"/proc/{pid}/fd/{fd}") in wanted for pid in pids for fd in _entries(f"/proc/{pid}/fd")
    )


def _listening(table: str) -> list[str]:
    try:
        with open(table, "rb") as file:
            lines = [line.split() for line in file.readlines()[1:]]
    except OSError:
        return []
    return [line[9].decode() for line in lines if len(line) > 9 and line[3] == LISTENING]


def _ticks(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
