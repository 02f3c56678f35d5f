"""Git's pkt-lines, read strictly: four hex digits, then exactly that many bytes (gitprotocol-common)."""

import re

FLUSH = b"0000"
DELIMITER = b"0001"  # between the parts of a message of protocol version 2 (gitprotocol-v2)
MAX_PAYLOAD = 65516
_LENGTH = re.compile(rb"[0-9a-fA-F]{4}")  # int(x, 16) alone would take "+00a", " 00a" and "0x0a"


class BadPacketLine(ValueError):
    """These bytes are not pkt-lines."""


def encode(payload: bytes) -> bytes:
    """One pkt-line."""
    return b"%04x" % (len(payload) + 4) + payload


class PacketReader:
    """Takes bytes in any pieces, gives lines; None stands for a flush. What is not a line yet stays in `rest`.

    `delimited`: protocol version 2, where an empty line stands for a delimiter.
    """

    def __init__(self, largest: int = MAX_PAYLOAD, delimited: bool = False) -> None:
        self.rest = b""
        self._largest = largest
        self._delimited = delimited

    def feed(self, data: bytes) -> None:
        """More bytes."""
        self.rest += data

    def next(self) -> tuple[bool, bytes | None]:
        """(True, line) if there is a whole one, else (False, None). Raises BadPacketLine."""
        if len(self.rest) < 4:
            if not re.fullmatch(rb"[0-9a-fA-F]*", self.rest):
                raise BadPacketLine
            return False, None
        if not _LENGTH.fullmatch(self.rest[:4]):
            raise BadPacketLine
        length = int(self.rest[:4], 16)
        if length == 0:
            self.rest = self.rest[4:]
            return True, None
        if length == 1 and self._delimited:
            self.rest = self.rest[4:]
            return True, b""
        if length <= 4 or length - 4 > self._largest:
            raise BadPacketLine
        if len(self.rest) < length:
            return False, None
        line, self.rest = self.rest[4:length], self.rest[length:]
        return True, line
