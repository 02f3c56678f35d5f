"""Files that come in parts, before they are put to use. They lie in the state folder, outside the workspace."""
# ruff: noqa: PTH103, PTH108, PTH116, PTH118, PTH208

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time

from .frames import Refusal

MAX_UPLOAD = 512 * 1024 * 1024
MAX_UPLOADS = 8
STALE_SECONDS = 3600.0
FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Uploads:
    """By their ids, which are letters and digits only."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def add(self, upload: str, offset: int, data: bytes) -> int:
        """Keeps a part; how many bytes have come so far. Raises Refusal, and OSError for a full disk."""
        if offset + len(data) > MAX_UPLOAD:
            raise Refusal("FILE_TOO_LARGE", f"An upload holds at most {MAX_UPLOAD} bytes.")
        with self._lock:
            fd = self._open(upload, offset)
            try:
                size = os.fstat(fd).st_size
                if offset > size:
                    raise Refusal("UPLOAD_INCOMPLETE", f"Only {size} bytes have come so far.")
                view = memoryview(data)
                while view:
                    written = os.pwrite(fd, view, offset)
                    offset, view = offset + written, view[written:]
                return max(size, offset)
            finally:
                os.close(fd)

    def take(self, upload: str, size: int) -> int:
        """A descriptor of the whole. Raises Refusal unless exactly `size` bytes have come."""
        try:
            fd = os.open(self._path(upload), FLAGS)
        except OSError:
            raise Refusal("UPLOAD_INCOMPLETE", "Nothing has come under this upload_id.") from None
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode) or about.st_size != size:
            os.close(fd)
            raise Refusal("UPLOAD_INCOMPLETE", f"{about.st_size} of {size} bytes have come.")
        return fd

    def drop(self, upload: str) -> None:
        """Forgets it. Safe to repeat."""
        with contextlib.suppress(OSError):
            os.unlink(self._path(upload))

    def _open(self, upload: str, offset: int) -> int:
        with contextlib.suppress(FileNotFoundError):
            return os.open(self._path(upload), FLAGS)
        if offset:
            raise Refusal("UPLOAD_INCOMPLETE", "Nothing has come so far.")
        os.makedirs(self._folder, exist_ok=True)
        self._clear()
        return os.open(self._path(upload), FLAGS | os.O_CREAT, 0o600)

    def _clear(self) -> None:
        names = os.listdir(self._folder)
        old = time.time() - STALE_SECONDS
        for name in names:
            with contextlib.suppress(OSError):
                if os.stat(self._path(name), follow_symlinks=False).st_mtime < old:
                    os.unlink(self._path(name))
        if len(os.listdir(self._folder)) >= MAX_UPLOADS:
            raise Refusal("SANDBOX_BUSY", f"{MAX_UPLOADS} uploads are open already.")

    def _path(self, upload: str) -> str:
        return os.path.join(self._folder, upload)
