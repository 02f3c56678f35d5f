"""Ports for servers that tests start."""

import random
import socket


def spare_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on.

    Below 32768: from there on the kernel takes ports for outgoing connections, and one of those may hold it.
    """
    while True:
        port = random.randrange(20_000, 32_768)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
