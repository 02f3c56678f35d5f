"""Whose connection is it? From a port on loopback to the process at the other end, and the mark of its command."""
# ruff: noqa: PTH115, PTH123, PTH208

from __future__ import annotations

import os

from .processes import mark_of

LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F")


def owner_of(port: int, ours: int) -> str | None:
    """The mark of the process that is connected from `port` to our port; None where it has gone, or hides."""
    inode = _inode(port, ours)
    if inode is None:
        return None
    wanted = f"socket:[{inode}]"
    for pid in sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True):
        if pid != os.getpid() and _holds(pid, wanted):
            mark = mark_of(pid)
            if mark:
                return mark
    return None


def _inode(port: int, ours: int) -> str | None:
    """Of the socket of the process, in the kernel's table."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                lines = file.read().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            local, remote = fields[1].rpartition(":"), fields[2].rpartition(":")
            here = local[0] in LOOPBACK and int(local[2], 16) == port
            if here and remote[0] in LOOPBACK and int(remote[2], 16) == ours:
                return fields[9]
    return None


def _holds(pid: int, wanted: str) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    for name in names:
        try:
            if os.readlink(f"{folder}/{name}") == wanted:
                return True
        except OSError:
            continue
    return False
