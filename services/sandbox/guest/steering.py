"""What is done to a command that runs: its input, and signals."""

from __future__ import annotations

import signal
import threading
from collections import OrderedDict
from typing import Any

from . import processes
from .commands import Commands
from .frames import Refusal
from .journal import Journal

MAX_REMEMBERED = 1000


class Steering:
    """Each call may be repeated."""

    def __init__(self, commands: Commands, journal: Journal) -> None:
        self._commands = commands
        self._journal = journal
        self._sent: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def write(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """Writes to its standard input."""
        return {"accepted": self._commands.inlet(request).write("", request["offset"], data)}, b""

    def close(self, request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        """Ends its standard input."""
        try:
            self._commands.inlet(request).close()
        except Refusal as refusal:
            if refusal.reason != "INPUT_CLOSED":
                raise
        return {}, b""

    def signal(self, request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        """Sends a signal to its processes, once per request."""
        with self._journal.admitted(request.get("epoch", 0)):
            self._commands.check_known(request["id"])
        with self._lock:
            if request["request"] not in self._sent:
                self._sent[request["request"]] = self._send(request["id"], request["signal"])
            if len(self._sent) > MAX_REMEMBERED:
                self._sent.popitem(last=False)
            return {"signalled": self._sent[request["request"]]}, b""

    def _send(self, key: str, name: str) -> int:
        if name == "KILL":  # what is forked meanwhile too
            return self._commands.end(lambda: self._commands.owned(key), 0.0)
        found = self._commands.owned(key)
        processes.send(found, signal.Signals["SIG" + name])
        return len(found)
