"""The output of one command on disk: the first 4 MiB, the last 4 MiB, and a count of what lies between."""
# ruff: noqa: PTH110, PTH116, PTH118

from __future__ import annotations

import contextlib
import os
import struct
import threading

FIRST = 4 * 1024 * 1024
LAST = 4 * 1024 * 1024
ENDS = 16 * 1024
TOTAL = struct.Struct(">Q")


class OutputLog:
    """Byte n of the output lies at n in the file `head`, or, from FIRST on, in the ring of the file `tail`.

    The ring's file begins with the total, so that a helper that comes after a crash knows it. `total` counts all bytes.
    """

    def __init__(self, folder: str) -> None:
        self._head_path = os.path.join(folder, "head")
        self._tail_path = os.path.join(folder, "tail")
        self._lock = threading.Lock()
        self._head = os.open(self._head_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._tail = -1
        self.total = os.fstat(self._head).st_size
        if os.path.exists(self._tail_path):
            self._open_tail()
            recorded = os.pread(self._tail, TOTAL.size, 0)
            if len(recorded) == TOTAL.size:
                self.total = max(self.total, TOTAL.unpack(recorded)[0])

    def append(self, data: bytes) -> None:
        """Takes the next bytes. A full disk loses bytes, never the count."""
        with self._lock:
            into_head = min(len(data), max(0, FIRST - self.total))
            if into_head:
                self._write(self._head, data[:into_head], self.total)
            rest = data[into_head:]
            if rest:
                self._append_ring(rest, self.total + into_head)
            self.total += len(data)
            if self._tail >= 0:
                self._write(self._tail, TOTAL.pack(self.total), 0)

    def read(self, offset: int, limit: int, end: int | None = None) -> tuple[int, bytes]:
        """The bytes from `offset` on, and where they begin: later than asked where the middle was dropped."""
        with self._lock:
            total = self.total if end is None else min(end, self.total)
            if offset < FIRST:
                return offset, os.pread(self._head, min(limit, FIRST - offset, max(0, total - offset)), offset)
            if self._tail < 0:
                return offset, b""
            offset = max(offset, self.total - LAST)
            place = (offset - FIRST) % LAST
            size = min(limit, max(0, total - offset), LAST - place)
            return offset, os.pread(self._tail, size, TOTAL.size + place) if size else b""

    def ends(self, end: int) -> tuple[bytes, bytes]:
        """Head and tail of the first `end` bytes; the tail is empty where the head is the whole."""
        if end <= 2 * ENDS:
            return self._span(0, end), b""
        return self._span(0, ENDS), self._span(end - ENDS, end)

    def close(self) -> None:
        """Gives the files back."""
        for fd in (self._head, self._tail):
            if fd >= 0:
                os.close(fd)

    def _span(self, start: int, end: int) -> bytes:
        parts = []
        while start < end:
            start, part = self.read(start, end - start, end)
            if not part:
                break
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def _append_ring(self, data: bytes, offset: int) -> None:
        if self._tail < 0:
            try:
                self._open_tail()
            except OSError:
                return
        if len(data) > LAST:
            offset += len(data) - LAST
            data = data[-LAST:]
        place = (offset - FIRST) % LAST
        self._write(self._tail, data[: LAST - place], TOTAL.size + place)
        if len(data) > LAST - place:
            self._write(self._tail, data[LAST - place :], TOTAL.size)

    def _open_tail(self) -> None:
        self._tail = os.open(self._tail_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _write(self, fd: int, data: bytes, offset: int) -> None:
        try:
            os.pwrite(fd, data, offset)
        except OSError:
            return


def size_in(folder: str) -> int:
    """Bytes that the log in this folder takes."""
    size = 0
    for name in ("head", "tail"):
        with contextlib.suppress(OSError):
            size += os.stat(os.path.join(folder, name)).st_size
    return size
