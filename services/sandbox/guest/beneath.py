"""Opening files so that no link, no `..` and no race leads out of the workspace: openat2(2), kernel 5.6 and later."""
# ruff: noqa: PTH117

from __future__ import annotations

import ctypes
import errno
import os
import stat

from .frames import Refusal

SYS_OPENAT2 = 437
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
_libc = ctypes.CDLL(None, use_errno=True)


class OpenHow(ctypes.Structure):
    """struct open_how of linux/openat2.h."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def outside(path: str) -> Refusal:
    """The refusal of a path that leads out."""
    return Refusal("PATH_OUTSIDE_WORKSPACE", f"{path!r} is not inside the workspace.")


def refusal(error: OSError, path: str) -> Refusal:
    """What a failed file operation means to the caller."""
    number = error.errno
    if number == errno.EXDEV:
        return outside(path)
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
        return Refusal("FILE_NOT_FOUND", f"There is no file {path!r}.")
    if number in (errno.EISDIR, errno.ENXIO, errno.ENODEV):
        return Refusal("NOT_A_FILE", f"{path!r} is not a regular file.")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Refusal("FILE_FORBIDDEN", f"{path!r} may not be opened: {error.strerror}.")
    if number in (errno.ENOSPC, errno.EDQUOT):
        return Refusal("DISK_FULL", "There is no space left in the sandbox.")
    return Refusal("FILE_FAILED", f"{path!r}: {error.strerror}.")


class Beneath:
    """A folder and what lies beneath it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def relative(self, path: str) -> str:
        """The path from the root; "." for the root. Refuses what is plainly outside."""
        if "\0" in path:
            raise outside(path)
        if os.path.isabs(path):
            if path != self.root and not path.startswith(self.root.rstrip("/") + "/"):
                raise outside(path)
            path = path[len(self.root) :].lstrip("/")
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise outside(path)
        return "/".join(parts) or "."

    def open(self, path: str, flags: int, mode: int = 0, resolve: int = 0) -> int:
        """A descriptor of a path relative to the root. Raises OSError; EXDEV where it leads out."""
        how = OpenHow(flags | os.O_CLOEXEC, mode, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve)
        name = os.fsencode(path)
        while True:
            fd = _libc.syscall(SYS_OPENAT2, self._fd, name, ctypes.byref(how), ctypes.sizeof(how))
            if fd >= 0:
                return int(fd)
            number = ctypes.get_errno()
            if number not in (errno.EINTR, errno.EAGAIN):
                raise OSError(number, os.strerror(number), path)

    def open_file(self, path: str) -> int:
        """A regular file for reading: a FIFO does not block it, a device is refused."""
        try:
            fd = self.open(self.relative(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            raise refusal(error, path) from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise Refusal("NOT_A_FILE", f"{path!r} is not a regular file.")
        return fd

    def open_folder(self, path: str) -> int:
        """A folder."""
        try:
            return self.open(self.relative(path), os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise refusal(error, path) from None
