"""A folder as a tar archive, packed while it is read."""

from __future__ import annotations

import os
import stat
import tarfile
from typing import Any

from .beneath import RESOLVE_NO_SYMLINKS, Beneath
from .frames import Refusal
from .streams import Stream
from .tree import Rule, walk

MAX_ENTRIES = 200_000
MAX_BYTES = 4 * 1024 * 1024 * 1024
PART = 64 * 1024
BLOCK = 512
RECORD = 20 * BLOCK
READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW


class Gone(Exception):
    """Nobody takes the archive any more."""


class Packing:
    """One archive on its way out."""

    def __init__(self, workspace: Beneath, stream: Stream) -> None:
        self._workspace = workspace
        self._stream = stream
        self._buffer = bytearray()
        self._sent = 0
        self.told = {"entries": 0, "bytes": 0, "skipped": 0}

    def pack(self, path: str, leave_out_made: bool) -> tuple[dict[str, Any], bytes]:
        """Packs what is below a folder. Raises Refusal for what is too large."""
        fd = self._workspace.open_folder(path)
        try:
            name = self._workspace.real_name(fd)
        finally:
            os.close(fd)
        top = "" if name in (None, ".") else str(name)
        rule = Rule(everything=True, without_made=leave_out_made)
        try:
            for entry in walk(self._workspace, top, rule, MAX_ENTRIES + 1):
                self._add(entry.path, entry.path[len(top) :].lstrip("/"))
            self._write(bytes(2 * BLOCK))
            self._write(bytes(-(self._sent + len(self._buffer)) % RECORD))
            self._flush(0)
        except Gone:
            return {}, b""
        return {"done": self.told}, b""

    def _add(self, path: str, name: str) -> None:
        if self.told["entries"] == MAX_ENTRIES:
            raise Refusal("ARCHIVE_TOO_LARGE", f"There are more than {MAX_ENTRIES} files.")
        try:
            self._put(path, name)
        except OSError:  # it has gone, or may not be read
            self.told["skipped"] += 1

    def _put(self, path: str, name: str) -> None:
        fd = self._workspace.open(path, os.O_PATH | os.O_NOFOLLOW)
        try:
            about = os.fstat(fd)
            target = os.readlink("", dir_fd=fd) if stat.S_ISLNK(about.st_mode) else ""
        finally:
            os.close(fd)
        if stat.S_ISREG(about.st_mode):
            self._put_file(path, name)
        elif stat.S_ISDIR(about.st_mode):
            self._begin(name, about, tarfile.DIRTYPE)
        elif target:
            self._begin(name, about, tarfile.SYMTYPE, target)
        else:
            self.told["skipped"] += 1

    def _put_file(self, path: str, name: str) -> None:
        fd = self._workspace.open(path, READ, resolve=RESOLVE_NO_SYMLINKS)
        try:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                self.told["skipped"] += 1
                return
            if self.told["bytes"] + about.st_size > MAX_BYTES:
                raise Refusal("ARCHIVE_TOO_LARGE", f"There are more than {MAX_BYTES} bytes.")
            self._begin(name, about, tarfile.REGTYPE)
            left = about.st_size
            while left:
                # What became shorter meanwhile is filled up: its size has been said.
                part = os.read(fd, min(PART, left)) or bytes(min(PART, left))
                left -= len(part)
                self._write(part)
            self._write(bytes(-about.st_size % BLOCK))
            self.told["bytes"] += about.st_size
        finally:
            os.close(fd)

    def _begin(self, name: str, about: os.stat_result, kind: bytes, target: str = "") -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        info.mode, info.mtime = stat.S_IMODE(about.st_mode) & 0o777, max(0, int(about.st_mtime))
        info.size = about.st_size if kind == tarfile.REGTYPE else 0
        self._write(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
        self.told["entries"] += 1

    def _write(self, data: bytes) -> None:
        self._buffer += data
        self._flush(PART)

    def _flush(self, keep: int) -> None:
        """Sends what is there in parts of PART, until less than `keep` (or nothing) is left."""
        while self._buffer and len(self._buffer) >= keep:
            part = bytes(self._buffer[:PART])
            del self._buffer[:PART]
            self._sent += len(part)
            if not self._stream.send({}, part):
                raise Gone
