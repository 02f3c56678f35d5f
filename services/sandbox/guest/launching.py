"""Starting a command's shell: the thread that reads its output first, so that nothing is half begun."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from collections.abc import Callable
from queue import Queue

from .command import Command
from .inlet import Inlet
from .reaper import Reaper
from .shell import Shell


class Crowded(Exception):
    """No process can be made: nothing was started."""


def launch(
    command: Command, shell: Shell, reaper: Reaper, mark: str, stdin: bool, pump: Callable[[Command, int], None]
) -> None:
    """Starts it, and `pump` in a thread. Raises Crowded, and OSError for what cannot be started at all."""
    outcome: Queue[int] = Queue()

    def work() -> None:
        pipe = outcome.get()
        if pipe >= 0:
            pump(command, pipe)

    try:
        threading.Thread(target=work, daemon=True).start()
    except RuntimeError:
        raise Crowded from None
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    their_input, our_input = os.pipe2(os.O_CLOEXEC) if stdin else (-1, -1)
    try:
        command.child = reaper.spawn(
            shell.argv(command.key, command.cwd),
            shell.environ(mark + command.key),
            shell.workspace,
            write_end,
            on_exit=command.wake,
            stdin=their_input if stdin else subprocess.DEVNULL,
        )
    except OSError as error:
        outcome.put(-1)
        for fd in (read_end, our_input):
            _close(fd)
        raise (Crowded() if error.errno in (errno.EAGAIN, errno.ENOMEM) else error) from None
    finally:
        for fd in (write_end, their_input):
            _close(fd)
    command.inlet = Inlet(our_input) if stdin else None
    outcome.put(read_end)


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)
