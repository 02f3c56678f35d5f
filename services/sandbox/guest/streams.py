"""Answers in many parts, which go out at the pace of their reader."""

from __future__ import annotations

from typing import Any

from .command import Follower
from .connection import Connection
from .frames import NOTE, pack


class Stream:
    """One call's parts. `follower` holds the reader's credit; leaving and a lost connection close it."""

    def __init__(self, connection: Connection, number: int, follower: Follower) -> None:
        self._connection = connection
        self._number = number
        self.follower = follower

    @property
    def closed(self) -> bool:
        """Nobody reads any more."""
        return self.follower.closed

    def send(self, fields: dict[str, Any], blob: bytes = b"") -> bool:
        """Sends one part when there is credit for it; False if nobody reads any more."""
        payload = pack(fields, blob)
        with self.follower.changed:
            self.follower.changed.wait_for(lambda: self.closed or self.follower.credit > 0)
            if self.closed:
                return False
            self.follower.credit -= len(payload)
        self._connection.send(self._number, NOTE, payload)
        return True
