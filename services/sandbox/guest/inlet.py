"""The way into a program: a pipe or a terminal that bytes are written to, each byte once for its place."""

from __future__ import annotations

import os
import select
import threading
from collections import OrderedDict

from .frames import Refusal

ROOM_SECONDS = 0.25  # that long a call waits for a program to read
MAX_WRITERS = 64


class Inlet:
    """Each writer counts its own bytes: what it sends again, because an answer was lost, is not written again."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._accepted: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def write(self, writer: str, offset: int, data: bytes) -> int:
        """Writes what is new, as far as there is room; the writer's bytes so far. Raises Refusal."""
        with self._lock:
            have = self._accepted.get(writer, 0)
            if offset > have:
                raise Refusal("INPUT_GAP", f"Of this input {have} bytes have come; it cannot go on at {offset}.")
            have += self._write(data[have - offset :])
            self._accepted[writer] = have
            self._accepted.move_to_end(writer)
            if len(self._accepted) > MAX_WRITERS:
                self._accepted.popitem(last=False)
            return have

    def close(self) -> None:
        """The program reads the end of its input. Safe to repeat."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1

    def _write(self, data: bytes) -> int:
        if self._fd < 0:
            raise closed()
        written = 0
        while written < len(data):
            try:
                written += os.write(self._fd, data[written:])
            except BlockingIOError:
                if not self._has_room():
                    break
            except OSError:  # nobody reads any more
                raise closed() from None
        return written

    def _has_room(self) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        return bool(poll.poll(ROOM_SECONDS * 1000))


def closed() -> Refusal:
    """The refusal of input that nobody takes."""
    return Refusal("INPUT_CLOSED", "It takes no input: it was started without, it was closed, or it has ended.")
