"""The service's side of the helper's frames (see guest/frames.py: u32 length, u32 stream, u8 kind, payload)."""

import json
import struct
from collections.abc import Iterator
from typing import Any

HEADER = struct.Struct(">IIB")
SIZE = struct.Struct(">I")
OFFSET = struct.Struct(">Q")
REQUEST, REPLY, ERROR, NOTE, DATA, CREDIT, CANCEL = 1, 2, 3, 4, 5, 6, 7
MAX_PAYLOAD = 64 * 1024 * 1024


def frame(stream: int, kind: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return HEADER.pack(len(payload), stream, kind) + payload


def pack(fields: dict[str, Any], blob: bytes = b"") -> bytes:
    """JSON with bytes beside it."""
    text = json.dumps(fields).encode()
    return SIZE.pack(len(text)) + text + blob


def unpack(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """The other way round. Raises ValueError for anything else."""
    if len(payload) < SIZE.size:
        raise ValueError("short payload")
    (size,) = SIZE.unpack_from(payload)
    fields = json.loads(payload[SIZE.size : SIZE.size + size])
    if not isinstance(fields, dict):
        raise ValueError("not an object")
    return fields, payload[SIZE.size + size :]


class Parser:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The frames (stream, kind, payload) that are complete now. Raises ValueError for one that is too large."""
        self._buffer += data
        position = 0
        while len(self._buffer) - position >= HEADER.size:
            size, stream, kind = HEADER.unpack_from(self._buffer, position)
            if size > MAX_PAYLOAD:
                raise ValueError("frame too large")
            end = position + HEADER.size + size
            if len(self._buffer) < end:
                break
            yield stream, kind, bytes(self._buffer[position + HEADER.size : end])
            position = end
        del self._buffer[:position]
