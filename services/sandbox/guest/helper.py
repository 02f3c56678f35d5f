"""Takes requests from the services that are connected and answers them, many at once."""
# ruff: noqa: PTH103, PTH110, PTH118

from __future__ import annotations

import fcntl
import os
import queue
import selectors
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from . import idleness, processes
from .beneath import Beneath, refusal
from .callers import owner_of
from .checkpoint import Checkpoints
from .checkpoint_restore import Restores
from .commands import Commands
from .connection import Connection
from .disk import Disk
from .file_desk import FileDesk
from .following import Follower
from .forwarder import Forwarder
from .frames import CANCEL, CREDIT, REQUEST, SIZE, Refusal, unpack
from .identity import workspace_id
from .journal import Journal
from .launching import Crowded
from .listing import Listing
from .reaper import Reaper
from .reserve import Reserve
from .shell import Shell
from .snapshot import Snapshots
from .stats import stats
from .steering import Steering
from .terminals import Terminals

VERSION = 1  # of what is said over a connection; a service that knows another one replaces this helper
WORKERS = 4
NEED_ROOM = ("edit", "write", "write_part", "make_directory", "unpack", "checkpoint_write")
STOP_WORKERS = 2
LOOK_SECONDS = 15.0
FORSAKEN_SECONDS = 600.0
LOCK_SECONDS = 10.0
CROWDED_SECONDS = 1.0  # that long a start waits for room for a process
QUICK = ("stop", "end", "hello", "blocked", "signal", "stdin", "close_stdin", "terminal_write")


class Request(NamedTuple):
    """What one of the services asks for."""

    connection: Connection
    stream: int
    fields: dict[str, Any]
    blob: bytes


