"""A person's terminals by key. They are no commands: no stop of the agent and no epoch touches them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from . import processes
from .connection import Connection
from .following import Follower, follow
from .frames import NOTE, Refusal, pack
from .inlet import closed
from .launching import Crowded
from .reaper import Reaper
from .shell import Shell
from .terminal import Terminal

MAX_OPEN = 8
SETTLE_SECONDS = 1.0
MAX_ENDED = 8  # that are still told how they ended
COLUMNS, ROWS = 120, 24
OWNER = "terminal:"  # no command's key has a colon


class Terminals:
    """The registry. `mark` tells this sandbox's processes from those of others; `end` ends what is found."""

    def __init__(self, shell: Shell, reaper: Reaper, mark: str, end: Callable[[Callable[[], set[int]]], int]) -> None:
        self._end_all = end
        self._shell = shell
        self._reaper = reaper
        self.mark = mark
        self._lock = threading.Lock()
        self._all: dict[str, Terminal] = {}

    def open(self, connection: Connection, stream: int, request: dict[str, Any], follower: Follower) -> None:
        """Opens the key, unless it was opened before, and follows it to its end."""
        with self._lock:
            terminal = self._all.get(request["id"])
            attached = terminal is not None
            if terminal is None:
                terminal = self._start(request)
            follower.credit = terminal.window
            terminal.follow(follower)
        if attached and request["columns"] and request["rows"]:
            terminal.resize(request["columns"], request["rows"])
        try:
            size = {"columns": terminal.columns, "rows": terminal.rows}
            note = {"attached": attached, "shown": terminal.log.total, **size}
            connection.send(stream, NOTE, pack(note))
            follow(connection, stream, terminal, follower)
        finally:
            with self._lock:
                terminal.unfollow(follower)
            terminal.wake()

    def write(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """Types into it."""
        terminal = self._open(request["id"])
        if terminal.exit is not None:
            raise closed()
        return {"accepted": terminal.inlet.write(request["writer"], request["offset"], data)}, b""

    def resize(self, request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        """Gives it another size."""
        self._open(request["id"]).resize(request["columns"], request["rows"])
        return {}, b""

    def close(self, request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        """Ends it, if it is there, with what runs in it."""
        with self._lock:
            terminal = self._all.get(request["id"])
        if terminal is not None:
            self._end(terminal)
        return {}, b""

    def list(self, _: dict[str, Any], __: bytes) -> tuple[dict[str, Any], bytes]:
        """Those that are open."""
        with self._lock:
            return {"terminals": [found.about() for found in self._all.values() if found.exit is None]}, b""

    def count(self) -> int:
        """How many are open."""
        with self._lock:
            return sum(1 for terminal in self._all.values() if terminal.exit is None)

    def close_all(self) -> None:
        """At the end of the sandbox."""
        for terminal in list(self._all.values()):
            processes.send(self._members(terminal), signal.SIGKILL)

    def _open(self, key: str) -> Terminal:
        with self._lock:
            if key not in self._all:
                raise _not_found()
            return self._all[key]

    def _start(self, request: dict[str, Any]) -> Terminal:
        key = request["id"]
        if request["attach_only"]:
            raise _not_found()
        if sum(1 for terminal in self._all.values() if terminal.exit is None) >= MAX_OPEN:
            raise Refusal("SANDBOX_BUSY", f"{MAX_OPEN} terminals are open already.")
        terminal = Terminal(key, request["columns"] or COLUMNS, request["rows"] or ROWS)
        try:
            self._spawn(terminal)
        except (OSError, RuntimeError):
            terminal.drop()
            raise Crowded from None
        self._all[key] = terminal
        for old in [each for each in self._all.values() if each.exit is not None and not each.followers][:-MAX_ENDED]:
            self._all.pop(old.key).drop()
        return terminal

    def _spawn(self, terminal: Terminal) -> None:
        begun = threading.Event()

        def work() -> None:
            begun.wait()
            if terminal.child is not None:
                terminal.pump()

        threading.Thread(target=work, daemon=True).start()
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            terminal.child = self._reaper.spawn(
                self._shell.terminal(terminal.tty),
                self._shell.terminal_environ(f"{self.mark}{OWNER}{terminal.key}"),
                self._shell.cwd(),
                null,
                on_exit=terminal.wake,
            )
        finally:
            os.close(null)
            begun.set()

    def _end(self, terminal: Terminal) -> None:
        """Hangs up, as when a window is closed; what does not listen to that is killed."""
        if terminal.exit is None:
            terminal.reason = terminal.reason or "CLOSED"
        processes.send(self._members(terminal), signal.SIGHUP)
        self._end_all(lambda: self._members(terminal))
        terminal.ended.wait(SETTLE_SECONDS)

    def _members(self, terminal: Terminal) -> set[int]:
        """What runs in it, and below that."""
        if terminal.child is None:
            return set()
        leader, owner = terminal.child.pid, terminal.child.owner
        found = processes.owners(os.getpid(), {**self._reaper.sessions(), leader: owner}, lambda mark: mark == owner)
        return {pid for pid, whose in found.items() if whose == owner}


def _not_found() -> Refusal:
    return Refusal("TERMINAL_NOT_FOUND", "There is no such terminal.")
