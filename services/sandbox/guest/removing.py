"""Removing a folder with all that is in it, however deep it is and whatever happens in it meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import time
import uuid
from itertools import islice

from .frames import Refusal
from .replacing import OURS

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
AT_ONCE = 10_000
LONGEST_SECONDS = 120.0


def remove_all(parent: int, base: str) -> int:
    """Removes the folder `base` of the folder `parent`; how many entries that were. Raises OSError, Refusal.

    Nothing is ever followed: every step names an entry of a folder that is open. Folders are first moved up into the
    top one, so that two descriptors are enough for any depth.
    """
    last = time.monotonic() + LONGEST_SECONDS
    removed = 0
    top = os.open(base, FLAGS, dir_fd=parent)
    try:
        while True:
            entries = _some(top)
            for name, is_folder in entries:
                removed += _empty(top, name) if is_folder else 0
                removed += _gone(top, name, is_folder)
            if not entries:
                with contextlib.suppress(FileNotFoundError):
                    os.rmdir(base, dir_fd=parent)
                return removed + 1
            if time.monotonic() > last:
                raise Refusal("FILE_FAILED", f"{base!r} grows while it is being removed.")
    finally:
        os.close(top)


def _some(folder: int) -> list[tuple[str, bool]]:
    with os.scandir(folder) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in islice(entries, AT_ONCE)]


def _empty(top: int, name: str) -> int:
    """Removes a folder's files, and moves its folders up."""
    removed = 0
    try:
        folder = os.open(name, FLAGS, dir_fd=top)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    try:
        entries = _some(folder)
        while entries:
            for inner, is_folder in entries:
                if is_folder:
                    with contextlib.suppress(FileNotFoundError):
                        os.rename(inner, f"{OURS}{uuid.uuid4().hex}", src_dir_fd=folder, dst_dir_fd=top)
                else:
                    removed += _gone(folder, inner, is_folder)
            entries = _some(folder)
    finally:
        os.close(folder)
    return removed


def _gone(folder: int, name: str, is_folder: bool) -> int:
    """Whether it went. What has become something else meanwhile is left to the next look."""
    try:
        if is_folder:
            os.rmdir(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return 0
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            return 0
        raise
    return 1