class Helper:
    """One sandbox's helper. It outlives the services that come and go."""

    def __init__(self, entrance: socket.socket, hello: dict[str, Any], build: str, egress: Forwarder) -> None:
        state, workspace, mark = hello["state"], hello["workspace"], hello["mark"] + "/"
        self._entrance = entrance
        self._home = hello["home"]
        self._egress = egress
        self._connections: set[Connection] = set()
        self._last_seen = time.monotonic()
        self._is_ending = False
        self._waiting: queue.Queue[Request] = queue.Queue()
        self._stops: queue.Queue[Request] = queue.Queue()
        self._reserve = Reserve(workspace, state, hello.get("disk_reserve", 0))
        self._reserve.tend()
        self._survivors = processes.end_survivors(mark, hello["own_namespace"])
        for folder in (hello["env"]["HOME"], os.path.join(state, "commands")):
            os.makedirs(folder, exist_ok=True)
        self._lock = _alone(os.path.join(state, "lock"))
        self._reaper = Reaper()
        self._reaper.start()
        self._journal = Journal(os.path.join(state, "journal"))
        with self._journal.admitted(max(self._journal.epoch, hello["epoch"])):
            shell = Shell(workspace, state, hello["env"], hello.get("bash") or ())
            limit = hello.get("output_limit") or float("inf")
            alone = hello["own_namespace"]
            self._commands = Commands(self._journal, shell, self._reaper, self._reserve, mark, limit, alone)
        beneath = Beneath(workspace)
        self._disk = Disk((workspace, state), hello.get("disk_limit", 0))
        self._snapshots = Snapshots(beneath, state, self._reaper, mark, self._journal)
        self._files = FileDesk(beneath, self._journal, self._reaper, state, mark)
        self._terminals = Terminals(shell, self._reaper, mark, self._commands.end)
        self._named = workspace_id(state, hello.get("fresh", False))
        self._checkpoints = Checkpoints(beneath, state, self._reaper, mark, self._journal, self._named)
        self._restores = Restores(beneath, state, self._reaper, mark, self._journal)
        self.about = {"version": VERSION, "build": build, "pid": os.getpid(), "survivors": self._survivors}
        self._name = hello["mark"]
        listing = Listing(self._commands)
        self._answers = self._answers_of(workspace, listing)
        # Those that take their time: each has a thread of its own.
        self._followed: dict[str, Callable[[Connection, int, dict[str, Any], Follower], None]] = {
            "diff": self._snapshots.stream,
            "run": self._commands.run,
            "attach": self._commands.attach,
            "log": listing.read,
            "terminal": self._terminals.open,
        }

    def _answers_of(self, workspace: str, listing: Listing) -> dict[str, Callable[[dict[str, Any], bytes], Any]]:
        """What is answered in one piece, by the name of the request."""
        steering = Steering(self._commands, self._journal)
        return {
            "hello": lambda _, __: (self._greeting(), b""),
            "adopt": lambda request, _: (self._adopt(request), b""),
            "stats": lambda _, __: (stats(workspace), b""),
            "stop": lambda request, _: ({"ended": self._commands.stop(request["id"])}, b""),
            **{op: self._written(op, answer) for op, answer in self._files.answers.items()},
            "snapshot": self._snapshots.create,
            "snapshots": self._snapshots.listed,
            "restore": self._snapshots.restore,
            "look": lambda _, __: (self._look(), b""),
            "checkpoint": self._checkpoints.create,
            "checkpoint_read": self._checkpoints.read,
            "checkpoint_drop": self._checkpoints.drop,
            "checkpoint_write": self._written("checkpoint_write", self._restores.write),
            "restore_checkpoint": self._restores.apply,
            "blocked": lambda request, _: self._note_blocked(request),
            "commands": listing.page,
            "stdin": steering.write,
            "close_stdin": steering.close,
            "signal": steering.signal,
            "terminals": self._terminals.list,
            "terminal_write": self._terminals.write,
            "terminal_resize": self._terminals.resize,
            "terminal_close": self._terminals.close,
        }

    def serve(self) -> None:
        """Until somebody ends it, or nobody comes any more; then nothing of ours stays."""
        # Made now: at the limit of processes no thread can be made, and a stop must still work.
        for waiting in [*[self._stops] * STOP_WORKERS, *[self._waiting] * WORKERS]:
            threading.Thread(target=self._work, args=(waiting,), daemon=True).start()
        self._disk.start(self._is_busy, lambda: self._commands.stop("", "DISK"))
        selector = selectors.DefaultSelector()
        selector.register(self._entrance, selectors.EVENT_READ)
        while not self._is_forsaken():
            for key, _ in selector.select(LOOK_SECONDS):
                if key.fileobj is self._entrance:
                    self._accept(selector)
                else:
                    self._receive(selector, key.fileobj)  # type: ignore[arg-type]
        self._end()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            connection = Connection(self._entrance.accept()[0])
        except OSError:
            return
        self._connections.add(connection)
        selector.register(connection, selectors.EVENT_READ)

    def _receive(self, selector: selectors.BaseSelector, connection: Connection) -> None:
        frames = connection.receive()
        try:
            for frame in frames or ():
                self._take(connection, *frame)
        except (ValueError, LookupError, TypeError, struct.error):  # whoever that is, it does not speak as we do
            frames = None
        if frames is None:
            selector.unregister(connection)
            self._connections.discard(connection)
            self._last_seen = time.monotonic()
            for follower in list(connection.followers.values()):
                follower.is_lost = True
                follower.close()
            connection.close()

    def _take(self, connection: Connection, stream: int, kind: int, payload: bytes) -> None:
        if kind == REQUEST:
            request, blob = unpack(payload)
            if request["op"] in self._followed:
                self._run(connection, stream, request)
            elif request["op"] in self._files.streams:
                self._open(connection, stream, request)
            else:
                waiting = self._stops if request["op"] in QUICK else self._waiting
                waiting.put(Request(connection, stream, request, blob))
            return
        follower = connection.followers.get(stream)
        if follower is not None and kind == CREDIT:
            follower.add_credit(SIZE.unpack(payload)[0])
        elif follower is not None and kind == CANCEL:
            follower.close()

    def _run(self, connection: Connection, stream: int, request: dict[str, Any]) -> None:
        if self._is_ending:  # the end of the connection is the answer: the next helper is asked
            return
        follower = connection.followers[stream] = Follower(request.get("from", 0))
        try:
            threading.Thread(target=self._follow, args=(connection, stream, request, follower), daemon=True).start()
        except RuntimeError:
            connection.followers.pop(stream, None)
            self._waiting.put(Request(connection, stream, {"op": "busy"}, b""))

    def _follow(self, connection: Connection, stream: int, request: dict[str, Any], follower: Follower) -> None:
        def answer() -> None:
            last = time.monotonic() + CROWDED_SECONDS
            while True:
                try:
                    return self._followed[request["op"]](connection, stream, request, follower)
                except Crowded:
                    if time.monotonic() > last:
                        raise
                time.sleep(0.05)

        self._guarded(connection, stream, answer)
        connection.followers.pop(stream, None)

    def _open(self, connection: Connection, stream: int, request: dict[str, Any]) -> None:
        """A file, a search, a watch or an archive: an answer in parts, by a thread of its own."""
        connection.followers[stream] = Follower(0)

        def answer() -> None:
            self._guarded(connection, stream, lambda: self._files.stream(connection, stream, request))
            connection.followers.pop(stream, None)

        try:
            threading.Thread(target=answer, daemon=True).start()
        except RuntimeError:
            connection.followers.pop(stream, None)
            self._waiting.put(Request(connection, stream, {"op": "busy"}, b""))

    def _work(self, waiting: queue.Queue[Request]) -> None:
        while True:
            request = waiting.get()

            def answer(request: Request = request) -> None:
                request.connection.reply(request.stream, *self._answer(request.fields, request.blob))

            self._guarded(request.connection, request.stream, answer)

    def _answer(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        if request["op"] == "end":
            self._end(request["if_idle"])
        if request["op"] == "busy":
            raise Crowded
        answer: tuple[dict[str, Any], bytes] = self._answers[request["op"]](request, blob)
        return answer

    def _written(
        self, op: str, answer: Callable[[dict[str, Any], bytes], Any]
    ) -> Callable[[dict[str, Any], bytes], Any]:
        """What needs room is refused (DISK_FULL) where there is none."""
        if op not in NEED_ROOM:
            return answer

        def checked(request: dict[str, Any], blob: bytes) -> Any:
            self._disk.check()
            return answer(request, blob)

        return checked

    def _note_blocked(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """A call did not go out: the connection is still there, and behind it is a process of a command."""
        port = self._egress.callers.get(request["connection"])
        owner = None if port is None else owner_of(port, self._egress.port)
        self._commands.note_blocked(owner or "", request["call"])
        return {}, b""

    def _greeting(self) -> dict[str, Any]:
        now = {"whose": self._name, "busy": self._is_busy(), "epoch": self._journal.epoch}
        return {**self.about, "workspace_id": self._named, **now}

    def _look(self) -> dict[str, Any]:
        return idleness.look(self._commands, self._terminals.count(), self._reaper.has_children())

    def _adopt(self, request: dict[str, Any]) -> dict[str, Any]:
        """We were made for nobody in particular, and are somebody's now: name, variables and epoch as in a greeting."""
        with self._journal.admitted(max(self._journal.epoch, request["epoch"])):
            if self._name == request["name"]:
                return {}
            if self._name != request["instead_of"] or self._journal.started:
                raise Refusal("HELPER_FAILED", "The helper is somebody else's.")
            self._name = request["name"]
            self._commands.adopt(self._name + "/", request["env"])
            self._terminals.mark = self._name + "/"
            self._snapshots.adopt(self._name + "/")
            self._files.adopt(self._name + "/")
            self._checkpoints.mark = self._restores.mark = self._name + "/"
        return {}

    def _is_busy(self) -> bool:
        return self._commands.running() > 0 or self._reaper.has_children()

    def _is_forsaken(self) -> bool:
        """Nobody is connected, and either nobody can be (our folder outside was removed), or nobody cared for long."""
        if self._connections:
            return False
        is_old = time.monotonic() - self._last_seen > FORSAKEN_SECONDS
        return not os.path.exists(self._home) or (is_old and not self._commands.running())

    def _end(self, if_idle: bool = False) -> None:
        """Ends all commands, and this process: what is connected sees the end of its connection."""
        if if_idle:
            with self._journal.admitted(self._journal.epoch):  # no command starts meanwhile
                if self._is_busy() or len(self._connections) > 1:
                    raise Refusal("SANDBOX_BUSY", "Something runs here, or somebody else is connected.")
                os._exit(0)
        self._is_ending = True
        self._terminals.close_all()
        self._commands.stop("", "SANDBOX_LOST")
        self._commands.settle()
        os._exit(0)

    def _guarded(self, connection: Connection, stream: int, answer: Callable[[], None]) -> None:
        try:
            answer()
        except Refusal as error:
            connection.refuse(stream, error)
        except Crowded:
            text = f"The sandbox is at its limit of processes.{self._commands.clear()} Try again."
            connection.refuse(stream, Refusal("SANDBOX_BUSY", text))
        except OSError as error:
            connection.refuse(stream, refusal(error, error.filename or "the sandbox's state"))
        except Exception as error:
            text = f"{type(error).__name__} in the sandbox's helper"
            connection.refuse(stream, Refusal("HELPER_FAILED", text, traceback.format_exc()))


def _alone(path: str) -> int:
    """Keeps a second helper off the journal. Raises OSError while another one lives."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    last = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except OSError:
            if time.monotonic() > last:
                raise
        time.sleep(0.02)
