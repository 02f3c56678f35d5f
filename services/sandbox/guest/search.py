"""Runs the program that searches, and passes on what it finds, until it ends or is out of time."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import sys
import tempfile
import time
from typing import Any

from .beneath import Beneath
from .frames import Refusal
from .names import meant
from .processes import MARK
from .reaper import Child, Reaper
from .streams import Stream

DEFAULT_RESULTS = 200
MAX_RESULTS = 2000
DEFAULT_SECONDS = 5.0
MAX_TEXT = 4200  # characters of a path or a line
MAX_LINE = 4 * 1024 * 1024
AT_ONCE = 64
LOOK_SECONDS = 0.1
# Not by the boot text: a process that closes itself to others looks like one that hides, and StopCommand ends those.
MODULES = ("frames", "names", "beneath", "tree", "searching")
PROGRAM = """
import json, sys
from types import ModuleType
sources = json.loads(sys.stdin.readline())
package = sys.modules["guest"] = ModuleType("guest")
package.__path__ = []
for name in sources:
    module = sys.modules["guest." + name] = ModuleType("guest." + name)
    module.__package__ = "guest"
    exec(compile(sources[name], name, "exec"), module.__dict__)
sys.modules["guest.searching"].main()
"""


class Searches:
    """Starts one process for each search."""

    def __init__(self, workspace: Beneath, state: str, reaper: Reaper, mark: str) -> None:
        self._workspace = workspace
        self._state = state
        self._reaper = reaper
        self.mark = mark

    def run(self, request: dict[str, Any], stream: Stream) -> tuple[dict[str, Any], bytes]:
        """Everything that is found, part by part; how it ended. Raises Refusal."""
        order = json.dumps(self._order(request))
        last = time.monotonic() + (request["seconds"] or DEFAULT_SECONDS)
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        try:
            child = self._start(order, write_end)
        except OSError:
            os.close(read_end)
            raise Refusal("SANDBOX_BUSY", "No process can be made in the sandbox.") from None
        finally:
            os.close(write_end)
        try:
            return _Passing(stream, min(request["max_results"] or DEFAULT_RESULTS, MAX_RESULTS)).run(read_end, last)
        finally:
            child.kill()
            os.close(read_end)
            child.wait()

    def _order(self, request: dict[str, Any]) -> dict[str, Any]:
        return {
            **{key: request[key] for key in ("query", "names", "regex", "ignore_case", "hidden")},
            "globs": [meant(text) for text in request["globs"]],
            "root": self._workspace.root,
            **self._where(request["path"]),
        }

    def _where(self, path: str) -> dict[str, str]:
        """`top`: the folder to walk; `prefix`: what stands before the paths below it; `only`: the one file in it."""
        try:
            fd, is_folder = self._workspace.open_folder(path), True
        except Refusal as refusal:
            if refusal.reason != "FILE_NOT_FOUND":
                raise
            fd, is_folder = self._workspace.open_file(path), False
        try:
            name = self._workspace.real_name(fd)
        finally:
            os.close(fd)
        if not is_folder:
            if name is None:
                raise Refusal("FILE_NOT_FOUND", f"There is no file {path!r}.")
            top = name.rpartition("/")[0]
            return {"top": top, "prefix": top, "only": name}
        prefix = self._workspace.relative(path)
        return {
            "top": "" if name in (None, ".") else str(name),
            "prefix": "" if prefix == "." else prefix,
            "only": "",
        }

    def _start(self, order: str, output: int) -> Child:
        env = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", MARK.decode().rstrip("="): self.mark}
        with tempfile.TemporaryFile(dir=self._state) as file:  # not a pipe: nobody needs to be there to read it
            file.write(json.dumps({name: _source(name) for name in MODULES}).encode() + b"\n" + order.encode() + b"\n")
            file.seek(0)
            argv = [*_python(), "-I", "-S", "-c", PROGRAM]
            return self._reaper.spawn(argv, env, self._workspace.root, output, stdin=file.fileno())


class _Passing:
    """Reads what the program says. It runs as the agent does, so nothing that it says is taken on trust."""

    def __init__(self, stream: Stream, limit: int) -> None:
        self._stream = stream
        self._left = limit
        self._waiting: list[Any] = []

    def run(self, pipe: int, last: float) -> tuple[dict[str, Any], bytes]:
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        text = b""
        while not self._stream.closed:
            if not poll.poll(1 if self._waiting else LOOK_SECONDS * 1000):
                self._flush()
                if time.monotonic() > last:
                    return _done("TIME")
                continue
            data = os.read(pipe, 1 << 16)
            *lines, text = (text + data).split(b"\n")
            for line in lines:
                done = self._take(line)
                if done is not None:
                    self._flush()
                    return done, b""
            if not data or len(text) > MAX_LINE:
                raise Refusal("FILE_FAILED", "The search broke off.")
            if time.monotonic() > last:
                self._flush()
                return _done("TIME")
        return {}, b""

    def _take(self, line: bytes) -> dict[str, Any] | None:
        """What a line says; an answer if it is the last one that counts."""
        try:
            said = json.loads(line)
            found = [
                [_text(m[0]), _count(m[1]), _text(m[2]), _count(m[3]), _count(m[4])] for m in said.get("found", ())
            ]
            end = (_count(said["files"]), _count(said["skipped"])) if "files" in said else None
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Refusal("FILE_FAILED", "The search broke off.") from None
        if "bad" in said:
            raise Refusal("BAD_PATTERN", f"That is no pattern: {str(said['bad'])[:200]}.")
        self._waiting += found[: self._left]
        self._left -= min(self._left, len(found))
        if len(self._waiting) >= AT_ONCE:
            self._flush()
        if not self._left:
            return _done("RESULTS")[0]
        return None if end is None else {"done": "COMPLETE", "files": end[0], "skipped": end[1]}

    def _flush(self) -> None:
        while self._waiting:
            self._stream.send({"matches": self._waiting[:AT_ONCE]})
            del self._waiting[:AT_ONCE]


def _done(reason: str) -> tuple[dict[str, Any], bytes]:
    return {"done": reason, "files": 0, "skipped": 0}, b""


def _text(said: Any) -> str:
    return str(said)[:MAX_TEXT].encode("utf-8", "replace").decode()


def _count(said: Any) -> int:
    return min(max(int(said), 0), 2**32 - 1)


def _source(name: str) -> str:
    full = f"{__package__}.{name}"
    spec: Any = importlib.util.find_spec(full)
    source: str = spec.loader.get_source(full)
    return source


def _python() -> list[str]:
    """What we ourselves were started with, which may be more than one word."""
    with open("/proc/self/cmdline", "rb") as file:  # noqa: PTH123
        words = [os.fsdecode(word) for word in file.read().split(b"\0")]
    return words[: words.index("-I")] if "-I" in words else [sys.executable]
