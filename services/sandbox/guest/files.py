"""Reading files and listing folders of the workspace."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from .beneath import Beneath, refusal

MAX_READ = 1024 * 1024
MAX_HASHED = 16 * 1024 * 1024
DEFAULT_ENTRIES = 5000
MAX_ENTRIES = 20000
MAX_NAMES = 1024 * 1024  # characters, so that an answer fits into a message
LEFT_OUT = frozenset(
    [
        ".git",
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


def read_file(workspace: Beneath, path: str, offset: int, limit: int) -> tuple[dict[str, Any], bytes]:
    """A range of a file, its size, and the hash of the whole if that is not too much work."""
    fd = workspace.open_file(path)
    try:
        size = os.fstat(fd).st_size
        data = os.pread(fd, min(limit or MAX_READ, MAX_READ), offset)
        return {"size": size, "etag": _hash(fd) if size <= MAX_HASHED else ""}, data
    except OSError as error:
        raise refusal(error, path) from None
    finally:
        os.close(fd)


def _hash(fd: int) -> str:
    digest = hashlib.sha256()
    offset = 0
    while offset <= MAX_HASHED:
        part = os.pread(fd, 1 << 18, offset)
        if not part:
            break
        digest.update(part)
        offset += len(part)
    return digest.hexdigest()


def list_tree(workspace: Beneath, path: str, depth: int, max_entries: int) -> tuple[dict[str, Any], bytes]:
    """Files and folders, parents first, each folder sorted by name."""
    limit = min(max_entries or DEFAULT_ENTRIES, MAX_ENTRIES)
    top = workspace.relative(path)
    os.close(workspace.open_folder(path))
    entries: list[list[Any]] = []
    # Folders are opened by path from the root, one at a time: a deep tree costs no descriptors. The stack gives parents
    # first; a folder's entries are pushed in reverse so that they come out in order.
    stack = _entries(workspace, "" if top == "." else top, 1)
    room = MAX_NAMES
    while stack:
        name, is_folder, size, is_link, level = stack.pop()
        room -= len(name)
        if len(entries) == limit or room < 0:
            return {"entries": entries, "truncated": True}, b""
        entries.append([_shown(name), is_folder, size, is_link])
        if is_folder and (not depth or level < depth):
            stack.extend(_entries(workspace, name, level + 1))
    return {"entries": entries, "truncated": False}, b""


def _entries(workspace: Beneath, folder: str, level: int) -> list[tuple[str, bool, int, bool, int]]:
    """What a folder holds, last name first. A folder that has just gone, or may not be read, holds nothing."""
    found = []
    try:
        fd = workspace.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                if is_folder and (entry.name in LEFT_OUT or entry.name.startswith(".")):
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                found.append((path, is_folder, _size(entry, is_folder), entry.is_symlink(), level))
    except OSError:
        return []
    finally:
        os.close(fd)
    return sorted(found, reverse=True)


def _size(entry: os.DirEntry[str], is_folder: bool) -> int:
    try:
        return 0 if is_folder else entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0


def _shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")
