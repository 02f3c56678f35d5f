"""Whose process is it, and how to end it with everything that it started."""
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

MARK = b"LUCID_COMMAND="
GRACE_SECONDS = 1.0
KILL_SECONDS = 2.0
BOMB = 64  # so many processes of one command are no accident


class Process(NamedTuple):
    """A line of the process table."""

    pid: int
    parent: int
    session: int
    is_halted: bool


def table() -> dict[int, Process]:
    """All processes that are seen and still run (no zombies)."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields and fields[0] not in (b"Z", b"X"):
            found[int(name)] = Process(int(name), int(fields[1]), int(fields[3]), fields[0] == b"T")
    return found


def mark_of(pid: int) -> str | None:
    """The command named in its environment, if it is readable and was not wiped."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = file.read(1 << 20)
    except OSError:
        return None
    for entry in environ.split(b"\0"):
        if entry.startswith(MARK):
            return entry[len(MARK) :].decode(errors="replace")
    return None


def owners(root: int, sessions: Mapping[int, str], believed: Callable[[str], bool]) -> dict[int, str | None]:
    """Every descendant of `root` and what it belongs to; None for one that has hidden all its traces.

    The session that a child of ours leads decides, then a mark in the environment, then the parent. Anybody can write
    any mark into an environment: there only those are taken that are `believed`.
    """
    processes = table()
    below = _descendants(root, processes)
    known: dict[int, str | None] = {}
    for pid in below:
        line = []
        while pid in below and pid not in known and pid not in line:
            found = sessions.get(processes[pid].session) or _claimed(pid, believed)
            line.append(pid)
            if found:
                known[pid] = found
                break
            pid = processes[pid].parent
        for member in line:
            known[member] = known.get(pid)
    return known


def below(root: int) -> set[int]:
    """Every descendant of `root`."""
    return _descendants(root, table())


def _claimed(pid: int, believed: Callable[[str], bool]) -> str | None:
    found = mark_of(pid)
    return found if found and believed(found) else None


def _descendants(root: int, processes: Mapping[int, Process]) -> set[int]:
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    waiting = [root]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            if pid not in found and pid != root:
                found.add(pid)
                waiting.append(pid)
    return found


def end(find: Callable[[], set[int]], alone: bool = False, grace_seconds: float = GRACE_SECONDS) -> int:
    """TERM, a second of grace, then STOP and KILL until nothing new appears. Returns how many were ended.

    Stopping first means that a fork bomb cannot fork while it is being killed; who is as many as one is given no time
    to become more. Nothing is started for all this: it works where no process can be made any more. `alone`: no process
    of anybody else is seen here.
    """
    ended = find()
    if grace_seconds and len(ended) < BOMB:
        send(ended, signal.SIGTERM)
    grace = time.monotonic() + grace_seconds
    left = ended
    while left and len(left) < BOMB and time.monotonic() < grace:
        time.sleep(0.01)
        left = find()
        ended = ended | left
    if alone and len(left) >= BOMB:
        ended = ended | _all_at_once(find)
        left = find()
    last = time.monotonic() + KILL_SECONDS
    while left and time.monotonic() < last:
        frozen: set[int] = set()
        while left - frozen:
            send(left - frozen, signal.SIGSTOP)
            frozen |= left
            left = find()
        ended = ended | frozen
        send(frozen, signal.SIGKILL)
        time.sleep(0.005)
        left = find()
    return len(ended)


def _all_at_once(find: Callable[[], set[int]]) -> set[int]:
    """Halts everybody in one call, which no fork can slip through, ends those that are found, lets the others go on."""
    halted = {pid for pid, process in table().items() if process.is_halted}
    with contextlib.suppress(OSError):
        os.kill(-1, signal.SIGSTOP)
    found = find()
    send(found, signal.SIGKILL)
    # Children first: a shell that goes on before its child does would see it halted.
    for pid in sorted(set(table()) - found - halted - {os.getpid()}, reverse=True):
        send({pid}, signal.SIGCONT)
    return found


def send(pids: set[int], number: int) -> None:
    """Sends a signal to those that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end_survivors(mark: str, whole_namespace: bool) -> int:
    """Ends what a dead helper of this sandbox left. In a process namespace of our own that is all but our line."""
    mine = {os.getpid(), 1}
    parent = os.getppid()
    processes = table()
    while parent in processes and parent not in mine:
        mine.add(parent)
        parent = processes[parent].parent
    # Init's first child is what the container was started with; whoever was orphaned came later.
    mine |= set(sorted(process.pid for process in processes.values() if process.parent == 1)[:1])

    def find() -> set[int]:
        others = set(table()) - mine
        return others if whole_namespace else {pid for pid in others if (mark_of(pid) or "").startswith(mark)}

    return end(find, whole_namespace) if find() else 0
