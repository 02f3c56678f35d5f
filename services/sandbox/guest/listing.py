"""What was started, what of it runs, and the output that is kept: for whoever looks later."""
# ruff: noqa: PTH110, PTH118, PTH123

from __future__ import annotations

import os
import time
from typing import Any

from .commands import Commands
from .connection import Connection
from .following import Follower
from .output_log import FIRST, LAST, OutputLog

TEXT_BYTES = 4000
PAGE, MOST = 50, 200
READ, MOST_READ = 64 * 1024, 1024 * 1024


class Listing:
    """Reads the registry; changes nothing."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def page(self, request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        """Commands, newest first. The token is the last key of the page before."""
        running = self._commands.processes()
        with self._commands.lock:
            keys = list(self._commands.journal.started)[::-1]
            if request["active"]:
                keys = [key for key in keys if running.get(key) or self._runs(key)]
        if request["token"] in keys:
            keys = keys[keys.index(request["token"]) + 1 :]
        elif request["token"]:
            keys = []
        size = min(request["size"] or PAGE, MOST)
        found = [self._about(key, running.get(key, 0)) for key in keys[:size]]
        return {"commands": found, "next": keys[size - 1] if len(keys) > size else ""}, b""

    def read(self, connection: Connection, stream: int, request: dict[str, Any], follower: Follower) -> None:
        """A part of the kept output, once there is something to read, or the time is over."""
        key = request["id"]
        self._commands.check_known(key)
        if request["wait"]:
            self._wait(key, request, follower)
        count = len(self._commands.owned(key))
        with self._commands.lock:  # nobody closes the log meanwhile
            kept, data, offset = self._part(key, request)
        about = self._about(key, count)
        connection.reply(stream, {"offset": offset, **kept, "command": {**about, "total": kept["total"]}}, data)

    def _wait(self, key: str, request: dict[str, Any], follower: Follower) -> None:
        """Until there is a byte at the offset (for the last bytes: until it has ended), or nobody waits any more."""
        command = self._commands.live.get(key)
        if command is None:
            return
        until = time.monotonic() + request["wait"]
        with command.grown:
            while not follower.closed and time.monotonic() < until:
                is_over = not self._runs(key) if request["last"] else key not in self._commands.live
                if is_over or (not request["last"] and command.log.total > request["offset"]):
                    return
                command.grown.wait(min(1.0, until - time.monotonic()))

    def _runs(self, key: str) -> bool:
        command = self._commands.live.get(key)
        return command is not None and command.exit is None

    def _part(self, key: str, request: dict[str, Any]) -> tuple[dict[str, int], bytes, int]:
        command = self._commands.live.get(key)
        folder = self._commands.shell.folder_of(key)
        if command is None and not os.path.exists(os.path.join(folder, "head")):
            total = int(self._commands.journal.exits.get(key, {}).get("total", 0))
            return {"total": total, "head_end": 0, "tail_start": total}, b"", total
        log = OutputLog(folder) if command is None else command.log
        try:
            return _kept(log, request)
        finally:
            if command is None:
                log.close()

    def _about(self, key: str, count: int) -> dict[str, Any]:
        journal = self._commands.journal
        started, command = journal.started.get(key, {}), self._commands.live.get(key)
        end = (command.exit if command is not None else journal.exits.get(key)) or {}
        return {
            "id": key,
            "command": self._text(key),
            "cwd": started.get("cwd", ""),
            "at": started.get("at", 0),
            "background": started.get("background", False),
            "runs": self._runs(key),
            "processes": count,
            "total": command.log.total if command is not None else end.get("total", 0),
            "exit": {**end, "head": 0} if end else None,
        }

    def _text(self, key: str) -> str:
        try:
            with open(os.path.join(self._commands.shell.folder_of(key), "command"), "rb") as file:
                return file.read(TEXT_BYTES).decode(errors="replace")
        except OSError:
            return ""


def _kept(log: OutputLog, request: dict[str, Any]) -> tuple[dict[str, int], bytes, int]:
    total = log.total
    head_end, tail_start = min(total, FIRST), max(min(total, FIRST), total - LAST)
    limit = min(request["last"] or request["limit"] or READ, MOST_READ)
    offset = max(0, total - limit) if request["last"] else min(request["offset"], total)
    if head_end <= offset < tail_start:
        offset = tail_start
    end = min(offset + limit, head_end if offset < head_end < tail_start else total)
    parts: list[bytes] = []
    at = offset
    while at < end:
        start, part = log.read(at, end - at, end)
        if not parts:  # its beginning may have been dropped just now
            offset = at = start
        if not part or start != at:
            break
        parts.append(part)
        at += len(part)
    return {"total": total, "head_end": head_end, "tail_start": tail_start}, b"".join(parts), offset
