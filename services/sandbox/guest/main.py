"""From the boot text to a helper that serves: takes over the entrance, lets go of the pipes it was started with."""
# ruff: noqa: PTH118

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from .entrance import receive
from .forwarder import Forwarder
from .frames import REPLY, REQUEST, Parser, frame, pack, unpack
from .helper import Helper

LOG = "helper.log"


def main(build: str) -> None:
    """The entry point. `build` tells this bundle from others."""
    os.umask(0o022)
    _heed_signals()
    sys.setswitchinterval(0.0005)
    first = _first_frame()
    if first is None:
        return
    stream, hello = first
    egress = Forwarder(hello.get("egress_socket", ""), numbered=True)
    helper = Helper(receive(hello["entrance"], hello["token"]), hello, build, egress)
    git_port = _forward(Forwarder(hello.get("git_socket", "")), hello.get("git_port", 0))
    greeting = {**helper.about, "git_port": git_port, "egress_port": _forward(egress, hello.get("egress_port", 0))}
    os.write(1, frame(stream, REPLY, pack(greeting)))
    _let_go(hello["state"])
    helper.serve()


def _first_frame() -> tuple[int, dict[str, Any]] | None:
    """The greeting of the service that starts us; None if it has gone before."""
    parser = Parser()
    while True:
        data = os.read(0, 1 << 16)
        if not data:
            return None
        for stream, kind, payload in parser.feed(data):
            if kind == REQUEST:
                return stream, unpack(payload)[0]


def _heed_signals() -> None:
    """What whoever started the product ignores (nohup: HUP, a script's `&`: INT and QUIT) no command could be sent."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # Of a broken pipe Python itself is told as an error; what it starts has the usual way.
    for number in set(signal.Signals) - {signal.SIGPIPE}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _let_go(state: str) -> None:
    """Standard input, output and error lead to the service that has started us. It may go; we stay."""
    log = os.open(os.path.join(state, LOG), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for fd, target in ((0, null), (1, log), (2, log)):
        os.dup2(target, fd)
    os.close(null)
    os.close(log)


def _forward(forwarder: Forwarder, port: int) -> int:
    if not port:
        return 0
    try:
        return forwarder.start(port)
    except OSError as error:
        print(json.dumps({"forwarder": str(error)}), file=sys.stderr)
        return 0
