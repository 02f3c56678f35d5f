"""Reads what git prints of the difference between two trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

MAX_CHANGES = 500
MAX_PATCH = 256 * 1024
MAX_PATCHES = 2 * 1024 * 1024
LINE = 64 * 1024
KINDS = {"A": "ADDED", "M": "MODIFIED", "D": "DELETED", "R": "RENAMED", "C": "ADDED", "T": "MODIFIED"}


def listed(output: bytes) -> tuple[list[dict[str, Any]], bool]:
    """The changes that `--raw -z --numstat` lists, and whether there were more than MAX_CHANGES."""
    fields = iter(output.split(b"\0"))
    changes: list[dict[str, Any]] = []
    counts = 0
    for field in fields:
        if field.startswith(b":"):
            changes.append(_raw(field, fields))
        elif field:
            _count(field, fields, changes[counts])
            counts += 1
    return changes[:MAX_CHANGES], len(changes) > MAX_CHANGES


def _raw(field: bytes, fields: Iterator[bytes]) -> dict[str, Any]:
    """`:100644 100755 <old> <new> M` and its one or two paths."""
    old_mode, new_mode, old_id, new_id, status = field[1:].decode().split(" ")
    letter = status[0]
    path = next(fields)
    old_path = b""
    if letter in "RC":
        old_path, path = path, next(fields)
    is_mode = letter == "M" and old_id == new_id and old_mode != new_mode
    return {
        "path": path.decode("utf-8", "replace"),
        "old_path": old_path.decode("utf-8", "replace") if letter == "R" else "",
        "kind": "MODE" if is_mode else KINDS.get(letter, "MODIFIED"),
        "added": 0,
        "removed": 0,
        "binary": False,
        "truncated": False,
        "diff": "",
        "sections": 2 if letter == "T" else 1,
    }


def _count(field: bytes, fields: Iterator[bytes], change: dict[str, Any]) -> None:
    """`added TAB removed TAB path`; of a rename the path is empty and two more fields follow."""
    added, removed, path = field.split(b"\t", 2)
    if not path:
        next(fields)
        next(fields)
    change["binary"] = added == b"-"
    if not change["binary"]:
        change["added"], change["removed"] = int(added), int(removed)


def add_patches(file: BinaryIO, changes: list[dict[str, Any]]) -> None:
    """Gives each change its part of `-p`, in the same order. A type change has two parts."""
    budget = MAX_PATCHES
    parts = _sections(file)
    for change in changes:
        text = bytearray()
        for _ in range(change.pop("sections")):
            kept, cut = next(parts, (b"", False))
            text += kept
            change["truncated"] = change["truncated"] or cut
        room = min(MAX_PATCH, budget)
        if len(text) > room:
            change["truncated"] = True
            del text[text.rfind(b"\n", 0, room) + 1 :]
        budget -= len(text)
        change["diff"] = text.decode("utf-8", "replace")


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
