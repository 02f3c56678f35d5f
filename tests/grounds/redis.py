"""A Redis server that a test starts, kills, flushes, pauses and starts again."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.grounds.ports import spare_port

READY_SECONDS = 20


class Redis:
    """One server on a port of its own; it keeps nothing on disk."""

    def __init__(self, folder: Path, password: str = "") -> None:
        self.port = spare_port()
        self.url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}"
        self._folder = folder
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        program = shutil.which("redis-server")
        assert program, "redis-server is missing: install Debian's package redis-server"
        asked = ["--requirepass", self._password] if self._password else []
        settings = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *asked]
        with (self._folder / "redis.log").open("ab") as log:
            # The server ends with this process, however that ends.
            command = ["setpriv", "--pdeathsig=KILL", program, *settings, "--dir", str(self._folder)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError(f"Redis did not start:\n{(self._folder / 'redis.log').read_text()[-2000:]}")

    def kill(self) -> None:
        """As a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def pause(self) -> None:
        """It keeps its connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After a pause."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str) -> str:
        """What redis-cli answers, e.g. to FLUSHALL, or CLIENT KILL TYPE pubsub."""
        asked = ["redis-cli", "-p", str(self.port), *(["-a", self._password] if self._password else []), *words]
        return subprocess.run(asked, check=True, capture_output=True, text=True, timeout=10).stdout.strip()


@pytest.fixture
def redis() -> Iterator[Redis]:
    """A running server."""
    folder = Path(tempfile.mkdtemp(prefix="lucid-redis-"))
    server = Redis(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
