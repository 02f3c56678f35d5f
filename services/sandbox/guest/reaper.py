"""Starting processes and collecting every end, also that of orphans, which the kernel hands to us (child subreaper)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable

PR_SET_CHILD_SUBREAPER = 36


class Child:
    """A process that we started. `status` is its wait status once it has ended."""

    def __init__(self, popen: subprocess.Popen[bytes], on_exit: Callable[[], None] | None) -> None:
        self.pid = popen.pid
        self.popen = popen
        self.status: int | None = None
        self._on_exit = on_exit
        self._ended = threading.Event()

    def end(self, status: int) -> None:
        """Called by the reaper, once."""
        self.status = status
        self.popen.returncode = status  # so that subprocess never waits for this pid again
        self._ended.set()
        if self._on_exit is not None:
            self._on_exit()

    def kill(self) -> None:
        """Ends it, if it still runs. Not by Popen: that would wait for it in the reaper's place."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int | None:
        """The wait status, or None if it still runs after `timeout` seconds."""
        self._ended.wait(timeout)
        return self.status


class Reaper:
    """The one that calls wait in this process."""

    def __init__(self) -> None:
        self._children: dict[int, Child] = {}
        self._changed = threading.Condition()

    def start(self) -> None:
        """Becomes the parent of all orphans below us, and begins to collect."""
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        threading.Thread(target=self._collect, name="reaper", daemon=True).start()

    def spawn(
        self,
        argv: list[str],
        env: dict[str, str],
        cwd: str,
        stdout: int,
        stderr: int = subprocess.STDOUT,
        on_exit: Callable[[], None] | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> Child:
        """Starts a program in a session of its own; its standard input is empty unless one is given. Raises OSError."""
        with self._changed:  # the reaper must not see the pid before it is registered
            popen = subprocess.Popen(
                argv, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
            )
            child = Child(popen, on_exit)
            self._children[child.pid] = child
            self._changed.notify()
        return child

    @staticmethod
    def has_children() -> bool:
        """Whether anything runs below us: cheaper than reading the process table."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        except ChildProcessError:
            return False
        return True

    def _collect(self) -> None:
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                with self._changed:
                    if not self._children:
                        self._changed.wait(1.0)
                continue
            if ended is not None:
                self._take(ended.si_pid)

    def _take(self, pid: int) -> None:
        with self._changed:
            try:
                _, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:  # a start that failed was collected by subprocess itself
                return
            child = self._children.pop(pid, None)
        if child is not None:
            child.end(status)
