"""Room that is kept back on a disk with a limit of its own: a full one still takes the command that deletes something.

A command that starts needs a folder, some files and lines in the journal. Where the disk is full, each start gets one
step of the reserve; the first start that finds room again puts back what was given. The owner of a sandbox can take it
all, and then deletes files by the API.
"""
# ruff: noqa: PTH103, PTH112, PTH118, PTH208

from __future__ import annotations

import contextlib
import os
import shutil

STEP = 1024 * 1024
FILES = 8  # of each step, for disks whose number of files is full


class Reserve:
    """`size` 0: the disk has no limit of its own, and nothing is kept back."""

    def __init__(self, workspace: str, state: str, size: int) -> None:
        self._disks = (state, workspace)
        self._folder = os.path.join(state, "reserve")
        self._steps = size // STEP

    def tend(self) -> bool:
        """Before something starts; whether there was room."""
        is_full = self.is_full()
        with contextlib.suppress(OSError):
            self._tend()
        return not is_full

    def is_full(self) -> bool:
        """Whether what fails now may have failed for that."""
        return self._steps > 0 and any(map(_is_full, self._disks))

    def _tend(self) -> None:
        if self._steps:
            os.makedirs(self._folder, exist_ok=True)
            held = sorted(os.listdir(self._folder), key=int)
            if _is_full(self._disks[0]):
                shutil.rmtree(os.path.join(self._folder, held[-1] if held else "0"), ignore_errors=True)
            elif len(held) < self._steps and _room(self._disks[0]) > 2 * self._steps * STEP:
                for number in range(self._steps):
                    _keep(os.path.join(self._folder, str(number)))


def _keep(folder: str) -> None:
    if os.path.isdir(folder):
        return
    os.makedirs(folder)
    for number in range(FILES):
        fd = os.open(os.path.join(folder, str(number)), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not number:
                os.posix_fallocate(fd, 0, STEP)
        finally:
            os.close(fd)


def _is_full(folder: str) -> bool:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize < STEP or (found.f_files > 0 and found.f_favail < FILES)


def _room(folder: str) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
