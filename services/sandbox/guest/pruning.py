"""Keeps a shadow repository small: many small objects go into one pack, the oldest trees go where there is too much."""
# ruff: noqa: PTH108, PTH118, PTH208

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from .recorded import Recorded
from .shadow import Shadow

LIMIT = 1 << 30
MOST_LOOSE = 3000
MOST_PACKS = 50
ROUNDS = 4


class Size(NamedTuple):
    """Of the objects: bytes, and how many lie by themselves or in packs."""

    total: int
    loose: int
    packs: int


def tidy(shadow: Shadow, recorded: Recorded, limit: int = LIMIT) -> None:
    """Packs what has become many; lets old trees go until it fits, by halves."""
    size = size_of(shadow.folder)
    if size.total <= limit and size.loose <= MOST_LOOSE and size.packs <= MOST_PACKS:
        return
    _pack(shadow, recorded)
    for last in range(ROUNDS, 0, -1):
        droppable = recorded.droppable()
        if size_of(shadow.folder).total <= limit or not droppable:
            return
        half = droppable if last == 1 else droppable[: (len(droppable) + 1) // 2]
        recorded.drop({record["tree"] for record in half})
        _pack(shadow, recorded)


def size_of(folder: str) -> Size:
    """As it is now."""
    total, loose, packs = 0, 0, 0
    objects = os.path.join(folder, "objects")
    for name in os.listdir(objects):
        for size in _sizes(os.path.join(objects, name)):
            total += size
            loose += len(name) == 2
            packs += name == "pack"
    return Size(total, loose, packs // 2)


def _sizes(folder: str) -> list[int]:
    try:
        with os.scandir(folder) as entries:
            return [entry.stat(follow_symlinks=False).st_size for entry in entries]
    except OSError:
        return []


def _pack(shadow: Shadow, recorded: Recorded) -> None:
    """One pack of all that the kept trees need takes the place of everything."""
    objects = os.path.join(shadow.folder, "objects")
    packs = os.listdir(os.path.join(objects, "pack"))
    loose = [name for name in os.listdir(objects) if len(name) == 2]
    trees = "".join(f"{tree}\n" for tree in recorded.trees()).encode()
    if not trees:
        return
    goal = os.path.join(objects, "pack", "pack")
    code, output = shadow.run("pack-objects", "--quiet", "--revs", "--window=5", goal, given=trees)
    if code or not output.strip():
        return
    new = "pack-" + output.decode().split()[-1]
    for name in packs:
        if not name.startswith(new):
            _remove(os.path.join(objects, "pack", name))
    for folder in loose:
        for name in os.listdir(os.path.join(objects, folder)):
            _remove(os.path.join(objects, folder, name))


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
