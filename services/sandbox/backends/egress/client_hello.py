"""The first message of TLS (RFC 8446 §4.1.2), only to learn which server the caller names in it."""

from dataclasses import dataclass, field

from services.sandbox.backends.egress.refusal import Refused
from services.sandbox.domain.network import BlockReason

HANDSHAKE, CLIENT_HELLO = 22, 1
SERVER_NAME, ENCRYPTED_HELLO, ENCRYPTED_NAME = 0, 0xFE0D, 0xFFCE
MAX_HELLO = 16 * 1024
MAX_RECORDS = 64
MAX_RECORD = 16 * 1024
_RECORD_HEADER = 5


@dataclass
class HelloReader:
    """Takes bytes as they come, cut anywhere, over any number of records; `raw` is all of them."""

    raw: bytearray = field(default_factory=bytearray)
    _message: bytearray = field(default_factory=bytearray)
    _position: int = 0
    _records: int = 0

    def feed(self, data: bytes) -> str | None:
        """The server's name in lower case once the message is complete, until then None. Raises Refused."""
        self.raw += data
        while len(self.raw) - self._position >= _RECORD_HEADER:
            kind, major, minor = self.raw[self._position : self._position + 3]
            size = int.from_bytes(self.raw[self._position + 3 : self._position + _RECORD_HEADER], "big")
            if kind != HANDSHAKE or major != 3 or minor > 4 or not 0 < size <= MAX_RECORD:
                raise Refused(BlockReason.NOT_TLS)
            end = self._position + _RECORD_HEADER + size
            if len(self.raw) < end:
                self._check_start(self.raw[self._position + _RECORD_HEADER :])
                return None
            self._records += 1
            self._message += self.raw[self._position + _RECORD_HEADER : end]
            self._position = end
            if self._is_complete():
                return server_name(bytes(self._message[4:]))
        if self.raw and self.raw[self._position : self._position + 1] not in (b"", bytes((HANDSHAKE,))):
            raise Refused(BlockReason.NOT_TLS)
        return None

    def _check_start(self, rest: bytearray) -> None:
        """What cannot become a ClientHello is not waited for."""
        start = (self._message + rest)[:4]
        if start and start[0] != CLIENT_HELLO:
            raise Refused(BlockReason.NOT_TLS)
        if len(start) == 4 and int.from_bytes(start[1:4], "big") > MAX_HELLO:
            raise Refused(BlockReason.NOT_TLS)

    def _is_complete(self) -> bool:
        self._check_start(bytearray())
        size = int.from_bytes(self._message[1:4], "big") if len(self._message) >= 4 else MAX_HELLO
        if len(self._message) > 4 + size or (self._records >= MAX_RECORDS and len(self._message) < 4 + size):
            raise Refused(BlockReason.NOT_TLS)
        return len(self._message) == 4 + size


class _Cut:
    """Takes fields off the front of a message; every length is looked at."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise Refused(BlockReason.NOT_TLS)
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """What follows its own length of `size` bytes."""
        return self.take(self.number(size))

    @property
    def left(self) -> int:
        return len(self._data) - self._at


def server_name(body: bytes) -> str:
    """The one name in a ClientHello's body, in lower case. Raises Refused."""
    cut = _Cut(body)
    cut.take(2 + 32)
    cut.vector(1)
    cut.vector(2)
    cut.vector(1)
    found = _extensions(cut.vector(2)) if cut.left else {}
    if cut.left:
        raise Refused(BlockReason.NOT_TLS)
    if ENCRYPTED_HELLO in found or ENCRYPTED_NAME in found:
        raise Refused(BlockReason.HIDDEN_NAME)
    if SERVER_NAME not in found:
        raise Refused(BlockReason.NO_NAME)
    return _only_name(found[SERVER_NAME])


def _extensions(data: bytes) -> dict[int, bytes]:
    """By their number; none may come twice."""
    cut, found = _Cut(data), dict[int, bytes]()
    while cut.left:
        number = cut.number(2)
        if number in found:
            raise Refused(BlockReason.NOT_TLS)
        found[number] = cut.vector(2)
    return found


def _only_name(data: bytes) -> str:
    """RFC 6066 §3: a list with one entry, of the kind host_name."""
    outer = _Cut(data)
    names = _Cut(outer.vector(2))
    kind, name = names.number(1), names.vector(2)
    if kind or not name or names.left or outer.left:
        raise Refused(BlockReason.NO_NAME)
    try:
        return name.decode("ascii").lower()
    except UnicodeDecodeError:
        raise Refused(BlockReason.OTHER_NAME) from None
