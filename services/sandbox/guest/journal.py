"""What has been started and how it ended, on disk before it is acted upon: a key is started at most once, for ever."""
# ruff: noqa: PTH120

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .frames import Refusal


class Journal:
    """An append-only file of JSON lines. `started`, `exits` and `edits` are its content, by key.

    `epoch` is the highest that was seen: whoever comes with a lower one has been followed by another owner.
    """

    def __init__(self, path: str) -> None:
        self.started: dict[str, dict[str, Any]] = {}
        self.exits: dict[str, dict[str, Any]] = {}
        self.edits: dict[str, dict[str, Any]] = {}
        self.epoch = 0
        self._lock = threading.Lock()
        self._fence = threading.RLock()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._load()
        os.fsync(self._fd)
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)

    @contextmanager
    def admitted(self, epoch: int) -> Iterator[None]:
        """While the block runs no higher epoch comes in between. Raises Refusal (FENCED), and OSError as `start`."""
        with self._fence:
            if epoch < self.epoch:
                raise Refusal("FENCED", "Another owner has taken over this session.")
            if epoch > self.epoch:
                self._append({"epoch": epoch})
                self.epoch = epoch
            yield

    def start(self, key: str, record: dict[str, Any]) -> None:
        """Durable when it returns. Raises OSError, with nothing written."""
        self._append({"started": key, **record})
        self.started[key] = record

    def exit(self, key: str, record: dict[str, Any]) -> None:
        """Durable when it returns. Raises OSError; it is remembered here all the same."""
        self.exits[key] = record
        self._append({"exit": key, **record})

    def edit(self, key: str, record: dict[str, Any]) -> None:
        """Durable when it returns. Raises OSError, with nothing written."""
        self._append({"edit": key, **record})
        self.edits[key] = record

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            size = os.fstat(self._fd).st_size
            try:
                view = memoryview(line)
                while view:
                    view = view[os.write(self._fd, view) :]
                os.fdatasync(self._fd)
            except OSError:  # half a line would spoil the next one
                os.ftruncate(self._fd, size)
                raise

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
            for name, table in tables.items():
                if name in record:
                    table[record.pop(name)] = record
                    break
