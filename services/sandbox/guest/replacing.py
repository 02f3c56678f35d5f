"""Putting a new file in the place of an old one in one step: whoever reads sees the one or the other."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import uuid

from .beneath import Beneath, refusal
from .frames import Refusal

OURS = ".lucid-"  # names of files that are not yet, or no longer, anybody's
NEW_MODE = 0o644


class Replacement:
    """A file that is written beside its place. `put` moves it there, `drop` removes it."""

    def __init__(self, workspace: Beneath, name: str, strict: bool = False) -> None:
        folder, _, self._base = name.rpartition("/")
        self._temporary = f"{OURS}{uuid.uuid4().hex}"
        self._digest = hashlib.sha256()
        self.size = 0
        self._folder = workspace.make_folder(folder, strict)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(self._temporary, flags, 0o600, dir_fd=self._folder)
        except OSError:
            os.close(self._folder)
            raise

    @property
    def etag(self) -> str:
        """SHA-256 of what was written."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Appends. Raises OSError."""
        self._digest.update(data)
        self.size += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def put(self, executable: bool | None = None) -> None:
        """Takes its place with the old file's mode. Raises OSError, as where a folder is in its place."""
        os.fchmod(self._fd, self._mode(executable))
        os.rename(self._temporary, self._base, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._close()

    def drop(self) -> None:
        """Leaves no trace; nothing once it is put."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            os.unlink(self._temporary, dir_fd=self._folder)
        self._close()

    def _close(self) -> None:
        os.close(self._fd)
        os.close(self._folder)
        self._fd = -1

    def _mode(self, executable: bool | None) -> int:
        try:
            about = os.stat(self._base, dir_fd=self._folder, follow_symlinks=False)
            mode = stat.S_IMODE(about.st_mode) if stat.S_ISREG(about.st_mode) else NEW_MODE
        except FileNotFoundError:
            mode = NEW_MODE
        if executable is None:
            return mode & 0o777
        # Whoever may read it may run it.
        return mode & 0o777 | (mode & 0o444) >> 2 if executable else mode & 0o666


def real_target(workspace: Beneath, path: str) -> tuple[str, int]:
    """The real name of the file to write, and a descriptor of it, or -1 where there is none yet.

    Through a link inside the workspace the file itself is replaced, not the link. Raises Refusal.
    """
    name = workspace.relative(path)
    if name == ".":
        raise Refusal("NOT_A_FILE", "The workspace is a folder.")
    try:
        fd = workspace.open_file(path)
    except Refusal as error:
        if error.reason != "FILE_NOT_FOUND":
            raise
        return name, -1
    try:
        real = workspace.real_name(fd)
    except (OSError, Refusal) as error:
        os.close(fd)
        raise refusal(error, path) if isinstance(error, OSError) else error from None
    if real is None:
        os.close(fd)
        return name, -1
    return real, fd
