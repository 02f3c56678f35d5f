"""Walking through the workspace, and listing it in pages."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from .beneath import RESOLVE_NO_SYMLINKS, Beneath
from .names import meant, shown

DEFAULT_ENTRIES = 5000
MAX_ENTRIES = 20000
MAX_ANSWER = 3 * 1024 * 1024  # bytes, so that an answer fits into a message
ENTRY_BYTES = 16
MADE = frozenset(
    [
        "node_modules",
        "__pycache__",
        ".next",
        ".venv",
        "venv",
        ".mypy_cache",
        ".pytest_cache",
        "dist",
        "build",
        ".tox",
        ".eggs",
    ]
)
LEFT_OUT = MADE | {".git"}


class Entry(NamedTuple):
    """One file or folder by its path from the root. `entered`: what is in the folder comes next."""

    path: str
    is_folder: bool
    is_link: bool
    entered: bool
    level: int
    size: int = 0


class Rule(NamedTuple):
    """What of the tree is seen. `depth` 0 = all levels."""

    hidden: bool = False  # folders with a leading dot, and those left out, are listed
    everything: bool = False  # ... and those left out are entered
    without_made: bool = False  # ... but what tools make again is not there at all
    depth: int = 0
    sized: bool = False  # costs a look at every entry

    def entry(self, folder: str, found: os.DirEntry[str], level: int) -> Entry | None:
        """How a directory's entry is listed; None where it is not."""
        is_folder = found.is_dir(follow_symlinks=False)
        if is_folder and self._leaves_out(found.name):
            return None
        entered = is_folder and (self.everything or found.name not in LEFT_OUT)
        entered = entered and (not self.depth or level < self.depth)
        path = f"{folder}/{found.name}" if folder else found.name
        return Entry(path, is_folder, found.is_symlink(), entered, level)

    def _leaves_out(self, name: str) -> bool:
        if self.everything:
            return self.without_made and name in MADE
        return not self.hidden and (name in LEFT_OUT or name.startswith("."))


def walk(workspace: Beneath, top: str, rule: Rule, limit: int, after: str = "") -> Iterator[Entry]:
    """At most `limit` entries below `top`, parents first, each folder sorted by name; those after the path `after`.

    Folders are opened by path from the root, one at a time: a deep tree costs no descriptors. However many entries a
    folder has, no more than `limit` are kept.
    """
    stack = _resumed(workspace, top, rule, limit, after)
    left = limit
    while stack and left:
        entry = stack.pop()
        left -= 1
        yield entry
        if entry.entered:
            stack += _entries(workspace, entry.path, rule, left, entry.level + 1)
        del stack[: max(0, len(stack) - left)]


def _resumed(workspace: Beneath, top: str, rule: Rule, limit: int, after: str) -> list[Entry]:
    """The stack of a walk that has come as far as `after`. What lies next is on top."""
    if not after:
        return _entries(workspace, top, rule, limit, 1)
    stack, folder = [], top
    parts = after.split("/")
    for level, part in enumerate(parts, 1):
        stack += _entries(workspace, folder, rule, limit, level, part)
        here = _entries(workspace, folder, rule, 1, level, part, with_it=True)
        folder = f"{folder}/{part}" if folder else part
        if not (here and here[0].path == folder and here[0].entered):
            return stack
    return stack + _entries(workspace, folder, rule, limit, len(parts) + 1)


def _entries(
    workspace: Beneath, folder: str, rule: Rule, limit: int, level: int, after: str = "", with_it: bool = False
) -> list[Entry]:
    """What a folder holds, last name first. A folder that has just gone, or may not be read, holds nothing."""
    try:
        fd = workspace.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY, resolve=RESOLVE_NO_SYMLINKS)
    except OSError:
        return []
    try:
        with os.scandir(fd) as found:
            seen = (item for item in found if item.name > after or (with_it and item.name == after))
            listed = (rule.entry(folder, item, level) for item in seen)
            kept = heapq.nsmallest(limit, (entry for entry in listed if entry is not None))
        if rule.sized:
            kept = [entry._replace(size=_size(fd, entry)) for entry in kept]
    except OSError:
        return []
    finally:
        os.close(fd)
    return kept[::-1]


def list_tree(workspace: Beneath, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """A page of the tree below a folder."""
    limit = min(request["max_entries"] or DEFAULT_ENTRIES, MAX_ENTRIES)
    fd = workspace.open_folder(request["path"])
    try:  # links on the way to it have been followed now
        name = workspace.real_name(fd)
    finally:
        os.close(fd)
    top = "" if name in (None, ".") else str(name)
    after = workspace.relative(meant(request["token"])) if request["token"] else ""
    prefix = workspace.relative(request["path"])
    rule = Rule(hidden=request["hidden"], depth=request["depth"], sized=True)
    entries: list[list[Any]] = []
    room, last = MAX_ANSWER, ""
    for entry in walk(workspace, top, rule, limit + 1, after):
        below = entry.path[len(top) :].lstrip("/") if top else entry.path
        path = shown(below if prefix == "." else f"{prefix}/{below}")
        room -= len(path.encode()) + ENTRY_BYTES
        if len(entries) == limit or room < 0:
            return {"entries": entries, "truncated": True, "token": shown(last)}, b""
        is_closed = entry.is_folder and not entry.entered
        entries.append([path, entry.is_folder, entry.size, entry.is_link, is_closed])
        last = below
    return {"entries": entries, "truncated": False, "token": ""}, b""


def _size(folder: int, entry: Entry) -> int:
    try:
        name = entry.path.rpartition("/")[2]
        return 0 if entry.is_folder else os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
    except OSError:
        return 0
