"""A limit of disk where the file system has none of its own: what is kept is measured while something runs.

Soft: between two looks more can be written. Who goes beyond is ended; until there is less again, files cannot be
written by the API, and a command that makes it still more is ended again. Deleting works all the time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from .frames import Refusal

LOOK_SECONDS = 0.5
SHARE = 20  # a measurement that takes a second is not repeated for 20
SLACK = 16 * 1024 * 1024
MIB = 1024 * 1024


class Disk:
    """What `folders` hold together, in bytes of their blocks; `limit` 0: it is not looked at."""

    def __init__(self, folders: tuple[str, ...], limit: int) -> None:
        self._folders = folders
        self._limit = limit
        self._most = limit
        self._free = float("inf")  # so that it is measured once as soon as anything runs
        self._next = 0.0
        self._lock = threading.Lock()
        self.used = 0

    def start(self, is_busy: Callable[[], bool], end: Callable[[], object]) -> None:
        """Begins to look; `end` is called when there is too much."""
        if self._limit:
            threading.Thread(target=self._watch, args=(is_busy, end), name="disk", daemon=True).start()

    def check(self) -> None:
        """Before something is written for the API. Raises Refusal (DISK_FULL) while there is too much."""
        if self._limit and self.used > self._limit:
            self._measure()
            if self.used > self._limit:
                text = f"The sandbox keeps {self.used // MIB} MiB; {self._limit // MIB} are allowed. Delete something."
                raise Refusal("DISK_FULL", text)

    def _watch(self, is_busy: Callable[[], bool], end: Callable[[], object]) -> None:
        was_busy = True
        while True:
            time.sleep(LOOK_SECONDS)
            busy = is_busy()
            if (busy or was_busy) and time.monotonic() >= self._next and (self._has_moved() or not busy):
                self._measure()
                if self._is_too_much():
                    end()
            was_busy = busy

    def _has_moved(self) -> bool:
        """Whether the file system has less room than when it was measured; others on it may be the cause."""
        return self._room() < self._free - SLACK // 4 or self.used > self._limit

    def _is_too_much(self) -> bool:
        """Beyond the limit, and beyond what was there when somebody was ended for it before."""
        if self.used <= self._limit:
            self._most = self._limit
            return False
        if self.used <= self._most:
            return False
        self._most = self.used + SLACK
        return True

    def _measure(self) -> None:
        with self._lock:
            began = time.monotonic()
            self._free = self._room()
            self.used = sum(size_of(folder) for folder in self._folders)
            ended = time.monotonic()
            self._next = ended + SHARE * (ended - began)

    def _room(self) -> int:
        found = os.statvfs(self._folders[0])
        return found.f_bavail * found.f_frsize


def size_of(folder: str) -> int:
    """Bytes of the blocks below it; a file with several names counts once."""
    size, seen, waiting = 0, set(), [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif found.st_nlink > 1:
                        if found.st_ino in seen:
                            continue
                        seen.add(found.st_ino)
                    size += found.st_blocks * 512
        except OSError:  # it went away meanwhile, or is closed to us
            continue
    return size
