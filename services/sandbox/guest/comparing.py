"""The changes between two trees of a shadow repository, or between a tree and what its index holds now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, BinaryIO

from . import diffs
from .shadow import Shadow

MOST_OF_BASE = 300
# Where git was ended for want of memory: larger files are told as binary.
SMALL_FILES = ("-c", "core.bigFileThreshold=1m")
FROM_INDEX = ("diff-index", "--cached", *diffs.OPTIONS[1:])


def compared(shadow: Shadow, since: str, tree: str, limit: int = diffs.MAX_CHANGES) -> diffs.Changes:
    """By path. A file too large for the memory there is counts as binary. Raises Refusal (TREE_NOT_FOUND)."""
    for options in ((), SMALL_FILES):
        with shadow.git.reading(shadow.place, *options, *diffs.ALL_AT_ONCE, since, tree) as (file, end):
            changes, code = _read(file, end, limit)
        if changes is not None:
            return changes
        if code != -1:
            break
    if not shadow.has(since):
        raise shadow.unknown()
    raise shadow.failed("git could not compare the trees.")


def written(shadow: Shadow, since: str, base: str) -> tuple[str, diffs.Changes | None, dict[str, Any]]:
    """Writes the tree of the index; meanwhile it is compared with an earlier tree, and with a base."""
    with contextlib.ExitStack() as stack:

        def begun(old: str, *form: str) -> tuple[BinaryIO, Callable[[], int]] | None:
            """Git, at work; or None where there is nothing to compare with."""
            return stack.enter_context(shadow.git.reading(shadow.place, *FROM_INDEX, *form, old)) if old else None

        step, whole = begun(since, "--raw", "--numstat", "-p"), begun(base, "--raw", "--numstat")
        tree, anew = shadow.write_tree()
        changes = _read(*step, diffs.MAX_CHANGES)[0] if step and not anew else None
        files = _read(*whole, MOST_OF_BASE)[0] if whole and not anew else None
    if since and changes is None:
        changes = compared(shadow, since, tree)
    return tree, changes, since_base(shadow, base, tree) if files is None else _told(files)


def since_base(shadow: Shadow, base: str, tree: str) -> dict[str, Any]:
    """Files without patches; nothing where there is no base, or it was let go."""
    for options in ((), SMALL_FILES) if base else ():
        arguments = (*options, *diffs.OPTIONS, "--raw", "--numstat", base, tree)
        with shadow.git.reading(shadow.place, *arguments) as (file, end):
            changes, _ = _read(file, end, MOST_OF_BASE)
        if changes is not None:
            return _told(changes)
    return {}


def _told(changes: diffs.Changes) -> dict[str, Any]:
    return {"base": {"files": changes.first, "totals": changes.totals}}


def _read(file: BinaryIO, end: Callable[[], int], limit: int) -> tuple[diffs.Changes | None, int]:
    """The changes, None where git did not come to its end; and its exit code, -1 where it was ended."""
    try:
        changes = diffs.Changes(file, limit)
    except ValueError:  # in the middle of a word
        return None, -1
    code = code_of(file, end)
    return (None if code else changes), code


def code_of(file: BinaryIO, end: Callable[[], int]) -> int:
    """Git's exit code. One that goes on to print what nobody wants to read is not waited for."""
    return 0 if file.read(1) else end()
