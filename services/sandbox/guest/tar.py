"""Reading a tar archive that may have been made to do harm: one entry after the other, nothing taken on trust."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from .frames import Refusal

BLOCK = 512
MAX_HEADER = 64 * 1024  # bytes of what stands before an entry for its long name
MAX_BYTES = 1024 * 1024 * 1024
MAX_RATIO = 200
FREE_BYTES = 1024 * 1024  # a small archive may be packed as well as it can be
FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
KINDS = {tarfile.DIRTYPE: "FOLDER", tarfile.SYMTYPE: "LINK", tarfile.LNKTYPE: "HARD_LINK"}
LONG = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}


def broken(what: str) -> Refusal:
    """It is no archive."""
    return Refusal("ARCHIVE_BROKEN", f"The archive cannot be read: {what}.")


class Packed:
    """An archive in an open file, which is read from its beginning as often as one likes."""

    def __init__(self, fd: int, size: int, data: bytes | None = None) -> None:
        self._fd = fd
        self._data = data
        self.size = size

    @classmethod
    def of(cls, data: bytes) -> Packed:
        """One that is in memory."""
        return cls(-1, len(data), data)

    def unpacked(self) -> Unpacked:
        """Its content, from the beginning."""
        file: BinaryIO
        if self._data is not None:
            file = io.BytesIO(self._data)
        else:
            os.lseek(self._fd, 0, os.SEEK_SET)
            file = os.fdopen(os.dup(self._fd), "rb")
        return Unpacked(file, self.size)


class Unpacked:
    """The bytes of an archive, with a limit of what they may come to."""

    def __init__(self, file: BinaryIO, packed: int) -> None:
        is_gzip = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        self._file = file
        self._from: BinaryIO = gzip.GzipFile(fileobj=file) if is_gzip else file  # type: ignore[assignment]
        self._left = min(MAX_BYTES + (1 << 27), MAX_RATIO * packed + FREE_BYTES)

    def read(self, size: int) -> bytes:
        """Exactly so many bytes. Raises Refusal."""
        self._left -= size
        if self._left < 0:
            raise Refusal("ARCHIVE_TOO_LARGE", f"It holds more than {MAX_BYTES} bytes, or {MAX_RATIO} times its size.")
        try:
            data = self._from.read(size)
        except (OSError, EOFError, zlib.error):
            raise broken("it is damaged, or not whole") from None
        if len(data) != size:
            raise broken("it ends too early")
        return data

    def close(self) -> None:
        """Gives the descriptor back."""
        self._file.close()


class Entry(NamedTuple):
    """What one header says. `kind`: FILE, FOLDER, LINK or HARD_LINK."""

    name: str
    kind: str
    size: int
    executable: bool
    target: str


def entries(content: Unpacked) -> Iterator[Entry]:
    """One after the other. Whoever wants a file's bytes reads them (`size`, then `padding`) before going on.

    Raises Refusal.
    """
    said: dict[str, str] = {}
    while True:
        block = content.read(BLOCK)
        if not block.strip(b"\0"):
            return
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError, UnicodeError):
            raise broken("a header is wrong") from None
        if info.size < 0:
            raise broken("a size is wrong")
        if info.type in LONG or info.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE):
            said.update(_said(info, content))
            continue
        yield _entry(info, said)
        said = {}


def padding(size: int) -> int:
    """Bytes between a file's end and the next header."""
    return -size % BLOCK


def _said(info: tarfile.TarInfo, content: Unpacked) -> dict[str, str]:
    if info.size > MAX_HEADER:
        raise broken("a name is too long")
    text = content.read(info.size)
    content.read(padding(info.size))
    if info.type in LONG:
        return {LONG[info.type]: os.fsdecode(text.rstrip(b"\0"))}
    return {} if info.type == tarfile.XGLTYPE else _records(text)


def _records(text: bytes) -> dict[str, str]:
    """`length key=value\\n`, one after the other."""
    found = {}
    while text:
        length, _, _ = text.partition(b" ")
        if not length.isdigit() or not 5 <= int(length) <= len(text):
            raise broken("an extended header is wrong")
        record, text = text[: int(length)], text[int(length) :]
        key, equals, value = record[len(length) + 1 : -1].partition(b"=")
        if not equals:
            raise broken("an extended header is wrong")
        found[os.fsdecode(key)] = os.fsdecode(value)
    return found


def _entry(info: tarfile.TarInfo, said: dict[str, str]) -> Entry:
    kind = "FILE" if info.type in FILES else KINDS.get(info.type, "")
    name = said.get("path", info.name)
    if not kind or any(key.startswith("GNU.sparse") for key in said):
        raise Refusal("ARCHIVE_UNSAFE", f"{name[:200]!r} is neither a file nor a folder nor a link.")
    size = said.get("size", str(info.size)) if kind == "FILE" else "0"
    if not size.isdigit() or len(size) > 18:
        raise broken("a size is wrong")
    if kind == "FILE" and name.endswith("/"):
        kind = "FOLDER"
    return Entry(name, kind, int(size), bool(info.mode & 0o100), said.get("linkpath", info.linkname))
