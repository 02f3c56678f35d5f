"""The kernel's watch on folders: inotify(7) by ctypes."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

IN_ATTRIB, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO = 0x04, 0x08, 0x40, 0x80
IN_CREATE, IN_DELETE = 0x100, 0x200
IN_Q_OVERFLOW, IN_ONLYDIR, IN_ISDIR = 0x4000, 0x01000000, 0x40000000
MASK = IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR
HEADER = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Event(NamedTuple):
    """Something happened to `name` in a watched folder."""

    watch: int
    mask: int
    name: str


def open_instance() -> int:
    """A new instance. Raises OSError where the user has as many as the kernel allows."""
    return _checked(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))


def add(instance: int, folder: int) -> int:
    """Watches an open folder. Raises OSError."""
    return _checked(_libc.inotify_add_watch(instance, f"/proc/self/fd/{folder}".encode(), MASK))


def remove(instance: int, watch: int) -> None:
    """Watches it no more; nothing where it went already."""
    _libc.inotify_rm_watch(instance, watch)


def read(instance: int) -> Iterator[Event]:
    """What has happened since. Raises OSError."""
    try:
        data = os.read(instance, 1 << 18)
    except BlockingIOError:
        return
    at = 0
    while at + HEADER.size <= len(data):
        watch, mask, _, length = HEADER.unpack_from(data, at)
        at += HEADER.size
        yield Event(watch, mask, os.fsdecode(data[at : at + length].rstrip(b"\0")))
        at += length


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
