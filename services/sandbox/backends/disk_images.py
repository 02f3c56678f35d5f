"""File systems of their own, one for each sandbox, in sparse files of this machine.

`<data>/disks/<body>/image` is mounted on `mount` beside it, which needs root; the kernel takes the loop device back
when that is unmounted. What the engine is given are folders inside, never the device: its number may be another
sandbox's after a restart of the machine, while a folder of what is not mounted is not there, and nothing starts on it.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

from services.rpc.logs import get_logger
from services.sandbox.backends import loop_devices
from services.sandbox.domain.errors import SandboxUnavailable
from services.sandbox.domain.limits import LEAST_DISK

PROGRAMS = {"mkfs.ext4": "e2fsprogs", "e2fsck": "e2fsprogs", "mount": "mount", "umount": "mount"}
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# A new sparse file reads as zeros, so nothing has to be written before its blocks are used, now or later.
MAKE = ("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard")
OPTIONS = "loop,nosuid,nodev,noatime,noinit_itable"
UNMENDED = 4  # of e2fsck; below that it has mended what there was
CALL_SECONDS = 120
BUSY_SECONDS = 5.0
BUSY_PAUSE = 0.05
log = get_logger(__name__)


class DiskImages:
    """All of one data folder. Calls block; they raise SandboxUnavailable."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "disks"

    def unusable(self) -> str:
        """Empty if one can be made and mounted here, else why not."""
        if os.geteuid() != 0:
            return "the sandbox service does not run as root, so it cannot mount"
        for program, package in PROGRAMS.items():
            if shutil.which(program, path=PATH) is None:
                return f"{program} is not installed (apt-get install {package})"
        trial = f".trial-{secrets.token_hex(4)}"
        try:
            self.make(trial, LEAST_DISK)
            self.mount(trial)
        except SandboxUnavailable as error:
            return error.message
        finally:
            self.remove(trial)
        return ""

    def has(self, body: str) -> bool:
        """Whether the sandbox has one. Cheap."""
        return self._image(body).exists()

    def make(self, body: str, size: int) -> None:
        """A new one, which takes no more than `size` bytes with all that it holds."""
        folder, unfinished = self._root / body, self._root / body / "unfinished"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                file.truncate(size)
            _run(*MAKE, str(unfinished))
            unfinished.rename(self._image(body))
        except OSError as error:
            raise SandboxUnavailable(f"A disk image cannot be made: {error.strerror}.") from error

    def mount(self, body: str) -> Path:
        """Where its files are, until it is unmounted. Safe to repeat; mends what a crash, or a full machine, left."""
        place = self._root / body / "mount"
        if place.is_mount():
            if _takes_writes(place):
                return place
            _unmount(place)
        place.mkdir(mode=0o755, exist_ok=True)
        image = str(self._image(body))
        _run("e2fsck", "-p", image, fails_from=UNMENDED)
        for another_try in (True, True, False):  # somebody else may take the device that was free
            try:
                loop_devices.make_node()
                _run("mount", "-t", "ext4", "-o", OPTIONS, image, str(place))
                break
            except OSError as error:
                raise SandboxUnavailable(f"There are no loop devices: {error.strerror}.") from error
            except SandboxUnavailable:
                if not another_try:
                    raise
        return place

    def unmount(self, body: str) -> None:
        """Gives what was deleted inside back to this machine, and the loop device. Safe to repeat."""
        place = self._root / body / "mount"
        if place.is_mount():
            with contextlib.suppress(SandboxUnavailable):  # the machine's file system may not take anything back
                _run("fstrim", str(place))
            _unmount(place)

    def remove(self, body: str) -> None:
        """With all that it holds. Safe to repeat."""
        folder = self._root / body
        if (folder / "mount").is_mount():
            _unmount(folder / "mount")
        for name in ("unfinished", "image"):
            (folder / name).unlink(missing_ok=True)
        for path in (folder / "mount", folder):  # never what is in them: something may be mounted still
            with contextlib.suppress(OSError):
                path.rmdir()

    def survey(self) -> set[str]:
        """Bodies of those that are there."""
        found = self._root.iterdir() if self._root.is_dir() else ()
        return {folder.name for folder in found if not folder.name.startswith(".")}

    def _image(self, body: str) -> Path:
        return self._root / body / "image"


def _takes_writes(place: Path) -> bool:
    """Not where the kernel has closed a file system that it could not write out, for want of room on the machine."""
    try:
        os.utime(place)
    except OSError:
        return False
    return True


def _unmount(place: Path) -> None:
    """Namespaces that are being made hold every mount for a moment. What is held longer goes when it is let go."""
    last = time.monotonic() + BUSY_SECONDS
    while place.is_mount():
        try:
            _run("umount", str(place))
        except SandboxUnavailable as error:
            if time.monotonic() > last:
                log.warning("a disk image is held by somebody", extra={"cause": error.message})
                _run("umount", "--lazy", str(place))
            time.sleep(BUSY_PAUSE)


def _run(*argv: str, fails_from: int = 1) -> None:
    environment = {"PATH": PATH, "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - programs by name, paths of ours
            argv, env=environment, capture_output=True, check=False, timeout=CALL_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxUnavailable(f"{argv[0]} does not run: {error}.") from error
    if done.returncode >= fails_from:
        said = (done.stderr or done.stdout).decode(errors="replace").split("\n")[0][:300]
        raise SandboxUnavailable(f"{argv[0]} failed: {said or done.returncode}")
