"""Opening files so that no link, no `..` and no race leads out of the workspace: openat2(2), kernel 5.6 and later."""
# ruff: noqa: PTH117

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat

from .frames import Refusal

SYS_OPENAT2 = 437
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RENAME_NOREPLACE = 1
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
    if number == errno.EEXIST:
        return Refusal("FILE_EXISTS", f"{path!r} is there already.")
    if number == errno.ENOTEMPTY:
        return Refusal("FOLDER_NOT_EMPTY", f"The folder {path!r} is not empty.")
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

    def open(self, path: str, flags: int, mode: int = 0, resolve: int = 0, at: int = -1) -> int:
        """A descriptor of a path from the root, or from the folder `at`. Raises OSError; EXDEV where it leads out."""
        how = OpenHow(flags | os.O_CLOEXEC, mode, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve)
        name = os.fsencode(path)
        while True:
            fd = _libc.syscall(SYS_OPENAT2, self._fd if at < 0 else at, name, ctypes.byref(how), ctypes.sizeof(how))
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

    def parent(self, path: str, make: bool = False) -> tuple[int, str]:
        """The folder that holds a path, and the last part of it. Raises Refusal, also for the root itself."""
        name = self.relative(path)
        if name == ".":
            raise Refusal("FILE_FORBIDDEN", "The workspace itself stays where it is.")
        folder, _, base = name.rpartition("/")
        try:
            return (self.make_folder(folder) if make else self.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY)), base
        except OSError as error:
            raise refusal(error, path) from None

    def make_folder(self, name: str, strict: bool = False) -> int:
        """A folder, made where it is missing. `strict` refuses every link on the way. Raises OSError."""
        parts = name.split("/") if name else []
        fd = self.open(".", os.O_RDONLY | os.O_DIRECTORY)
        for at, part in enumerate(parts, 1):
            try:
                inner = self._step(fd, part)
            except OSError as error:
                if strict or error.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise
                inner = self.open("/".join(parts[:at]), os.O_RDONLY | os.O_DIRECTORY)  # a link to a folder inside
            finally:
                os.close(fd)
            fd = inner
        return fd

    def _step(self, folder: int, part: str) -> int:
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, 0o755, dir_fd=folder)
        return self.open(part, os.O_RDONLY | os.O_DIRECTORY, resolve=RESOLVE_NO_SYMLINKS, at=folder)

    def real_name(self, fd: int) -> str | None:
        """Where an open file is now, from the root; None where it is nowhere any more. Raises Refusal if outside."""
        if os.fstat(fd).st_nlink == 0:
            return None
        return self.relative(os.readlink(f"/proc/self/fd/{fd}"))  # noqa: PTH115


def rename(source: int, name: str, target: int, new_name: str, replace: bool) -> None:
    """Moves an entry from one folder to another in one step. Raises OSError."""
    if replace:
        os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
        return
    system = getattr(_libc, "renameat2", None)
    if system is None:  # an old C library: not in one step
        try:
            os.stat(new_name, dir_fd=target, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
            return
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), new_name)
    if system(source, os.fsencode(name), target, os.fsencode(new_name), RENAME_NOREPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), new_name)
