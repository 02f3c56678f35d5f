"""Ports on loopback inside the sandbox that lead to its sockets: programs speak TCP, the ways out are files.

127.0.0.1:3129 leads to the git gate, 127.0.0.1:3128 to the egress proxy.
"""

from __future__ import annotations

import socket
import threading

from .entrance import connected

GIT_PORT = 3129
CHUNK = 64 * 1024


class Forwarder:
    """One port. `numbered`: the far side is told a number first, by which it can ask whose connection it is."""

    def __init__(self, path: str, numbered: bool = False) -> None:
        self._path = path
        self._numbered = numbered
        self._last = 0
        self.port = 0
        self.callers: dict[int, int] = {}

    def start(self, port: int) -> int:
        """Listens in threads of its own; returns the port. Raises OSError if it is taken."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        self.port = int(listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return self.port

    def _accept(self, listener: socket.socket) -> None:
        while True:
            near, peer = listener.accept()
            try:
                far = connected(self._path)
            except OSError:  # between two services nobody listens
                near.close()
                continue
            self._last += 1
            try:
                if self._numbered:
                    self.callers[self._last] = peer[1]
                    far.sendall(b"LUCID/1 %d\n" % self._last)
                threading.Thread(target=self._carry, args=(near, far, self._last), daemon=True).start()
            except (OSError, RuntimeError):  # the far side has closed, or we are at the limit of processes
                self._end(near, far, self._last)

    def _carry(self, near: socket.socket, far: socket.socket, number: int) -> None:
        """Both directions, until both have ended."""
        try:
            back = threading.Thread(target=_copy, args=(far, near), daemon=True)
            back.start()
        except RuntimeError:
            self._end(near, far, number)
            return
        _copy(near, far)
        back.join()
        self._end(near, far, number)

    def _end(self, near: socket.socket, far: socket.socket, number: int) -> None:
        near.close()
        far.close()
        self.callers.pop(number, None)


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
