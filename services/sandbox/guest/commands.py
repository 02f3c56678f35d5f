"""All commands of the sandbox by key: started at most once, followed by many, ended with everything they started."""
# ruff: noqa: PTH103, PTH118, PTH123

from __future__ import annotations

import os
import shutil
import sys
import threading
from typing import Any

from . import processes
from .command import CHUNK, MAX_BLOCKED, Command, Follower
from .connection import Connection
from .frames import DATA, NOTE, OFFSET, Refusal, pack
from .journal import Journal
from .output_log import ENDS, OutputLog, size_in
from .reaper import Reaper
from .shell import Shell

MAX_RUNNING = 64
MAX_LOGS = 200
MAX_LOG_BYTES = 256 * 1024 * 1024
RETURN_SECONDS = 30.0
NOT_KNOWN = {"reason": "SANDBOX_LOST", "duration_ms": 0, "total": 0, "truncated": False, "left_running": 0}


class Commands:
    """The registry. `mark` tells this sandbox's processes from those of others."""

    def __init__(self, journal: Journal, shell: Shell, reaper: Reaper, mark: str) -> None:
        self._journal = journal
        self._shell = shell
        self._reaper = reaper
        self._mark = mark
        self._lock = threading.Lock()
        self._live: dict[str, Command] = {}
        self._blocked: list[dict[str, Any]] = []
        self._logs = list(journal.started)
        self._sizes = {key: size_in(shell.folder_of(key)) for key in self._logs[-MAX_LOGS:]}
        self._close_lost()

    def run(self, connection: Connection, stream: int, request: dict[str, Any], follower: Follower) -> None:
        """Starts the key, unless it was started before, and follows it to its end."""
        key = request["id"]
        with self._journal.admitted(request.get("epoch", 0)), self._lock:
            command = self._live.get(key)
            attached = command is not None or key in self._journal.started or self._journal.is_old(key)
            if command is None:
                command = self._reopen(key) if attached else self._start(key, request)
            command.follow(follower)
        try:
            connection.send(stream, NOTE, pack({"cwd": command.cwd, "attached": attached}))
            self._follow(connection, stream, command, follower)
        finally:
            self._leave(command, follower)

    def stop(self, key: str, reason: str = "STOPPED") -> int:
        """Ends a command, or, for the empty key, all of them. Returns how many processes that were."""
        with self._lock:
            chosen = [command for command in self._live.values() if key in ("", command.key)]
        for command in chosen:
            if command.exit is None:
                command.reason = command.reason or reason
        return processes.end(lambda: self._members(key))

    def note_blocked(self, owner: str, call: dict[str, Any]) -> None:
        """Tells the command that made the call, if it still runs; else the one that was started last, or the next."""
        key = owner[len(self._mark) :] if owner.startswith(self._mark) else ""
        with self._lock:
            running = [command for command in self._live.values() if command.exit is None]
            chosen = [command for command in running if command.key == key] or running[-1:]
            if chosen:
                chosen[0].note_blocked({**call, "command_id": key})
            elif len(self._blocked) < MAX_BLOCKED:
                self._blocked.append({**call, "command_id": key})

    def settle(self) -> None:
        """Waits a moment until the ends of all commands are in the journal."""
        with self._lock:
            commands = list(self._live.values())
        for command in commands:
            command.ended.wait(1.0)

    def running(self) -> int:
        """How many have not ended."""
        return sum(1 for command in list(self._live.values()) if command.exit is None)

    def held(self) -> int:
        """How many have ended while what they left running still holds their output."""
        return sum(1 for command in list(self._live.values()) if command.exit is not None)

    def credit(self, follower: Follower, size: int) -> None:
        """The reader has taken `size` bytes."""
        with follower.changed:
            follower.credit += size
            follower.changed.notify_all()

    def _members(self, key: str) -> set[int]:
        """Processes of a command and those whose owner cannot be told: who hides has no claim to be spared."""
        with self._lock:
            sessions = {c.child.pid: self._mark + c.key for c in self._live.values() if c.child is not None}
        found = processes.owners(os.getpid(), sessions)
        if not key:
            return {pid for pid, owner in found.items() if owner != self._mark}
        return {pid for pid, owner in found.items() if owner in (None, self._mark + key)}

    def _start(self, key: str, request: dict[str, Any]) -> Command:
        if request.get("attach_only"):
            raise Refusal("COMMAND_NOT_FOUND", "No command was started under this id.")
        if self.running() >= MAX_RUNNING:
            raise Refusal("SANDBOX_BUSY", f"{MAX_RUNNING} commands run already.")
        folder = self._shell.folder_of(key)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "command"), "wb") as file:
            file.write(request["command"].encode("utf-8", "surrogateescape"))
        cwd = self._shell.cwd(request.get("cwd", ""))
        self._journal.start(key, {"cwd": cwd})
        command = Command(key, folder, cwd)
        command.blocked, self._blocked = self._blocked, []
        self._live[key] = command
        self._logs.append(key)
        self._launch(command, request["timeout"])
        return command

    def _launch(self, command: Command, timeout: float) -> None:
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        try:
            command.child = self._reaper.spawn(
                self._shell.argv(command.key, command.cwd),
                self._shell.environ(self._mark + command.key),
                self._shell.workspace,
                write_end,
                on_exit=command.wake,
            )
        except OSError as error:
            os.close(read_end)
            self._fail(command, error.strerror or "unknown")
            return
        finally:
            os.close(write_end)
        try:
            threading.Thread(target=self._pump, args=(command, read_end, timeout), daemon=True).start()
        except RuntimeError:  # at the limit of processes
            command.child.kill()
            os.close(read_end)
            self._fail(command, "no thread can be made")

    def _fail(self, command: Command, cause: str) -> None:
        command.log.append(f"lucid: the command could not be started: {cause}\n".encode())
        command.exit = self._finish(command, {**command.outcome(command.cwd, 0), "code": 126})
        self._live.pop(command.key, None)

    def _pump(self, command: Command, pipe: int, timeout: float) -> None:
        def end() -> int:
            return processes.end(lambda: self._members(command.key))

        def finish() -> dict[str, Any]:
            left = self._left_running(self._mark + command.key) if self._reaper.has_children() else 0
            return self._finish(command, command.outcome(self._shell.absorb(command.key), left))

        command.pump(pipe, timeout, end, finish)
        with self._lock:
            self._live.pop(command.key, None)
        self._leave(command, None)

    def _left_running(self, mark: str) -> int:
        return sum(1 for owner in processes.owners(os.getpid(), {}).values() if owner == mark)

    def _finish(self, command: Command, record: dict[str, Any]) -> dict[str, Any]:
        try:
            self._journal.exit(command.key, record)
        except OSError as error:  # a full disk: the answer is right, a helper after us will say SANDBOX_LOST
            print(f"exit of {command.key} could not be written: {error}", file=sys.stderr)
        return record

    def _follow(self, connection: Connection, stream: int, command: Command, follower: Follower) -> None:
        while True:
            with follower.changed:
                follower.changed.wait_for(lambda: self._is_ready(command, follower))
                end = command.exit["total"] if command.exit is not None else None
            if follower.closed:
                return
            for call in command.blocked[follower.told :]:
                connection.send(stream, NOTE, pack({"blocked": call}))
                follower.told += 1
            if end is not None and follower.position >= end:
                head, tail = command.log.ends(end)
                connection.reply(stream, {**(command.exit or {}), "head": len(head)}, head + tail)
                return
            if follower.credit > 0:
                self._send(connection, stream, command, follower, end)

    @staticmethod
    def _is_ready(command: Command, follower: Follower) -> bool:
        if follower.closed or follower.told < len(command.blocked):
            return True
        if command.exit is not None and follower.position >= command.exit["total"]:
            return True
        return follower.credit > 0 and (follower.position < command.sendable or command.exit is not None)

    def _send(self, connection: Connection, stream: int, command: Command, follower: Follower, end: int | None) -> None:
        last = command.sendable if end is None else end
        offset, data = command.log.read(follower.position, min(CHUNK, follower.credit), last)
        if not data:  # dropped up to its end, or pruned: the exit tells the rest
            follower.position = last
            return
        with follower.changed:
            follower.position = offset + len(data)
            follower.credit -= len(data)
        connection.send(stream, DATA, OFFSET.pack(offset) + data)
        if command.exit is None:
            command.wake()

    def _leave(self, command: Command, follower: Follower | None) -> None:
        if follower is not None and follower.is_lost:
            follower.is_lost = False
            if self._wait_for_return(command, follower):
                return
        with self._lock:
            if follower is not None:
                command.unfollow(follower)
            idle = command.exit is not None and not command.followers and command.key not in self._live
            if idle and not command.is_closed:
                command.close()
                self._sizes[command.key] = size_in(self._shell.folder_of(command.key))
                self._prune()
            elif not command.is_closed:
                command.wake()

    def _wait_for_return(self, command: Command, follower: Follower) -> bool:
        """A service that went away comes back in seconds and reads on: until then its place sets the command's pace."""
        if command.exit is not None:
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
        folder = self._shell.folder_of(key)
        os.makedirs(folder, exist_ok=True)
        started = self._journal.started.get(key, {"cwd": self._shell.workspace})
        command = Command(key, folder, started["cwd"])
        command.blocked = list(self._journal.exits.get(key, {}).get("blocked", ()))
        command.exit = self._journal.exits.get(key) or {**NOT_KNOWN, "cwd_after": self._shell.cwd()}
        return command

    def _close_lost(self) -> None:
        """What ran when the last helper died is over: what it had done is not known, and it is not done again."""
        for key, record in self._journal.started.items():
            if key in self._journal.exits:
                continue
            folder = self._shell.folder_of(key)
            os.makedirs(folder, exist_ok=True)
            log = OutputLog(folder)
            outcome = {**NOT_KNOWN, "total": log.total, "truncated": log.total > 2 * ENDS}
            log.close()
            self._journal.exit(key, {**outcome, "cwd_after": self._shell.cwd() or record["cwd"]})

    def _prune(self) -> None:
        """Keeps the output of the last MAX_LOGS commands, MAX_LOG_BYTES in all; of older ones only how they ended."""
        for key in [key for key in self._sizes if key not in self._logs]:  # asked for again, long after
            self._drop(key)
        for key in [key for key in self._logs if key not in self._live]:
            if len(self._logs) <= MAX_LOGS and sum(self._sizes.values()) <= MAX_LOG_BYTES:
                return
            self._logs.remove(key)
            self._drop(key)

    def _drop(self, key: str) -> None:
        self._sizes.pop(key, None)
        shutil.rmtree(self._shell.folder_of(key), ignore_errors=True)
