"""Runs git for checkpoints: inside the sandbox, with a configuration of ours beside the repository's own."""
# ruff: noqa: PTH120

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable

from .frames import Refusal
from .processes import MARK
from .reaper import Reaper

TIMEOUT_SECONDS = 120
NEUTRAL = [
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.attributesFile=/dev/null"),
    *("-c", "core.quotePath=false"),
    *("-c", "core.fsync=none"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
    *("-c", "advice.addEmbeddedRepo=false"),
    *("-c", "fetch.fsckObjects=true"),
    *("-c", "safe.directory=*"),
]


class Git:
    """Git on one folder. `git_dir`: empty where the folder is no repository; `objects`: a folder to borrow from."""

    def __init__(self, reaper: Reaper, mark: str, root: str, git_dir: str, objects: str = "") -> None:
        self.root = root
        self.git_dir = git_dir
        self._reaper = reaper
        self._env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_CEILING_DIRECTORIES": os.path.dirname(root) or "/",
            MARK.decode().rstrip("="): mark,
        }
        if git_dir:
            self._env.update(GIT_DIR=git_dir, GIT_WORK_TREE=root)
        if objects:
            quoted = objects.replace("\\", "\\\\").replace('"', '\\"')
            self._env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = f'"{quoted}"'

    def run(self, *arguments: str) -> tuple[int, bytes]:
        """Runs git to its end. Returns its exit code (-1 at its time limit) and what it printed."""
        parts: list[bytes] = []
        code = self._read(arguments, parts.append)
        return code, b"".join(parts)

    def text(self, *arguments: str) -> str:
        """What git printed, without white space around it; empty where it failed."""
        code, output = self.run(*arguments)
        return "" if code else output.decode("utf-8", "surrogateescape").strip()

    def into(self, path: str, limit: int, *arguments: str) -> bool:
        """Writes what git prints into a file; False, and no file, where it failed or printed more than `limit`."""
        size = 0
        with open(path, "wb") as file:  # noqa: PTH123

            def take(data: bytes) -> bool:
                nonlocal size
                size += len(data)
                file.write(data if size <= limit else b"")
                return size <= limit

            code = self._read(arguments, take)
        if code or size > limit:
            os.unlink(path)  # noqa: PTH108
            return False
        return True

    def _read(self, arguments: tuple[str, ...], take: Callable[[bytes], object]) -> int:
        """Hands on what git prints until `take` answers False; its exit code."""
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        try:
            child = self._reaper.spawn(
                ["git", *NEUTRAL, *arguments], self._env, self.root, write_end, stderr=subprocess.DEVNULL
            )
        except OSError:
            os.close(read_end)
            raise Refusal("CHECKPOINT_FAILED", "git could not be started in the sandbox.") from None
        finally:
            os.close(write_end)
        timer = threading.Timer(TIMEOUT_SECONDS, child.kill)
        timer.daemon = True
        timer.start()
        with os.fdopen(read_end, "rb", 0) as file:
            for data in iter(lambda: file.read(1 << 16), b""):
                if take(data) is False:
                    child.kill()
                    break
        status = child.wait()
        timer.cancel()
        return os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else -1
