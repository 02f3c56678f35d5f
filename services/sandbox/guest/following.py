"""Output that others follow: each reader from its own byte on, with credit, live and to the end."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from .frames import DATA, NOTE, OFFSET, pack

if TYPE_CHECKING:
    from .connection import Connection

CHUNK = 64 * 1024
WINDOW = 1024 * 1024


class Follower:
    """A reader of the output. It takes as much as it has credit for."""

    def __init__(self, position: int, credit: int = WINDOW) -> None:
        self.position = position
        self.told = 0
        self.credit = credit
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

    def add_credit(self, size: int) -> None:
        """The reader has taken `size` bytes."""
        with self.changed:
            self.credit += size
            self.changed.notify_all()


class Followed:
    """What is followed: a command or a terminal. `exit` is its end, with the `total` that it ended at.

    `blocked`: calls of it that did not go out; a follower is told of each, once.
    """

    window = WINDOW
    log: Any

    def __init__(self) -> None:
        self.exit: dict[str, Any] | None = None
        self.blocked: list[dict[str, Any]] = []
        self.followers: tuple[Follower, ...] = ()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    @property
    def sendable(self) -> int:
        """Where followers may read to."""
        return int(self.log.total)

    def final(self) -> tuple[dict[str, Any], bytes]:
        """What a follower is told at the end."""
        return self.exit or {}, b""

    def follow(self, follower: Follower) -> None:
        """Adds a reader. Called under the registry's lock; the pump sees the tuple as a whole."""
        self.followers = (*(other for other in self.followers if not other.closed), follower)

    def unfollow(self, follower: Follower) -> None:
        """Takes it away again."""
        self.followers = tuple(other for other in self.followers if other is not follower)

    def wake(self) -> None:
        """Makes the pump look again: the process ended, or a follower has caught up."""
        try:
            os.write(self._wake_write, b"!")
        except OSError:
            return

    def tell(self) -> None:
        """There is more to read, or the end."""
        for follower in self.followers:
            follower.tell()

    def _room(self) -> bool:
        """The fastest follower sets the pace; without one the output runs on into the log."""
        followers = self.followers
        if self.exit is not None or not followers:
            return True
        return min(self.sendable - follower.position for follower in followers) < self.window

    def _close_wake(self) -> None:
        for fd in (self._wake_read, self._wake_write):
            os.close(fd)


def follow(connection: Connection, stream: int, source: Followed, follower: Follower) -> None:
    """Sends what is there and what comes, then the end; returns when the follower is closed."""
    while True:
        with follower.changed:
            follower.changed.wait_for(lambda: _is_ready(source, follower))
            end = source.exit["total"] if source.exit is not None else None
        if follower.closed:
            return
        for call in source.blocked[follower.told :]:
            connection.send(stream, NOTE, pack({"blocked": call}))
            follower.told += 1
        if end is not None and follower.position >= end:
            connection.reply(stream, *source.final())
            return
        if follower.credit > 0:
            _send(connection, stream, source, follower, end)


def _is_ready(source: Followed, follower: Follower) -> bool:
    if follower.closed or follower.told < len(source.blocked):
        return True
    if source.exit is not None and follower.position >= source.exit["total"]:
        return True
    return follower.credit > 0 and (follower.position < source.sendable or source.exit is not None)


def _send(connection: Connection, stream: int, source: Followed, follower: Follower, end: int | None) -> None:
    last = source.sendable if end is None else end
    offset, data = source.log.read(follower.position, min(CHUNK, follower.credit), last)
    if not data:  # dropped up to its end, or pruned: the exit tells the rest
        follower.position = last
        if source.exit is None:  # what a full disk has lost holds up nobody
            source.wake()
        return
    with follower.changed:
        follower.position = offset + len(data)
        follower.credit -= len(data)
    connection.send(stream, DATA, OFFSET.pack(offset) + data)
    if source.exit is None:
        source.wake()
