"""One command from its start to its last byte. Output goes to its log; whoever follows reads the log."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from . import oom
from .following import CHUNK, Followed
from .inlet import Inlet
from .output_log import ENDS, OutputLog
from .reaper import Child, ended_by

HELD_SECONDS = 0.2
MAX_TOTAL = 2**32 - 1
PACE = 1024 * 1024  # bytes a second, for what runs on in the background beyond its limit
FOR_EVER = float("inf")
MAX_BLOCKED = 50


class Terms(NamedTuple):
    """How a command is started. `timeout` in seconds, `limit` in bytes of output."""

    cwd: str
    timeout: float = FOR_EVER
    limit: float = FOR_EVER
    background: bool = False


class Command(Followed):
    """What is known of a key: running, or ended with its `exit`.

    `finish` makes the exit record durable; `end` kills all processes of the command. `grown` is told of every byte.
    """

    log: OutputLog

    def __init__(self, key: str, folder: str, terms: Terms) -> None:
        super().__init__()
        self.key = key
        self.terms = terms
        self.cwd = terms.cwd
        self.log = OutputLog(folder)
        self.reason = ""
        self.had_room = True
        self.child: Child | None = None
        self.inlet: Inlet | None = None
        self.ended = threading.Event()
        self.grown = threading.Condition()
        self.is_closed = False
        self._began = time.monotonic()
        self._deadline = self._began + terms.timeout
        self._held_until = 0.0
        self._read_at = 0.0
        self._is_overrun = False
        self._oom_before = oom.kills()

    def note_blocked(self, call: dict[str, Any]) -> None:
        """A call that did not go out; the same one is told once."""
        if call not in self.blocked and len(self.blocked) < MAX_BLOCKED:
            self.blocked.append(call)
            self.tell()

    def pump(self, pipe: int, end: Callable[[], int], finish: Callable[[], dict[str, Any]]) -> None:
        """Moves output from the pipe to the log until the pipe closes; settles the exit on the way."""
        os.set_blocking(pipe, False)
        is_open = True
        while is_open or self.exit is None:
            room = is_open and self._room()
            now = time.monotonic()
            if self.exit is None:
                ended = self.child is not None and self.child.status is not None
                if ended and self._is_over(now, room, is_open):
                    self._settle(finish)
                    continue
                overrun = "" if ended else self._overrun(now)
                if overrun:
                    self.reason = self.reason or overrun
                    self._is_overrun, self._deadline = True, FOR_EVER
                    end()
                    continue
            is_open = self._step(pipe, room, is_open, now)
        os.close(pipe)

    def _is_over(self, now: float, room: bool, is_open: bool) -> bool:
        """The shell has ended, and with it the output, or a moment after it: what comes later is the background's."""
        if not room and is_open:
            self._held_until = 0.0
        elif not self._held_until:
            self._held_until = now + HELD_SECONDS
        return not is_open or (self._held_until > 0 and now >= self._held_until)

    def _overrun(self, now: float) -> str:
        if now >= self._deadline:
            return "TIMEOUT"
        is_free = self.terms.background or self._is_overrun
        return "LIMIT" if not is_free and self.log.total >= self.terms.limit else ""

    def _step(self, pipe: int, room: bool, is_open: bool, now: float) -> bool:
        """Waits for the next thing that happens; whether the pipe is still open."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        paced = self._read_at - now
        if room and paced <= 0:
            poll.register(pipe, select.POLLIN)
        waits = [paced] if room and paced > 0 else []
        if self.exit is None:
            waits.append((self._held_until or FOR_EVER) - now)
            waits.append(self._deadline - now)
        wait = min(waits, default=FOR_EVER)
        for fd, _ in poll.poll(None if wait == FOR_EVER else max(0.0, wait) * 1000 + 1):
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
        if self.log.total > self.terms.limit and (self.terms.background or self.exit is not None):
            self._read_at = time.monotonic() + len(data) / PACE
        self.tell()
        self.grow()
        return bool(data)

    def grow(self) -> None:
        """Tells those who wait for more of the log, or its end."""
        with self.grown:
            self.grown.notify_all()

    def _room(self) -> bool:
        """Nobody who reads holds up what runs in the background."""
        return self.terms.background or super()._room()

    @property
    def sendable(self) -> int:
        """Where followers may read to: offsets have 32 bits, what comes later is only counted."""
        return min(self.log.total, MAX_TOTAL)

    def final(self) -> tuple[dict[str, Any], bytes]:
        """What a follower is told at the end: how it ended, with head and tail of the output."""
        return self._with_ends(self.exit or {})

    def detached(self, cwd: str) -> tuple[dict[str, Any], bytes]:
        """What is told of a command that goes on in the background."""
        return self._with_ends({**self.outcome(cwd, 0), "reason": "DETACHED"})

    def _with_ends(self, record: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        head, tail = self.log.ends(record["total"])
        return {**record, "head": len(head)}, head + tail

    def _settle(self, finish: Callable[[], dict[str, Any]]) -> None:
        self.exit = finish()
        if self.inlet is not None:
            self.inlet.close()
        self.ended.set()
        self.tell()
        self.grow()

    def has_failed(self) -> bool:
        """Whether its shell has ended otherwise than well."""
        return self.child is not None and bool(self.child.status)

    def outcome(self, cwd_after: str, left_running: int) -> dict[str, Any]:
        """The exit record as it stands now."""
        total = self.sendable
        record: dict[str, Any] = {
            "reason": self.reason or "EXITED",
            "duration_ms": int((time.monotonic() - self._began) * 1000),
            "total": total,
            "truncated": total > 2 * ENDS,
            "cwd_after": cwd_after,
            "left_running": left_running,
            "blocked": self.blocked,
            **ended_by(self.child.status if self.child is not None else None),
        }
        died = record.get("code") == 137 or record.get("signal") == "SIGKILL"
        if not self.reason and died and oom.kills() > self._oom_before:
            record["reason"] = "OOM"
        return record

    def close(self) -> None:
        """Gives the files back; only when nothing runs and nobody follows."""
        self.is_closed = True
        self.log.close()
        self._close_wake()
