"""The ports inside a sandbox: whoever comes is let through or, where there is no way, told so by the end."""

import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.sandbox.guest.forwarder import Forwarder

MANY = 12


@pytest.fixture
def far() -> Iterator[socket.socket]:
    """What the port leads to. Nobody is let in until it is asked to accept."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/far.sock")
        listener.listen(0)
        listener.settimeout(10)
        yield listener


def come(listener: socket.socket) -> tuple[int, socket.socket]:
    port = Forwarder(str(Path(listener.getsockname())), numbered=True).start(0)
    return port, socket.create_connection(("127.0.0.1", port), timeout=10)


def test_who_comes_where_many_wait_already_waits_too(far: socket.socket) -> None:
    port, first = come(far)
    waiting = [first, *(socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(MANY - 1))]
    time.sleep(0.2)
    for _ in waiting:
        let_in, _ = far.accept()
        assert let_in.recv(100).startswith(b"LUCID/1 ")
        let_in.sendall(b"hello")
        let_in.close()
    assert [way.recv(100) for way in waiting] == [b"hello"] * MANY


def test_a_far_side_that_closes_at_once_does_not_end_the_port(far: socket.socket) -> None:
    port, way = come(far)
    for _ in range(MANY):
        let_in, _ = far.accept()
        let_in.close()
        assert way.recv(100) == b""
        way = socket.create_connection(("127.0.0.1", port), timeout=10)
    let_in, _ = far.accept()
    let_in.sendall(b"hello")
    assert way.recv(100) == b"hello"
