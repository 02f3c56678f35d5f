"""Unpacking an archive into the workspace. It is looked through as a whole before the first byte is written."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Any

from .beneath import RESOLVE_NO_SYMLINKS, Beneath, refusal
from .frames import Refusal
from .replacing import Replacement
from .tar import MAX_BYTES, Entry, Packed, Unpacked, entries, padding

MAX_ENTRIES = 100_000
MAX_NAME = 4000
MAX_NAMES = 32 * 1024 * 1024
PART = 64 * 1024
__all__ = ["Packed", "unpack"]


def unpack(workspace: Beneath, path: str, packed: Packed, overwrite: bool) -> dict[str, Any]:
    """Unpacks below a folder; how much that was. Raises Refusal, and OSError in the middle (a full disk)."""
    top = workspace.relative(path or ".")
    top = "" if top == "." else top
    with contextlib.closing(packed.unpacked()) as content:
        told = _Check(workspace, top, overwrite).run(content)
    with contextlib.closing(packed.unpacked()) as content:
        for entry in entries(content):
            name = _name(entry.name, top)
            if name != top:
                _write(workspace, top, name, entry, content)
            elif entry.size:
                _skip(content, entry.size)
    return told


class _Check:
    """Looks at every entry without writing any."""

    def __init__(self, workspace: Beneath, top: str, overwrite: bool) -> None:
        self._workspace = workspace
        self._top = top
        self._overwrite = overwrite
        self._kinds: dict[str, str] = {}
        self._names = 0
        self._bytes = 0

    def run(self, content: Unpacked) -> dict[str, Any]:
        """How much it is. Raises Refusal."""
        count = 0
        for entry in entries(content):
            count += 1
            self._names += len(entry.name)
            self._bytes += entry.size
            if count > MAX_ENTRIES or self._names > MAX_NAMES or self._bytes > MAX_BYTES:
                raise Refusal("ARCHIVE_TOO_LARGE", f"It holds more than {MAX_ENTRIES} files, or {MAX_BYTES} bytes.")
            self._look(entry)
            _skip(content, entry.size)
        return {"entries": count, "bytes": self._bytes}

    def _look(self, entry: Entry) -> None:
        name = _name(entry.name, self._top)
        if entry.kind == "LINK":
            _check_target(entry, name, self._top)
        if entry.kind == "HARD_LINK" and self._kinds.get(_name(entry.target, self._top)) != "FILE":
            raise _unsafe(entry, "is a hard link to what is not in the archive")
        self._look_above(entry, name)
        if name == self._top:
            if entry.kind != "FOLDER":
                raise _unsafe(entry, "has no name")
            return
        if self._kinds.setdefault(name, entry.kind) != entry.kind:
            raise _unsafe(entry, "is in the archive twice, as different things")
        self._check_place(name, entry)

    def _look_above(self, entry: Entry, name: str) -> None:
        """Folders that the archive does not name are there all the same: nothing else may have their names."""
        above = name.rpartition("/")[0]
        while above and above not in self._kinds:
            self._kinds[above] = "FOLDER"
            self._names += len(above)
            above = above.rpartition("/")[0]
        if above and self._kinds[above] != "FOLDER":
            raise _unsafe(entry, "lies below what is no folder")

    def _check_place(self, name: str, entry: Entry) -> None:
        """What is there already may only be replaced if that was allowed, and a folder never."""
        try:
            fd = self._workspace.open(name, os.O_PATH | os.O_NOFOLLOW, resolve=RESOLVE_NO_SYMLINKS)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Refusal("FILE_EXISTS", f"On the way to {name!r} is something that is no folder.") from None
            raise refusal(error, name) from None
        try:
            mode = os.fstat(fd).st_mode
        finally:
            os.close(fd)
        is_folder = stat.S_ISDIR(mode)
        if is_folder != (entry.kind == "FOLDER") or not (is_folder or self._overwrite):
            raise Refusal("FILE_EXISTS", f"{name!r} is there already.")


def _write(workspace: Beneath, top: str, name: str, entry: Entry, content: Unpacked) -> None:
    if entry.kind == "FOLDER":
        os.close(workspace.make_folder(name, strict=True))
    elif entry.kind == "FILE":
        replacement = Replacement(workspace, name, strict=True)
        try:
            left = entry.size
            while left:
                part = content.read(min(PART, left))
                left -= len(part)
                replacement.write(part)
            content.read(padding(entry.size))
            replacement.put(entry.executable)
        finally:
            replacement.drop()
    else:
        _link(workspace, name, entry, _name(entry.target, top) if entry.kind == "HARD_LINK" else "")


def _link(workspace: Beneath, name: str, entry: Entry, source: str) -> None:
    folder_name, _, base = name.rpartition("/")
    folder = workspace.make_folder(folder_name, strict=True)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(base, dir_fd=folder)
        if not source:
            os.symlink(entry.target, base, dir_fd=folder)
            return
        above, _, source_base = source.rpartition("/")
        origin = workspace.open(above or ".", os.O_RDONLY | os.O_DIRECTORY, resolve=RESOLVE_NO_SYMLINKS)
        try:
            os.link(source_base, base, src_dir_fd=origin, dst_dir_fd=folder, follow_symlinks=False)
        finally:
            os.close(origin)
    finally:
        os.close(folder)


def _skip(content: Unpacked, size: int) -> None:
    left = size + padding(size)
    while left:
        left -= len(content.read(min(PART, left)))


def _name(path: str, top: str) -> str:
    """Where an entry goes, from the root. Raises Refusal for what would lead out."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or "\0" in path or len(path) > MAX_NAME:
        raise Refusal("ARCHIVE_UNSAFE", f"{path[:200]!r} leads out of the folder, or is no name.")
    return "/".join([top, *parts] if top else parts)


def _check_target(entry: Entry, name: str, top: str) -> None:
    """A link may go up as far as the folder, and down from there: then no chain of such links leads out."""
    target = entry.target
    parts = [part for part in target.split("/") if part not in ("", ".")]
    ups = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    depth = name[len(top) :].strip("/").count("/")
    if (
        not target
        or target.startswith("/")
        or "\0" in target
        or len(target) > MAX_NAME
        or ".." in parts[ups:]
        or ups > depth
    ):
        raise _unsafe(entry, "is a link that leads out of the folder")


def _unsafe(entry: Entry, why: str) -> Refusal:
    return Refusal("ARCHIVE_UNSAFE", f"{entry.name[:200]!r} {why}.")
