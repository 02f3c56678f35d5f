"""Frames: u32 length, u32 stream, u8 kind, payload. Big-endian. Many streams share the one pair of pipes."""

from __future__ import annotations

import json
import os
import struct
import threading
from typing import Any

HEADER = struct.Struct(">IIB")
SIZE = struct.Struct(">I")
OFFSET = struct.Struct(">Q")
REQUEST, REPLY, ERROR, NOTE, DATA, CREDIT, CANCEL = 1, 2, 3, 4, 5, 6, 7
MAX_PAYLOAD = 16 * 1024 * 1024


class Refusal(Exception):
    """A request that cannot be carried out: a stable reason and a text."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def pack(fields: dict[str, Any], blob: bytes = b"") -> bytes:
    """JSON with bytes beside it, so that no byte needs an escape."""
    text = json.dumps(fields).encode()
    return SIZE.pack(len(text)) + text + blob


def unpack(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """The other way round."""
    (size,) = SIZE.unpack_from(payload)
    return json.loads(payload[SIZE.size : SIZE.size + size]), payload[SIZE.size + size :]


class Pipes:
    """The two ends to the service. Sending is safe from any thread; one thread receives."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._lock = threading.Lock()
        self._buffer = bytearray()

    def send(self, stream: int, kind: int, payload: bytes) -> None:
        """Writes one frame whole. A service that is gone ends the helper: nobody could hear it."""
        frame = memoryview(HEADER.pack(len(payload), stream, kind) + payload)
        with self._lock:
            while frame:
                try:
                    frame = frame[os.write(self._write_fd, frame) :]
                except OSError:
                    os._exit(0)

    def reply(self, stream: int, fields: dict[str, Any], blob: bytes = b"") -> None:
        """Ends a stream with an answer."""
        self.send(stream, REPLY, pack(fields, blob))

    def refuse(self, stream: int, error: Refusal) -> None:
        """Ends a stream with a refusal."""
        self.send(stream, ERROR, pack({"reason": error.reason, "message": error.message}))

    def receive(self) -> tuple[int, int, bytes] | None:
        """The next frame as (stream, kind, payload); None when the service has gone."""
        header = self._take(HEADER.size)
        if header is None:
            return None
        size, stream, kind = HEADER.unpack(header)
        payload = self._take(size) if size <= MAX_PAYLOAD else None
        return None if payload is None else (stream, kind, payload)

    def _take(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            try:
                part = os.read(self._read_fd, 1 << 18)
            except OSError:
                return None
            if not part:
                return None
            self._buffer += part
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
