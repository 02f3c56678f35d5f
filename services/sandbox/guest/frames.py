"""Frames: u32 length, u32 stream, u8 kind, payload. Big-endian. Many streams share one connection."""

from __future__ import annotations

import json
import struct
from typing import Any

HEADER = struct.Struct(">IIB")
SIZE = struct.Struct(">I")
OFFSET = struct.Struct(">Q")
REQUEST, REPLY, ERROR, NOTE, DATA, CREDIT, CANCEL = 1, 2, 3, 4, 5, 6, 7
MAX_PAYLOAD = 16 * 1024 * 1024


class Refusal(Exception):
    """A request that cannot be carried out: a stable reason and a text; `trace` for the service's log."""

    def __init__(self, reason: str, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.trace = trace


def pack(fields: dict[str, Any], blob: bytes = b"") -> bytes:
    """JSON with bytes beside it, so that no byte needs an escape."""
    text = json.dumps(fields).encode()
    return SIZE.pack(len(text)) + text + blob


def unpack(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """The other way round."""
    (size,) = SIZE.unpack_from(payload)
    return json.loads(payload[SIZE.size : SIZE.size + size]), payload[SIZE.size + size :]


class Parser:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """The frames (stream, kind, payload) that are complete now. Raises ValueError for one that is too large."""
        self._buffer += data
        found = []
        position = 0
        while len(self._buffer) - position >= HEADER.size:
            size, stream, kind = HEADER.unpack_from(self._buffer, position)
            if size > MAX_PAYLOAD:
                raise ValueError("frame too large")
            end = position + HEADER.size + size
            if len(self._buffer) < end:
                break
            found.append((stream, kind, bytes(self._buffer[position + HEADER.size : end])))
            position = end
        del self._buffer[:position]
        return found


def frame(stream: int, kind: int, payload: bytes) -> bytes:
    """One frame."""
    return HEADER.pack(len(payload), stream, kind) + payload
