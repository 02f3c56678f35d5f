"""One command from its start to its last byte. Output goes to its log; whoever follows reads the log."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from . import oom
from .output_log import ENDS, OutputLog
from .reaper import Child

CHUNK = 64 * 1024
WINDOW = 1024 * 1024
HELD_SECONDS = 0.2
MAX_TOTAL = 2**32 - 1
MAX_BLOCKED = 50


class Follower:
    """A reader of the output. It takes as much as it has credit for."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.told = 0
        self.credit = WINDOW
        self.closed = False
        self.is_lost = False
        self.changed = threading.Condition()

    def close(self) -> None:
        """Nobody reads any more."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def tell(self) -> None:
        """There is more to read, or the end."""
        with self.changed:
            self.changed.notify_all()


class Command:
    """What is known of a key: running, or ended with its `exit`.

    `finish` makes the exit record durable; `end` kills all processes of the command.
    """

    def __init__(self, key: str, folder: str, cwd: str) -> None:
        self.key = key
        self.cwd = cwd
        self.log = OutputLog(folder)
        self.exit: dict[str, Any] | None = None
        self.reason = ""
        self.child: Child | None = None
        self.ended = threading.Event()
        self.followers: tuple[Follower, ...] = ()
        self.is_closed = False
        self.blocked: list[dict[str, Any]] = []
        self._began = time.monotonic()
        self._oom_before = oom.kills()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def follow(self, follower: Follower) -> None:
        """Adds a reader. Called under the registry's lock; `pump` sees the tuple as a whole."""
        self.followers = (*(other for other in self.followers if not other.closed), follower)

    def unfollow(self, follower: Follower) -> None:
        """Takes it away again."""
        self.followers = tuple(other for other in self.followers if other is not follower)

    def note_blocked(self, call: dict[str, Any]) -> None:
        """A call that did not go out; the same one is told once."""
        if call not in self.blocked and len(self.blocked) < MAX_BLOCKED:
            self.blocked.append(call)
            for follower in self.followers:
                follower.tell()

    def wake(self) -> None:
        """Makes `pump` look again: the shell ended, or a follower has caught up."""
        try:
            os.write(self._wake_write, b"!")
        except OSError:
            return

    def pump(self, pipe: int, timeout: float, end: Callable[[], int], finish: Callable[[], dict[str, Any]]) -> None:
        """Moves output from the pipe to the log until the pipe closes; settles the exit on the way."""
        os.set_blocking(pipe, False)
        deadline = self._began + timeout
        held_until = 0.0
        is_open = True
        while is_open or self.exit is None:
            room = is_open and self._room()
            ended = self.child is not None and self.child.status is not None
            now = time.monotonic()
            if self.exit is None:
                if not room and is_open:
                    held_until = 0.0
                elif ended and not held_until:
                    held_until = now + HELD_SECONDS
                if ended and (not is_open or (held_until and now >= held_until)):
                    self._settle(finish)
                    continue
                if not ended and now >= deadline:
                    self.reason = self.reason or "TIMEOUT"
                    end()
                    deadline = float("inf")
                    continue
            waiting = None if self.exit is not None else (held_until if ended else deadline) - now
            is_open = self._step(pipe, room, is_open, waiting)
        os.close(pipe)

    def _step(self, pipe: int, room: bool, is_open: bool, waiting: float | None) -> bool:
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if room:
            poll.register(pipe, select.POLLIN)
        limit = None if waiting is None or waiting == float("inf") else max(0.0, waiting) * 1000 + 1
        for fd, _ in poll.poll(limit if waiting is None or waiting > 0 else 50):
            if fd == self._wake_read:
                os.read(self._wake_read, 4096)
            else:
                is_open = self._take(pipe)
        return is_open

    def _take(self, pipe: int) -> bool:
        try:
            data = os.read(pipe, CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.log.append(data)
        for follower in self.followers:
            follower.tell()
        return bool(data)

    def _room(self) -> bool:
        """The fastest follower sets the pace; without one the output runs on into the log."""
        followers = self.followers
        if self.exit is not None or not followers:
            return True
        return min(self.sendable - follower.position for follower in followers) < WINDOW

    @property
    def sendable(self) -> int:
        """Where followers may read to: offsets have 32 bits, what comes later is only counted."""
        return min(self.log.total, MAX_TOTAL)

    def _settle(self, finish: Callable[[], dict[str, Any]]) -> None:
        self.exit = finish()
        self.ended.set()
        for follower in self.followers:
            follower.tell()

    def outcome(self, cwd_after: str, left_running: int) -> dict[str, Any]:
        """The exit record as it stands now."""
        status = self.child.status if self.child is not None else None
        total = self.sendable
        record: dict[str, Any] = {
            "reason": self.reason or "EXITED",
            "duration_ms": int((time.monotonic() - self._began) * 1000),
            "total": total,
            "truncated": total > 2 * ENDS,
            "cwd_after": cwd_after,
            "left_running": left_running,
            "blocked": self.blocked,
        }
        if status is not None and os.WIFEXITED(status):
            record["code"] = os.WEXITSTATUS(status)
        elif status is not None:
            record["signal"] = _signal_name(os.WTERMSIG(status))
        died = record.get("code") == 137 or record.get("signal") == "SIGKILL"
        if not self.reason and died and oom.kills() > self._oom_before:
            record["reason"] = "OOM"
        return record

    def close(self) -> None:
        """Gives the files back; only when nothing runs and nobody follows."""
        self.is_closed = True
        self.log.close()
        for fd in (self._wake_read, self._wake_write):
            os.close(fd)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"  # a real-time signal has no name
