"""Takes requests from the service and answers them, many at once."""
# ruff: noqa: PTH103, PTH118

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from . import forwarder, processes
from .beneath import Beneath, refusal
from .command import Follower
from .commands import Commands
from .edits import Edits
from .files import list_tree, read_file
from .frames import CANCEL, CREDIT, REQUEST, SIZE, Pipes, Refusal, unpack
from .journal import Journal
from .reaper import Reaper
from .shell import Shell
from .snapshot import Snapshots

WORKERS = 4


class Helper:
    """One sandbox's helper."""

    def __init__(self, pipes: Pipes, hello: dict[str, Any]) -> None:
        state, workspace = hello["state"], hello["workspace"]
        mark = hello["mark"] + "/"
        self._pipes = pipes
        self._followers: dict[int, Follower] = {}
        self._waiting: queue.Queue[tuple[int, dict[str, Any], bytes]] = queue.Queue()
        self._stops: queue.Queue[tuple[int, dict[str, Any], bytes]] = queue.Queue()
        self.survivors = processes.end_survivors(mark, hello["own_namespace"])
        for folder in (hello["env"]["HOME"], os.path.join(state, "commands")):
            os.makedirs(folder, exist_ok=True)
        reaper = Reaper()
        reaper.start()
        beneath = Beneath(workspace)
        journal = Journal(os.path.join(state, "journal"))
        shell = Shell(workspace, state, hello["env"])
        self._commands = Commands(journal, shell, reaper, pipes, mark)
        self._edits = Edits(beneath, journal)
        self._snapshots = Snapshots(beneath, state, reaper, mark)
        self._beneath = beneath
        self._answers: dict[str, Callable[[dict[str, Any], bytes], Any]] = {
            "stop": lambda request, _: ({"ended": self._commands.stop(request["id"])}, b""),
            "read": lambda request, _: read_file(beneath, request["path"], request["offset"], request["limit"]),
            "tree": lambda request, _: list_tree(beneath, request["path"], request["depth"], request["max_entries"]),
            "edit": self._edits.apply,
            "snapshot": lambda request, _: self._snapshots.create(request["path"], request["since"]),
        }

    def serve(self) -> None:
        """Until the service has gone; then nothing of ours stays."""
        # Made now: at the limit of processes no thread can be made, and a stop must still work.
        for waiting in [self._stops, *[self._waiting] * WORKERS]:
            threading.Thread(target=self._work, args=(waiting,), daemon=True).start()
        while True:
            frame = self._pipes.receive()
            if frame is None:
                break
            self._take(*frame)
        self._commands.stop("", "SANDBOX_LOST")
        self._commands.settle()

    def _take(self, stream: int, kind: int, payload: bytes) -> None:
        if kind == REQUEST:
            request, blob = unpack(payload)
            if request["op"] == "run":
                self._run(stream, request)
            else:
                (self._stops if request["op"] == "stop" else self._waiting).put((stream, request, blob))
            return
        follower = self._followers.get(stream)
        if follower is not None and kind == CREDIT:
            self._commands.credit(follower, SIZE.unpack(payload)[0])
        elif follower is not None and kind == CANCEL:
            self._commands.cancel(follower)

    def _run(self, stream: int, request: dict[str, Any]) -> None:
        follower = self._followers[stream] = Follower(request["from"])
        try:
            threading.Thread(target=self._follow, args=(stream, request, follower), daemon=True).start()
        except RuntimeError:
            self._followers.pop(stream, None)
            self._pipes.refuse(stream, Refusal("SANDBOX_BUSY", "The sandbox is at its limit of processes."))

    def _follow(self, stream: int, request: dict[str, Any], follower: Follower) -> None:
        def answer() -> None:
            self._commands.run(stream, request, follower)

        self._guarded(stream, answer)
        self._followers.pop(stream, None)

    def _work(self, waiting: queue.Queue[tuple[int, dict[str, Any], bytes]]) -> None:
        while True:
            stream, request, blob = waiting.get()

            def answer(stream: int = stream, request: dict[str, Any] = request, blob: bytes = blob) -> None:
                self._pipes.reply(stream, *self._answers[request["op"]](request, blob))

            self._guarded(stream, answer)

    def _guarded(self, stream: int, answer: Callable[[], None]) -> None:
        try:
            answer()
        except Refusal as error:
            self._pipes.refuse(stream, error)
        except OSError as error:
            self._pipes.refuse(stream, refusal(error, error.filename or "the sandbox's state"))
        except Exception as error:
            traceback.print_exc()
            self._pipes.refuse(stream, Refusal("HELPER_FAILED", f"{type(error).__name__} in the sandbox's helper"))


def main() -> None:
    """The entry point: the two pipes are taken away from standard input and output, so that nobody else gets them."""
    pipes = Pipes(os.dup(0), os.dup(1))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    os.umask(0o022)
    sys.setswitchinterval(0.0005)
    frame = pipes.receive()
    if frame is None:
        return
    hello, _ = unpack(frame[2])
    helper = Helper(pipes, hello)
    git = _forward(hello)
    pipes.reply(frame[0], {"pid": os.getpid(), "survivors": helper.survivors, "git_port": git})
    helper.serve()


def _forward(hello: dict[str, Any]) -> int:
    if not hello.get("git_socket"):
        return 0
    try:
        return forwarder.start(hello["git_socket"], hello["git_port"])
    except OSError as error:
        print(json.dumps({"forwarder": str(error)}), file=sys.stderr)
        return 0
