"""A service that is connected to the helper: there may be several, while one follows the other."""

from __future__ import annotations

import socket
import threading
from typing import Any

from .following import Follower
from .frames import ERROR, REPLY, Parser, Refusal, frame, pack

READ_SIZE = 1 << 18
SEND_SECONDS = 20.0


class Connection:
    """Sending is safe from any thread; one thread receives and, in the end, closes."""

    def __init__(self, way: socket.socket) -> None:
        way.settimeout(SEND_SECONDS)
        self._way = way
        self._lock = threading.Lock()
        self._parser = Parser()
        self._is_cut = False
        self.followers: dict[int, Follower] = {}

    def fileno(self) -> int:
        """For a selector."""
        return self._way.fileno()

    def send(self, stream: int, kind: int, payload: bytes) -> None:
        """Sends one frame whole. A service that has gone, or takes nothing for SEND_SECONDS, is cut off."""
        with self._lock:
            if self._is_cut:
                return
            try:
                self._way.sendall(frame(stream, kind, payload))
            except OSError:
                self._cut()

    def reply(self, stream: int, fields: dict[str, Any], blob: bytes = b"") -> None:
        """Ends a stream with an answer."""
        self.send(stream, REPLY, pack(fields, blob))

    def refuse(self, stream: int, error: Refusal) -> None:
        """Ends a stream with a refusal."""
        self.send(stream, ERROR, pack({"reason": error.reason, "message": error.message, "trace": error.trace}))

    def receive(self) -> list[tuple[int, int, bytes]] | None:
        """What has come, as frames; None at the end. Called when there is something to read."""
        try:
            data = self._way.recv(READ_SIZE)
            return self._parser.feed(data) if data else None
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """Gives the descriptor back; what is still to be sent goes nowhere."""
        with self._lock:
            self._cut()
            self._way.close()

    def _cut(self) -> None:
        """The receiving thread sees an end, and closes."""
        self._is_cut = True
        try:
            self._way.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
