"""Processes that run a module of ours: by the command that a person types, or forked from one that has it loaded.

Most of a start is loading modules. Where a start is not what a test is about, it need not be paid each time.
"""

import ctypes
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[2]
PR_SET_PDEATHSIG = 1
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["services.embedded", "services.sessions.replay", "tests.faults.parts"])


class Running(Protocol):
    """What is used of subprocess.Popen."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int: ...
    def send_signal(self, number: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Run(Protocol):
    """Starts `python -m module` with this environment; what it prints is appended to the log."""

    def __call__(self, module: str, env: Mapping[str, str], log: Path) -> Running: ...


def as_command(module: str, env: Mapping[str, str], log: Path) -> Running:
    """As a person starts it."""
    return _open([sys.executable, "-m", module], env, log)


def as_bound_command(module: str, env: Mapping[str, str], log: Path) -> Running:
    """The command, killed when the thread that has started it ends."""
    return _open(["setpriv", "--pdeathsig=KILL", sys.executable, "-m", module], env, log)


def as_fork(module: str, env: Mapping[str, str], log: Path) -> Running:
    """With what it imports already loaded: its arguments and first environment in /proc are not its own."""
    process = FORKS.Process(target=_become, args=(module, dict(env), log), daemon=True)
    process.start()
    return Forked(process)


class Forked:
    """A forked process, to be handled as one of subprocess."""

    def __init__(self, process: "multiprocessing.context.ForkServerProcess") -> None:
        self._process = process
        assert process.pid is not None
        self.pid: int = process.pid

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _open(line: list[str], env: Mapping[str, str], log: Path) -> Running:
    with log.open("ab") as output:
        return subprocess.Popen(line, cwd=ROOT, env=env, stdout=output, stderr=output)


def _become(module: str, env: dict[str, str], log: Path) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(env)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
