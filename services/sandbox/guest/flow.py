"""Sends a long answer in parts, no faster than it is taken."""

from __future__ import annotations

from .connection import Connection
from .following import Follower
from .frames import NOTE


class Gone(Exception):
    """Nobody reads the answer any more."""


class Flow:
    """One stream of a connection."""

    def __init__(self, connection: Connection, stream: int, follower: Follower) -> None:
        self._connection = connection
        self._stream = stream
        self._follower = follower

    def send(self, payload: bytes) -> None:
        """Waits until there is credit. Raises Gone."""
        follower = self._follower
        with follower.changed:
            follower.changed.wait_for(lambda: follower.closed or follower.credit > 0)
            if follower.closed:
                raise Gone
            follower.credit -= len(payload)
        self._connection.send(self._stream, NOTE, payload)
