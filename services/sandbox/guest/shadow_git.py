"""Runs git for the shadow repositories: inside the sandbox, with a configuration of ours.

No hooks, no filters, no fsmonitor, no helper programs, whatever the repository's own files say.
"""
# ruff: noqa: PTH108, PTH118, PTH123, SIM115

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from typing import BinaryIO

from .frames import Refusal
from .processes import MARK
from .reaper import Child, Reaper

TIMEOUT_SECONDS = 120
# Better one of our children than the helper, as for commands.
OOM_SCORE = "700"
NEUTRAL = [
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.attributesFile=/dev/null"),
    *("-c", "core.quotePath=false"),
    *("-c", "core.untrackedCache=true"),
    *("-c", "core.looseCompression=1"),
    *("-c", "pack.compression=1"),
    *("-c", "pack.threads=1"),
    *("-c", "core.fsync=none"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
    *("-c", "advice.addEmbeddedRepo=false"),
    *("-c", "safe.directory=*"),
]


class Place:
    """A work tree and the git folder to see it with. `objects`: a folder to borrow objects from."""

    def __init__(self, root: str, git_dir: str, objects: str = "") -> None:
        self.root = root
        self.git_dir = git_dir
        self.objects = objects


class Git:
    """Starts git and sees to its end."""

    def __init__(self, reaper: Reaper, mark: str) -> None:
        self._reaper = reaper
        self.mark = mark

    def run(self, place: Place, *arguments: str, given: bytes | None = None) -> tuple[int, bytes]:
        """Runs git on what it is given. Returns its exit code (-1 where it was ended) and what it printed."""
        with self.reading(place, *arguments, given=given) as (file, end):
            output = file.read()
            return end(), output

    @contextlib.contextmanager
    def reading(
        self, place: Place, *arguments: str, given: bytes | None = None, seconds: float = TIMEOUT_SECONDS
    ) -> Iterator[tuple[BinaryIO, _End]]:
        """What git prints, as it comes. Leaving the block ends it; `end()` waits for its exit code."""
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        try:
            child = self._start(place, arguments, write_end, given)
        except OSError:
            os.close(read_end)
            raise Refusal("SNAPSHOT_FAILED", "git could not be started in the sandbox.") from None
        finally:
            os.close(write_end)
        timer = threading.Timer(seconds, child.kill)
        timer.daemon = True
        timer.start()
        try:
            with os.fdopen(read_end, "rb") as file:
                yield file, _End(child)
        finally:
            timer.cancel()
            child.kill()
            child.wait()

    def _start(self, place: Place, arguments: tuple[str, ...], stdout: int, given: bytes | None) -> Child:
        argv = ["git", *NEUTRAL, *arguments]
        with contextlib.ExitStack() as stack:
            stdin = subprocess.DEVNULL
            if given is not None:
                stdin = stack.enter_context(_file_of(given, os.path.join(place.git_dir, "given"))).fileno()
            environment = self._environment(place)
            child = self._reaper.spawn(argv, environment, place.root, stdout, subprocess.DEVNULL, stdin=stdin)
        with contextlib.suppress(OSError), open(f"/proc/{child.pid}/oom_score_adj", "w") as score:
            score.write(OOM_SCORE)
        return child

    def _environment(self, place: Place) -> dict[str, str]:
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_DIR": place.git_dir,
            "GIT_WORK_TREE": place.root,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_LITERAL_PATHSPECS": "1",
            MARK.decode().rstrip("="): self.mark,
        }
        if place.objects:
            quoted = place.objects.replace("\\", "\\\\").replace('"', '\\"')
            environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = f'"{quoted}"'
        return environment


def _file_of(content: bytes, path: str) -> BinaryIO:
    """A file to read it from, without a name. Unlike a pipe it takes any size before anybody reads."""
    file = open(path, "w+b")
    os.unlink(path)
    file.write(content)
    file.flush()
    file.seek(0)
    return file


class _End:
    """Waits for the exit code of one git, once its output was read."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def __call__(self) -> int:
        status = self._child.wait()
        return os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else -1
