"""Reads what git prints of the difference between two trees."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, BinaryIO

MAX_CHANGES = 500
MAX_PATCH = 256 * 1024
MAX_PATCHES = 2 * 1024 * 1024
LINE = 64 * 1024
KINDS = {"A": "ADDED", "M": "MODIFIED", "D": "DELETED", "R": "RENAMED", "C": "ADDED", "T": "MODIFIED"}
OPTIONS = ("diff-tree", "--no-ext-diff", "--no-textconv", "-r", "-M", "-z")
ALL_AT_ONCE = (*OPTIONS, "--raw", "--numstat", "-p")


class Changes:
    """What `--raw --numstat -p -z` tells: the first changes with their patches, and counts of all of them.

    Raises ValueError where git was ended in the middle of it.
    """

    def __init__(self, file: BinaryIO, limit: int = MAX_CHANGES, budget: int = MAX_PATCHES) -> None:
        self.files = 0
        self.added = 0
        self.removed = 0
        self.first: list[dict[str, Any]] = []
        fields = _fields(file)
        counts: Iterator[bytes] = iter(())
        for field in fields:
            if not field.startswith(b":"):
                counts = itertools.chain([field], fields)
                break
            change = raw_change(field, fields)
            if self.files < limit:
                self.first.append(change)
            self.files += 1
        self._count(counts)
        add_patches(file, self.first, budget)

    def _count(self, fields: Iterator[bytes]) -> None:
        """Up to the empty field that stands before the patches."""
        for number, field in enumerate(iter(lambda: next(fields, b""), b"")):
            change = self.first[number] if number < len(self.first) else {}
            count(field, fields, change)
            self.added += change["added"]
            self.removed += change["removed"]

    @property
    def totals(self) -> dict[str, int]:
        """Of all changes."""
        return {"files": self.files, "added": self.added, "removed": self.removed}


def together(raw: BinaryIO, numstat: BinaryIO, patch: BinaryIO | None) -> Iterator[dict[str, Any]]:
    """The changes that two or three git programs tell of in step: any number of them, one at a time."""
    fields, counts = _fields(raw), _fields(numstat)
    parts = _sections(patch) if patch is not None else iter(())
    for field in fields:
        change = raw_change(field, fields)
        count(next(counts, b""), counts, change)
        _add_patch(parts, change, MAX_PATCH)
        yield change


def _fields(file: Any) -> Iterator[bytes]:
    """What ends with NUL, as far as it is asked for: the rest of the file stays unread."""
    parts: list[bytes] = []
    while True:
        ahead = file.peek(1)
        if not ahead:
            return
        end = ahead.find(b"\0")
        parts.append(file.read(end + 1 if end >= 0 else len(ahead)))
        if end >= 0:
            yield b"".join(parts)[:-1]
            parts = []


def shown(path: bytes) -> str:
    """A path as text; bytes that are not UTF-8 are written as \\xNN."""
    return path.decode("utf-8", "backslashreplace")


def raw_change(field: bytes, fields: Iterator[bytes]) -> dict[str, Any]:
    """`:100644 100755 <old> <new> M` and its one or two paths."""
    old_mode, new_mode, old_id, new_id, status = field[1:].decode().split(" ")
    letter = status[0]
    path = next(fields, b"")
    old_path = b""
    if letter in "RC":
        old_path, path = path, next(fields, b"")
    is_mode = letter == "M" and old_id == new_id and old_mode != new_mode
    return {
        "path": shown(path),
        "old_path": shown(old_path) if letter == "R" else "",
        **_raw_names(path, old_path if letter == "R" else b""),
        "kind": "MODE" if is_mode else KINDS.get(letter, "MODIFIED"),
        "added": 0,
        "removed": 0,
        "binary": False,
        "truncated": False,
        "diff": "",
        "sections": 2 if letter == "T" else 1,
    }


def _raw_names(path: bytes, old_path: bytes) -> dict[str, str]:
    """The bytes of names that are no text, in hexadecimal."""
    names = {"raw_path": path, "raw_old_path": old_path}
    return {name: value.hex() for name, value in names.items() if shown(value).encode() != value}


def count(field: bytes, fields: Iterator[bytes], change: dict[str, Any]) -> None:
    """`added TAB removed TAB path`; of a rename the path is empty and two more fields follow."""
    added, removed, path = field.split(b"\t", 2)
    if not path:
        next(fields, b"")
        next(fields, b"")
    change["binary"] = added == b"-"
    change["added"], change["removed"] = (0, 0) if change["binary"] else (int(added), int(removed))


def add_patches(file: BinaryIO, changes: list[dict[str, Any]], budget: int = MAX_PATCHES) -> None:
    """Gives each change its part of `-p`, in the same order, as much as the budget holds."""
    parts = _sections(file)
    for change in changes:
        _add_patch(parts, change, min(MAX_PATCH, budget))
        budget -= len(change["diff"].encode())


def _add_patch(parts: Iterator[tuple[bytes, bool]], change: dict[str, Any], room: int) -> None:
    """A type change has two parts."""
    text = bytearray()
    for _ in range(change.pop("sections")):
        kept, cut = next(parts, (b"", False))
        text += kept
        change["truncated"] = change["truncated"] or cut
    diff = text.decode("utf-8", "replace").encode()
    if len(diff) > room:
        change["truncated"] = True
        diff = diff[: diff.rfind(b"\n", 0, max(0, room)) + 1]
    change["diff"] = diff.decode("utf-8", "replace")


def _sections(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Every part that begins with `diff --git`, at most MAX_PATCH of it, and whether there was more.

    No line of a patch's body begins so: each begins with a space, a sign or a backslash.
    """
    section: bytearray | None = None
    cut = False
    at_start = True
    while True:
        line = file.readline(LINE)
        is_header = at_start and line.startswith(b"diff --git ")
        if section is not None and (is_header or not line):
            yield bytes(section), cut
        if not line:
            return
        if is_header:
            section, cut = bytearray(), False
        at_start = line.endswith(b"\n")
        if section is not None:
            if len(section) + len(line) <= MAX_PATCH and not cut:
                section += line
            else:
                cut = True
