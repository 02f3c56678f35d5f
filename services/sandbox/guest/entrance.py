"""The socket that services come in by. It is bound outside, where nothing in the sandbox sees it, and handed in once.

The commands run as the same user as the helper. So the helper closes itself to them (no memory, no descriptors), and
its socket has no name that they could connect to.
"""

from __future__ import annotations

import array
import os
import socket
import time

WAIT_SECONDS = 30.0
CROWDED_SECONDS = 0.02
BACKLOG = 64


def connected(path: str) -> socket.socket:
    """A connection to a Unix socket, however long its path is. Raises OSError."""
    folder, _, name = path.rpartition("/")
    fd = os.open(folder or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    way = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    way.settimeout(WAIT_SECONDS)
    try:
        _connect(way, f"/proc/self/fd/{fd}/{name}")
        way.settimeout(None)
    except OSError:
        way.close()
        raise
    finally:
        os.close(fd)
    return way


def _connect(way: socket.socket, path: str) -> None:
    """Where many have come at once and none is let in yet, the kernel refuses a socket that has a time limit."""
    ends = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return way.connect(path)
        except BlockingIOError:
            if time.monotonic() > ends:
                raise
            time.sleep(CROWDED_SECONDS)


def receive(path: str, token: str) -> socket.socket:
    """The listening socket, from the service that waits at `path` for whoever knows the token. Raises OSError."""
    size = array.array("i").itemsize
    with connected(path) as way:
        way.settimeout(WAIT_SECONDS)
        way.sendall(token.encode() + b"\n")
        _, ancillary, _, _ = way.recvmsg(1, socket.CMSG_SPACE(size))
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            listener = socket.socket(fileno=array.array("i", content[:size])[0])
            listener.set_inheritable(False)
            listener.listen(BACKLOG)  # again: from now on those who connect are told that it is us who listen
            listener.setblocking(False)
            return listener
    raise OSError("no socket was handed over")
