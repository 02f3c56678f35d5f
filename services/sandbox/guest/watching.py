"""Tells what changes in the workspace, while somebody listens: one instance of inotify, however many listen."""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from collections.abc import Iterator
from typing import Any

from . import inotify
from .beneath import RESOLVE_NO_SYMLINKS, Beneath
from .frames import Refusal
from .names import shown
from .replacing import OURS
from .streams import Stream
from .tree import LEFT_OUT, Rule, walk

COALESCE_SECONDS = 0.05
MAX_FOLDERS = 8192
MAX_PENDING = 1000
MAX_LISTENERS = 16
GONE = inotify.IN_DELETE | inotify.IN_MOVED_FROM
NEW = inotify.IN_CREATE | inotify.IN_MOVED_TO


class Listener:
    """One who listens: what has changed since it was told last, each path once."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.changed = stream.follower.changed
        self.pending: dict[str, tuple[str, bool]] = {}
        self.is_lost = False

    def note(self, path: str, kind: str, is_folder: bool) -> None:
        """A change; what came new and is changed is still new."""
        with self.changed:
            if self.is_lost:  # it will hear of that, and list anew
                return
            before = self.pending.pop(path, (kind, is_folder))[0]
            self.pending[path] = ("CREATED" if (before, kind) == ("CREATED", "CHANGED") else kind, is_folder)
            self.is_lost = self.is_lost or len(self.pending) > MAX_PENDING
            self.changed.notify_all()

    def lose(self) -> None:
        """More has happened than is known."""
        with self.changed:
            self.is_lost = True
            self.changed.notify_all()

    def tell(self) -> None:
        """Until nobody listens any more."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.stream.closed or self.pending or self.is_lost)
                last = time.monotonic() + COALESCE_SECONDS
                while not self.stream.closed and time.monotonic() < last:
                    self.changed.wait(max(0.0, last - time.monotonic()))
                pending, is_lost = self.pending, self.is_lost
                self.pending, self.is_lost = {}, False
            changes = [[shown(path), kind, is_folder] for path, (kind, is_folder) in pending.items()]
            if not self.stream.send({"reload": True} if is_lost else {"changes": changes}):
                return


class Watching:
    """The watch on the workspace, and those who listen."""

    def __init__(self, workspace: Beneath) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._folders: _Folders | None = None

    def follow(self, request: dict[str, Any], stream: Stream) -> tuple[dict[str, Any], bytes]:
        """Tells one listener until it leaves. Raises Refusal (WATCH_LIMIT)."""
        listener = Listener(stream)
        folders = self._join(listener)
        try:
            if stream.send({"ready": folders.count(), "partial": folders.is_partial}):
                listener.tell()
        finally:
            self._part(listener)
        return {}, b""

    def _join(self, listener: Listener) -> _Folders:
        with self._lock:
            if len(self._listeners) >= MAX_LISTENERS:
                raise Refusal("WATCH_LIMIT", f"{MAX_LISTENERS} are watching already.")
            if self._folders is None:
                try:
                    self._folders = _Folders(self._workspace)
                except OSError as error:
                    text = f"The machine lets this user watch no more folders ({error.strerror})."
                    raise Refusal("WATCH_LIMIT", text) from None
                threading.Thread(target=self._read, args=(self._folders,), daemon=True).start()
            self._listeners.append(listener)
            return self._folders

    def _part(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.remove(listener)
            if not self._listeners and self._folders is not None:
                self._folders.stop()
                self._folders = None

    def _read(self, folders: _Folders) -> None:
        while folders.wait():
            changes = list(folders.changes())
            with self._lock:
                listeners = list(self._listeners)
            for listener in listeners:
                for change in changes:
                    listener.note(*change)
                if folders.was_overrun:
                    listener.lose()
            if folders.was_overrun:
                folders.look_again()
        folders.close()


class _Folders:
    """Every folder that ListTree enters, each with its watch. One thread uses it, but for `stop` and `count`."""

    def __init__(self, workspace: Beneath) -> None:
        self._workspace = workspace
        self._paths: dict[int, str] = {}
        self.is_partial = False
        self.was_overrun = False
        self._instance = inotify.open_instance()
        self._stop_read, self._stop_write = os.pipe2(os.O_CLOEXEC)
        try:
            self._watch("", must=True)
        except OSError:
            self.close()
            raise
        self._watch_below("")

    def count(self) -> int:
        """How many are watched."""
        return len(self._paths)

    def wait(self) -> bool:
        """Waits for something to happen; False once it is to end."""
        poll = select.poll()
        poll.register(self._stop_read, select.POLLIN)
        poll.register(self._instance, select.POLLIN)
        return all(fd != self._stop_read for fd, _ in poll.poll())

    def stop(self) -> None:
        """Ends `wait`."""
        os.close(self._stop_write)

    def close(self) -> None:
        """Gives the kernel everything back."""
        os.close(self._instance)
        os.close(self._stop_read)

    def look_again(self) -> None:
        """After an overrun: folders may have come that nobody told of."""
        self.was_overrun = False
        self._watch_below("")

    def changes(self) -> Iterator[tuple[str, str, bool]]:
        """What has happened: path, kind, whether it is a folder."""
        for event in inotify.read(self._instance):
            if event.mask & inotify.IN_Q_OVERFLOW:
                self.was_overrun = True
            folder = self._paths.get(event.watch)
            if folder is None or not event.name or event.name.startswith(OURS):
                continue
            is_folder = bool(event.mask & inotify.IN_ISDIR)
            if is_folder and (event.name in LEFT_OUT or event.name.startswith(".")):
                continue
            path = f"{folder}/{event.name}" if folder else event.name
            if is_folder and event.mask & GONE:
                self._forget(path)
            yield path, "REMOVED" if event.mask & GONE else "CREATED" if event.mask & NEW else "CHANGED", is_folder
            if is_folder and event.mask & NEW:
                yield from self._arrived(path)

    def _arrived(self, path: str) -> Iterator[tuple[str, str, bool]]:
        """A new folder may have got its content before it was watched."""
        self._watch(path)
        for entry in self._watch_below(path):
            yield entry.path, "CREATED", entry.is_folder

    def _watch_below(self, top: str) -> list[Any]:
        found = []
        for entry in walk(self._workspace, top, Rule(), MAX_FOLDERS * 4):
            if entry.entered:
                self._watch(entry.path)
            found.append(entry)
        return found

    def _watch(self, path: str, must: bool = False) -> None:
        if len(self._paths) >= MAX_FOLDERS:
            self.is_partial = True
            return
        try:
            fd = self._workspace.open(path or ".", os.O_RDONLY | os.O_DIRECTORY, resolve=RESOLVE_NO_SYMLINKS)
        except OSError:
            return
        try:
            self._paths[inotify.add(self._instance, fd)] = path
        except OSError as error:
            if must:
                raise
            self.is_partial = self.is_partial or error.errno == errno.ENOSPC
        finally:
            os.close(fd)

    def _forget(self, path: str) -> None:
        """A folder that went: if it is somewhere else now, its watches would tell of paths that are none any more."""
        gone = [watch for watch, known in self._paths.items() if known == path or known.startswith(path + "/")]
        for watch in gone:
            del self._paths[watch]
            inotify.remove(self._instance, watch)
