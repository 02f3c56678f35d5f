"""Makes the files of a folder those of a tree. What is ignored stays, and so do repositories inside."""
# ruff: noqa: PTH106, PTH108, PTH114, PTH118, PTH120

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from .shadow import Shadow

GITLINK = b"160000"
ABSENT = b"000000"


class Entry(NamedTuple):
    """A path and its modes in both trees."""

    path: bytes
    before: bytes
    after: bytes


def restore(shadow: Shadow, entries: list[Entry], now: str, tree: str) -> bool:
    """From the tree that is the folder's now to another; whether every file was put back."""
    root = os.fsencode(shadow.root)
    gone = [entry.path for entry in entries if entry.after == ABSENT and entry.before != GITLINK]
    if all(_is_plain(root, entry) for entry in entries):
        code, _ = shadow.run("read-tree", "-m", "-u", now, tree)
        if not code:
            return not _still_there(root, gone)
    return _one_by_one(shadow, root, entries, gone, tree) and not _still_there(root, gone)


def _one_by_one(shadow: Shadow, root: bytes, entries: list[Entry], gone: list[bytes], tree: str) -> bool:
    """Around what is in the way."""
    _delete(root, gone)
    there = [entry for entry in entries if entry.after != ABSENT]
    wanted = [entry.path for entry in there if not (_is_link(entry) or _is_taken(root, entry))]
    code, _ = shadow.run("read-tree", "--reset", "-i", tree)
    if code:
        raise shadow.failed("git could not read the tree.")
    if wanted:
        code, _ = shadow.run("checkout-index", "-f", "-u", "-q", "-z", "--stdin", given=b"\0".join(wanted) + b"\0")
        if code:
            _raise_if_full(shadow)
    return not code and len(wanted) == len(there) and len(gone) + len(there) == len(entries)


def _still_there(root: bytes, paths: list[bytes]) -> bool:
    """Whether a file could not be deleted: git tells nobody. A folder may have come in its place."""
    modes = (_mode(os.path.join(root, path)) for path in paths)
    return any(mode and not stat.S_ISDIR(mode) for mode in modes)


def _is_link(entry: Entry) -> bool:
    """To a repository inside."""
    return GITLINK in (entry.before, entry.after)


def _is_plain(root: bytes, entry: Entry) -> bool:
    """Whether nothing but files are in question, and nothing is in the way of a new one: git would overwrite it."""
    if _is_link(entry):
        return False
    return entry.before != ABSENT or not _is_taken(root, entry)


def _raise_if_full(shadow: Shadow) -> None:
    refusal = shadow.failed("")
    if refusal.reason == "DISK_FULL":
        raise refusal


def entries_between(shadow: Shadow, before: str, tree: str) -> list[Entry]:
    """Every path that is different. Raises Refusal (TREE_NOT_FOUND)."""
    code, output = shadow.run("diff-tree", "-r", "-z", "--raw", "--no-renames", before, tree)
    if code:
        raise shadow.failed("git could not compare the trees.") if shadow.has(tree) else shadow.unknown()
    return list(_parsed(iter(output.split(b"\0"))))


def _parsed(fields: Iterator[bytes]) -> Iterator[Entry]:
    for field in fields:
        if field:
            old_mode, new_mode = field[1:].split(b" ")[:2]
            yield Entry(next(fields), old_mode, new_mode)


def _delete(root: bytes, paths: list[bytes]) -> None:
    """Files, and then the folders that are empty without them. Through links nothing is deleted."""
    folders: dict[bytes, bool] = {}
    for path in paths:
        folder = os.path.dirname(path)
        if folder not in folders:
            folders[folder] = not _passes_link(root, folder)
        if folders[folder]:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(root, path))
    # Each once: to find out that a folder is not empty may cost as much as reading it.
    for folder in sorted((folder for folder, is_plain in folders.items() if is_plain), key=len, reverse=True):
        _remove_empty(root, folder)


def _remove_empty(root: bytes, folder: bytes) -> None:
    while folder:
        try:
            os.rmdir(os.path.join(root, folder))
        except OSError:
            return
        folder = os.path.dirname(folder)


def _passes_link(root: bytes, folder: bytes) -> bool:
    while folder:
        if os.path.islink(os.path.join(root, folder)):
            return True
        folder = os.path.dirname(folder)
    return False


def _is_taken(root: bytes, entry: Entry) -> bool:
    """Whether something that is not in the tree of now, because it is ignored, is where the file has to go."""
    parent = os.path.dirname(entry.path)
    while parent:
        mode = _mode(os.path.join(root, parent))
        if mode and not stat.S_ISDIR(mode):
            return True
        parent = os.path.dirname(parent)
    mode = _mode(os.path.join(root, entry.path))
    return bool(mode) and (stat.S_ISDIR(mode) or entry.before == ABSENT)


def _mode(path: bytes) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0
