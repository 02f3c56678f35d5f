"""127.0.0.1:3129 inside the sandbox leads to the session's socket: git speaks TCP, the way out is a file."""

from __future__ import annotations

import socket
import threading

from .entrance import connected

GIT_PORT = 3129
CHUNK = 64 * 1024


def start(path: str, port: int = GIT_PORT) -> int:
    """Listens on loopback in threads of its own; returns the port. Raises OSError if it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    threading.Thread(target=_accept, args=(listener, path), daemon=True).start()
    return int(listener.getsockname()[1])


def _accept(listener: socket.socket, path: str) -> None:
    while True:
        near, _ = listener.accept()
        try:
            far = connected(path)
        except OSError:  # between two services nobody listens
            near.close()
            continue
        try:
            threading.Thread(target=_copy, args=(near, far), daemon=True).start()
            threading.Thread(target=_copy, args=(far, near), daemon=True).start()
        except RuntimeError:
            near.close()
            far.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copies until the end, then passes the end on. Each direction ends by itself."""
    try:
        while True:
            data = source.recv(CHUNK)
            if not data:
                break
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
