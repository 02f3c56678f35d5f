"""One terminal of a person: an interactive bash on a PTY, its last output in memory."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import threading
import time
from typing import Any

from .following import CHUNK, Followed
from .inlet import Inlet
from .reaper import Child, ended_by

KEPT = 256 * 1024
SIZE = struct.Struct("HHHH")
LAST_SECONDS = 0.2


class Ring:
    """The last KEPT bytes, and a count of all. Same way to read as an OutputLog."""

    def __init__(self) -> None:
        self.total = 0
        self._kept = bytearray()
        self._lock = threading.Lock()

    def append(self, data: bytes) -> None:
        """Takes the next bytes."""
        with self._lock:
            self.total += len(data)
            self._kept += data
            if len(self._kept) > KEPT + CHUNK:
                del self._kept[: len(self._kept) - KEPT]

    def read(self, offset: int, limit: int, end: int) -> tuple[int, bytes]:
        """The bytes from `offset` on, and where they begin: later than asked where they are no longer kept."""
        with self._lock:
            first = self.total - len(self._kept)
            offset = max(offset, first)
            last = min(offset + limit, end)
            return offset, bytes(self._kept[offset - first : max(offset, last) - first])


class Terminal(Followed):
    """`exit` is set when its shell has ended. `inlet` is what is typed."""

    window = 128 * 1024

    def __init__(self, key: str, columns: int, rows: int) -> None:
        super().__init__()
        self.key = key
        self.log = Ring()
        self.child: Child | None = None
        self.reason = ""
        self.began = time.time()
        self.ended = threading.Event()
        self.master, self.slave = os.openpty()
        self.tty = os.ttyname(self.slave)
        self.inlet = Inlet(os.dup(self.master))
        self._lock = threading.Lock()
        for fd in (self.master, self.slave):
            os.set_inheritable(fd, False)
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        """Tells the programs in it too (SIGWINCH)."""
        with self._lock:
            self.columns, self.rows = columns, rows
            if self.exit is None:
                fcntl.ioctl(self.master, termios.TIOCSWINSZ, SIZE.pack(rows, columns, 0, 0))

    def pump(self) -> None:
        """Moves what is shown into the ring until the shell has ended."""
        os.set_blocking(self.master, False)
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        until = float("inf")  # a child that floods on does not keep its terminal open
        while time.monotonic() < until:
            ended = self.child is not None and self.child.status is not None
            if ended and until == float("inf"):
                until = time.monotonic() + LAST_SECONDS
            poll.register(self.master, select.POLLIN if ended or self._room() else 0)
            ready = [fd for fd, _ in poll.poll(0 if ended else None)]
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
            if (self.master in ready and not self._take()) or (ended and self.master not in ready):
                break
        self._settle()

    def _take(self) -> bool:
        try:
            data = os.read(self.master, CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.log.append(data)
        self.tell()
        return bool(data)

    def _settle(self) -> None:
        status = self.child.status if self.child is not None else None
        self.inlet.close()
        with self._lock:
            self.exit = {"reason": self.reason or "EXITED", "total": self.log.total, **ended_by(status)}
            for fd in (self.master, self.slave):
                os.close(fd)
        self.ended.set()
        self.tell()

    def drop(self) -> None:
        """Gives everything back: it was never started, or has ended and nobody follows it."""
        if self.exit is None:
            self._settle()
        self._close_wake()

    def about(self) -> dict[str, Any]:
        """For a list."""
        return {
            "id": self.key,
            "columns": self.columns,
            "rows": self.rows,
            "began": self.began,
            "followers": sum(1 for follower in self.followers if not follower.closed),
        }
