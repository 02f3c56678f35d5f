"""All commands of the sandbox by key: started at most once, followed by many, ended with everything they started."""
# ruff: noqa: PTH103, PTH118, PTH123

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from . import processes
from .command import MAX_BLOCKED, Command, Terms
from .connection import Connection
from .following import Follower, follow
from .frames import NOTE, Refusal, pack
from .inlet import Inlet, closed
from .journal import Journal
from .launching import Crowded, launch
from .output_log import ENDS, OutputLog, size_in
from .reaper import Reaper
from .reserve import Reserve
from .shell import Shell

MAX_RUNNING = 64
MAX_LIVE = 128  # with those that have ended and whose output is still held by what they left running
MAX_LOGS = 200
MAX_LOG_BYTES = 256 * 1024 * 1024
RETURN_SECONDS = 30.0
LOOK_SECONDS = 0.5
SETTLE_SECONDS = 1.0
NOT_KNOWN = {"reason": "SANDBOX_LOST", "duration_ms": 0, "total": 0, "truncated": False, "left_running": 0}


class Commands:
    """The registry. `mark` tells this sandbox's processes from those of others; `limit` is bytes of output.

    `alone`: no processes of others are seen at all.
    """

    def __init__(
        self,
        journal: Journal,
        shell: Shell,
        reaper: Reaper,
        reserve: Reserve,
        mark: str,
        limit: float,
        alone: bool,
    ) -> None:
        self.journal = journal
        self.shell = shell
        self.lock = threading.Lock()
        self.live: dict[str, Command] = {}
        self._reaper = reaper
        self._reserve = reserve
        self._mark = mark
        self._limit = limit
        self._alone = alone
        self._blocked: list[dict[str, Any]] = []
        self._logs = list(journal.started)
        self._sizes = {key: size_in(shell.folder_of(key)) for key in self._logs[-MAX_LOGS:]}
        self._close_lost()

    def run(self, connection: Connection, stream: int, request: dict[str, Any], follower: Follower) -> None:
        """Starts the key, unless it was started before, and follows it to its end, or as far as the background."""
        key = request["id"]
        with self.journal.admitted(request.get("epoch", 0)), self.lock:
            command = self.live.get(key)
            attached = command is not None or self.is_known(key)
            if command is None:
                command = self._reopen(key) if attached else self._start(key, request)
            command.follow(follower)
        self._tell(connection, stream, request, command, attached, follower)

    def attach(self, connection: Connection, stream: int, request: dict[str, Any], follower: Follower) -> None:
        """Follows the key to its end, whoever owns the session now."""
        key = request["id"]
        with self.lock:
            command = self.live.get(key)
            if command is None:
                self.check_known(key)
                command = self._reopen(key)
            command.follow(follower)
        self._tell(connection, stream, request, command, True, follower)

    def adopt(self, mark: str, env: dict[str, str]) -> None:
        """Whose the sandbox is from now on. Nothing has run here yet."""
        with self.lock:
            self._mark = mark
            self.shell.env = {**self.shell.env, **env}

    def stop(self, key: str, reason: str = "STOPPED") -> int:
        """Ends a command, or, for the empty key, all of them. Returns how many processes that were."""
        with self.lock:
            chosen = [command for command in self.live.values() if key in ("", command.key)]
        for command in chosen:
            if command.exit is None:
                command.reason = command.reason or reason
        ended = self.end(lambda: self._members(key))
        last = time.monotonic() + SETTLE_SECONDS
        for command in chosen:  # whoever looks next sees them ended
            if command.exit is None:
                command.ended.wait(max(0.0, last - time.monotonic()))
        return ended

    def clear(self) -> str:
        """Ends the command that has filled the sandbox with processes, if one has; a sentence about it.

        For the next who comes: the sandbox is never full for good, whether somebody stops the bomb or not.
        """
        counts = self.processes()
        total, key = sum(counts.values()), max(counts, key=lambda key: counts[key], default="")
        if counts.get(key, 0) < max(processes.BOMB, total / 2):
            return ""
        with self.lock:
            command = self.live.get(key)
        if command is not None and command.exit is None:
            command.reason = command.reason or "LIMIT"
        mine = {None, self._mark + key} if key else {None}
        ended = self.end(lambda: {pid for pid, owner in self._owners().items() if owner in mine}, 0.0)
        return f" The {ended} processes of {key or 'an unknown command'} were ended for that."

    def end(self, find: Callable[[], set[int]], grace_seconds: float = processes.GRACE_SECONDS) -> int:
        """Ends what is found, with what it starts meanwhile; how many processes that were."""
        return processes.end(find, self._alone, grace_seconds)

    def note_blocked(self, owner: str, call: dict[str, Any]) -> None:
        """Tells the command that made the call, if it still runs; else the one that was started last, or the next."""
        key = owner[len(self._mark) :] if owner.startswith(self._mark) else ""
        with self.lock:
            running = [command for command in self.live.values() if command.exit is None]
            chosen = [command for command in running if command.key == key] or running[-1:]
            if chosen:
                chosen[0].note_blocked({**call, "command_id": key})
            elif len(self._blocked) < MAX_BLOCKED:
                self._blocked.append({**call, "command_id": key})

    def settle(self) -> None:
        """Waits a moment until the ends of all commands are in the journal."""
        with self.lock:
            commands = list(self.live.values())
        for command in commands:
            command.ended.wait(1.0)

    def running(self) -> int:
        """How many have not ended."""
        return sum(1 for command in list(self.live.values()) if command.exit is None)

    def held(self) -> int:
        """How many have ended while what they left running still holds their output."""
        return sum(1 for command in list(self.live.values()) if command.exit is not None)

    def is_known(self, key: str) -> bool:
        """Whether the key was ever used."""
        return key in self.journal.started or self.journal.is_old(key)

    def check_known(self, key: str) -> None:
        """Refuses a key that was never used."""
        if not self.is_known(key):
            raise Refusal("COMMAND_NOT_FOUND", "No command was started under this id.")

    def inlet(self, request: dict[str, Any]) -> Inlet:
        """The way into a command that runs. Raises Refusal."""
        with self.journal.admitted(request.get("epoch", 0)):
            self.check_known(request["id"])
        command = self.live.get(request["id"])
        if command is None or command.inlet is None:
            raise closed()
        return command.inlet

    def owned(self, key: str) -> set[int]:
        """Processes that are surely the command's."""
        return {pid for pid, owner in self._owners().items() if owner == self._mark + key}

    def processes(self) -> dict[str, int]:
        """How many processes every command has; under the empty key those whose owner cannot be told."""
        counts: dict[str, int] = {}
        for owner in self._owners().values():
            if owner is None or self._is_key(owner):
                key = "" if owner is None else owner[len(self._mark) :]
                counts[key] = counts.get(key, 0) + 1
        return counts

    def _owners(self) -> dict[int, str | None]:
        with self.lock:
            sessions = {c.child.pid: self._mark + c.key for c in self.live.values() if c.child is not None}
        return processes.owners(os.getpid(), {**self._reaper.sessions(), **sessions}, self._is_key)

    def _is_key(self, mark: str) -> bool:
        """A command's mark: neither the helper's own nor a terminal's."""
        return mark.startswith(self._mark) and mark != self._mark and ":" not in mark[len(self._mark) :]

    def _members(self, key: str) -> set[int]:
        """Processes of a command and those whose owner cannot be told: who hides has no claim to be spared."""
        found = self._owners()
        if not key:
            return {pid for pid, owner in found.items() if owner is None or self._is_key(owner)}
        return {pid for pid, owner in found.items() if owner in (None, self._mark + key)}

    def _start(self, key: str, request: dict[str, Any]) -> Command:
        if request.get("attach_only"):
            self.check_known(key)
        if self.running() >= MAX_RUNNING or len(self.live) >= MAX_LIVE:
            raise Refusal("SANDBOX_BUSY", f"{MAX_RUNNING} commands run already; one has to end first.")
        had_room = self._reserve.tend()
        folder = self.shell.folder_of(key)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "command"), "wb") as file:
            file.write(request["command"].encode("utf-8", "surrogateescape"))
        background = bool(request.get("background"))
        cwd = self.shell.cwd(request.get("cwd", ""))
        self.journal.start(key, {"cwd": cwd, "at": time.time(), **({"background": True} if background else {})})
        terms = Terms(cwd, request["timeout"] or float("inf"), self._limit, background)
        command = Command(key, folder, terms)
        command.had_room = had_room
        command.blocked, self._blocked = self._blocked, []
        self.live[key] = command
        try:
            launch(command, self.shell, self._reaper, self._mark, request.get("stdin", False), self._pump)
        except Crowded:
            del self.live[key]
            command.close()
            self.journal.withdraw(key)
            raise
        except OSError as error:
            self._fail(command, error.strerror or "unknown")
        self._logs.append(key)
        return command

    def _fail(self, command: Command, cause: str) -> None:
        command.log.append(f"lucid: the command could not be started: {cause}\n".encode())
        command.exit = self._finish(command, {**command.outcome(command.cwd, 0), "code": 126})
        self.live.pop(command.key, None)

    def _pump(self, command: Command, pipe: int) -> None:
        def end() -> int:
            return self.end(lambda: self._members(command.key))

        def finish() -> dict[str, Any]:
            left = len(self.owned(command.key)) if self._reaper.has_children() else 0
            # What runs beside the others leaves nothing to the next one.
            cwd = self.shell.cwd() if command.terms.background else self.shell.absorb(command.key)
            return self._finish(command, self._with_disk(command, command.outcome(cwd, left)))

        command.pump(pipe, end, finish)
        with self.lock:
            self.live.pop(command.key, None)
        command.grow()
        self._leave(command, None)

    def _with_disk(self, command: Command, record: dict[str, Any]) -> dict[str, Any]:
        """A command that failed and leaves a full disk where there was room has failed for that."""
        has_filled = command.had_room and command.has_failed() and self._reserve.is_full()
        return {**record, "reason": "DISK"} if has_filled and record["reason"] == "EXITED" else record

    def _finish(self, command: Command, record: dict[str, Any]) -> dict[str, Any]:
        try:
            self.journal.exit(command.key, record)
        except OSError as error:  # a full disk: the answer is right, a helper after us will say SANDBOX_LOST
            print(f"exit of {command.key} could not be written: {error}", file=sys.stderr)
        return record

    def _tell(
        self,
        connection: Connection,
        stream: int,
        request: dict[str, Any],
        command: Command,
        attached: bool,
        follower: Follower,
    ) -> None:
        try:
            connection.send(stream, NOTE, pack({"cwd": command.cwd, "attached": attached}))
            if not request.get("background"):
                follow(connection, stream, command, follower)
            elif command.exit is not None or command.ended.wait(0.0 if attached else LOOK_SECONDS):
                connection.reply(stream, *command.final())
            else:
                connection.reply(stream, *command.detached(self.shell.cwd()))
        finally:
            self._leave(command, follower)

    def _leave(self, command: Command, follower: Follower | None) -> None:
        if follower is not None and follower.is_lost:
            follower.is_lost = False
            if self._wait_for_return(command, follower):
                return
        with self.lock:
            if follower is not None:
                command.unfollow(follower)
            idle = command.exit is not None and not command.followers and command.key not in self.live
            if idle and not command.is_closed:
                command.close()
                self._sizes[command.key] = size_in(self.shell.folder_of(command.key))
                self._prune()
            elif not command.is_closed:
                command.wake()

    def _wait_for_return(self, command: Command, follower: Follower) -> bool:
        """A service that went away comes back in seconds and reads on: until then its place sets the command's pace."""
        if command.exit is not None or command.terms.background:
            return False
        timer = threading.Timer(RETURN_SECONDS, self._leave, (command, follower))
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # at the limit of processes
            return False
        return True

    def _reopen(self, key: str) -> Command:
        """An ended command as the journal and the log keep it."""
        folder = self.shell.folder_of(key)
        os.makedirs(folder, exist_ok=True)
        started = self.journal.started.get(key, {"cwd": self.shell.workspace})
        command = Command(key, folder, Terms(started["cwd"]))
        command.blocked = list(self.journal.exits.get(key, {}).get("blocked", ()))
        command.exit = self.journal.exits.get(key) or {**NOT_KNOWN, "cwd_after": self.shell.cwd()}
        return command

    def _close_lost(self) -> None:
        """What ran when the last helper died is over: what it had done is not known, and it is not done again."""
        for key, record in self.journal.started.items():
            if key in self.journal.exits:
                continue
            folder = self.shell.folder_of(key)
            os.makedirs(folder, exist_ok=True)
            log = OutputLog(folder)
            outcome = {**NOT_KNOWN, "total": log.total, "truncated": log.total > 2 * ENDS}
            log.close()
            self.journal.exit(key, {**outcome, "cwd_after": self.shell.cwd() or record["cwd"]})

    def _prune(self) -> None:
        """Keeps the output of the last MAX_LOGS commands, MAX_LOG_BYTES in all; of older ones only how they ended."""
        for key in [key for key in self._sizes if key not in self._logs]:  # asked for again, long after
            self._drop(key)
        for key in [key for key in self._logs if key not in self.live]:
            if len(self._logs) <= MAX_LOGS and sum(self._sizes.values()) <= MAX_LOG_BYTES:
                return
            self._logs.remove(key)
            self._drop(key)

    def _drop(self, key: str) -> None:
        self._sizes.pop(key, None)
        shutil.rmtree(self.shell.folder_of(key), ignore_errors=True)
