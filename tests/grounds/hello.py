"""First messages of TLS, made by hand: whole, cut into records, or wrong in one place."""

import ssl
from collections.abc import Iterable

CLIENT_HELLO = 1


def real_hello(name: str | None) -> bytes:
    """As Python's own TLS says it, in one record."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    said = ssl.MemoryBIO()
    way = context.wrap_bio(ssl.MemoryBIO(), said, server_hostname=name)
    try:
        way.do_handshake()
    except ssl.SSLWantReadError:
        return said.read()
    raise AssertionError("a handshake with nobody")


def server_names(*names: bytes, kind: int = 0) -> bytes:
    """The body of the extension server_name."""
    entries = b"".join(bytes((kind,)) + len(name).to_bytes(2, "big") + name for name in names)
    return len(entries).to_bytes(2, "big") + entries


def hello(extensions: Iterable[tuple[int, bytes]] | None = (), kind: int = CLIENT_HELLO, tail: bytes = b"") -> bytes:
    """A handshake message without its record. `extensions` None: none at all, not even their length."""
    parts = b"".join(
        number.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body for number, body in extensions or ()
    )
    ends = b"" if extensions is None else len(parts).to_bytes(2, "big") + parts
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\x01" + b"\1\0" + ends + tail
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def records(message: bytes, size: int = 16384, kind: int = 22) -> bytes:
    """The message in records of at most `size` bytes."""
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(bytes((kind, 3, 1)) + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def said(name: str, *more: tuple[int, bytes]) -> bytes:
    """A hello that names a server, with further extensions, in one record."""
    return records(hello([(0, server_names(name.encode())), *more]))
