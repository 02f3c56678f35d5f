"""What has been started and how it ended, on disk before it is acted upon: a key is started at most once, for ever."""
# ruff: noqa: PTH105, PTH120

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .frames import Refusal

LIMIT = 1024 * 1024  # bytes of the file before it is rewritten
KEPT = 2000  # ended commands, and edits, that are kept whole; of older ones only that there were such keys
OLD_A_LINE = 500


class Journal:
    """A file of JSON lines. `started`, `exits` and `edits` are its content, by key.

    It is rewritten when it has grown: a session of any length needs a few bytes per old key only. `epoch` is the
    highest that was seen: whoever comes with a lower one has been followed by another owner.
    """

    def __init__(self, path: str) -> None:
        self.started: dict[str, dict[str, Any]] = {}
        self.exits: dict[str, dict[str, Any]] = {}
        self.edits: dict[str, dict[str, Any]] = {}
        self.epoch = 0
        self._old: set[str] = set()
        self._path = path
        self._rewrite_at = LIMIT
        self._lock = threading.Lock()
        self._fence = threading.RLock()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._load()
        os.fsync(self._fd)
        _sync_folder(path)

    @contextmanager
    def admitted(self, epoch: int) -> Iterator[None]:
        """While the block runs no higher epoch comes in between. Raises Refusal (FENCED), and OSError as `start`."""
        with self._fence:
            if epoch < self.epoch:
                raise Refusal("FENCED", "Another owner has taken over this session.")
            if epoch > self.epoch:
                with self._lock:
                    self._append({"epoch": epoch})
                    self.epoch = epoch
            yield

    def is_old(self, key: str) -> bool:
        """Whether the key was used so long ago that nothing else is known of it."""
        return _short(key) in self._old

    def keys(self) -> list[str]:
        """All keys of commands and edits that were ever used, as few bytes each; for another journal to adopt."""
        with self._lock:
            return sorted(self._old | {_short(key) for key in (*self.started, *self.edits)})

    def adopt(self, keys: list[str]) -> None:
        """Keys of a journal that is lost were used too. Durable when it returns. Raises OSError."""
        with self._lock:
            for at in range(0, len(keys), OLD_A_LINE):
                self._append({"old": keys[at : at + OLD_A_LINE]})
            self._old.update(keys)

    def start(self, key: str, record: dict[str, Any]) -> None:
        """Durable when it returns. Raises OSError, with nothing written."""
        with self._lock:
            self._append({"started": key, **record})
            self.started[key] = record
            self._shrink()

    def withdraw(self, key: str) -> None:
        """Takes a start back that did not come to pass. Where that cannot be written, the key counts as started."""
        with self._lock:
            self._append({"withdrawn": key})
            self.started.pop(key, None)

    def exit(self, key: str, record: dict[str, Any]) -> None:
        """Durable when it returns. Raises OSError; it is remembered here all the same."""
        with self._lock:
            self.exits[key] = record
            self._append({"exit": key, **record})
            self._shrink()

    def edit(self, key: str, record: dict[str, Any]) -> None:
        """Durable when it returns. Raises OSError, with nothing written."""
        with self._lock:
            self._append({"edit": key, **record})
            self.edits[key] = record
            self._shrink()

    def _append(self, record: dict[str, Any]) -> None:
        size = os.fstat(self._fd).st_size
        try:
            view = memoryview(_line(record))
            while view:
                view = view[os.write(self._fd, view) :]
            os.fdatasync(self._fd)
        except OSError:  # half a line would spoil the next one
            os.ftruncate(self._fd, size)
            raise

    def _shrink(self) -> None:
        """Where the new file cannot be written, for want of space, the old one goes on."""
        if os.fstat(self._fd).st_size <= self._rewrite_at:
            return
        try:
            self._rewrite()
        except OSError:
            self._rewrite_at *= 2

    def _rewrite(self) -> None:
        ended = [key for key in self.started if key in self.exits]
        commands, edits = {*ended[:-KEPT]}, {*list(self.edits)[:-KEPT]}
        old = self._old | {_short(key) for key in commands | edits}
        fd = self._write(sorted(old), commands, edits)
        os.close(self._fd)
        self._fd, self._old = fd, old
        self.started = {key: record for key, record in self.started.items() if key not in commands}
        self.exits = {key: record for key, record in self.exits.items() if key not in commands}
        self.edits = {key: record for key, record in self.edits.items() if key not in edits}
        self._rewrite_at = max(LIMIT, 2 * os.fstat(fd).st_size)

    def _write(self, old: list[str], commands: set[str], edits: set[str]) -> int:
        """A new file in place of the old one, in one step; its descriptor."""
        records: list[dict[str, Any]] = [{"epoch": self.epoch}]
        records += [{"old": old[at : at + OLD_A_LINE]} for at in range(0, len(old), OLD_A_LINE)]
        records += [{"started": key, **record} for key, record in self.started.items() if key not in commands]
        records += [{"exit": key, **record} for key, record in self.exits.items() if key not in commands]
        records += [{"edit": key, **record} for key, record in self.edits.items() if key not in edits]
        unfinished = self._path + ".new"
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(unfinished, flags, 0o600)
        try:
            view = memoryview(b"".join(map(_line, records)))
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
            os.replace(unfinished, self._path)
        except OSError:
            os.close(fd)
            raise
        _sync_folder(self._path)
        return fd

    def _load(self) -> None:
        with os.fdopen(os.dup(self._fd), "rb") as file:
            content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):  # the last writer died in the middle of a line that nobody was told of
            os.ftruncate(self._fd, whole)
        tables = {"started": self.started, "exit": self.exits, "edit": self.edits}
        for line in content[:whole].splitlines():
            record = json.loads(line)
            self.epoch = max(self.epoch, record.get("epoch", 0))
            self._old.update(record.get("old", ()))
            self.started.pop(record.get("withdrawn", ""), None)
            for name, table in tables.items():
                if name in record:
                    table[record.pop(name)] = record
                    break


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _short(key: str) -> str:
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


def _sync_folder(path: str) -> None:
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)
