"""A Docker engine of a test's own, which may be stopped and killed.

It lives in a network namespace of its own: beside the machine's engine it would take its bridge away. Its containers
have no network anyway.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

START_SECONDS = 60


class SecondEngine:
    """`address` is what DOCKER_HOST is given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"unix://{folder}/docker.sock"

    def start(self) -> None:
        """Returns when it answers."""
        folder = self._folder
        options = [f"--{name}={folder}/{where}" for name, where in (("data-root", "data"), ("exec-root", "exec"))]
        options += [f"--pidfile={folder}/docker.pid", "--bridge=none", "--iptables=false", f"--host={self.address}"]
        with (folder / "dockerd.log").open("ab") as log:
            command = ["unshare", "--net", "dockerd", *options]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        last = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (folder / "dockerd.log").read_text()[-9000:]
            assert time.monotonic() < last, "the second engine does not answer"
            time.sleep(0.1)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends it; its containers end with it (SIGTERM), or are left to themselves (SIGKILL)."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, how)
            self._process.wait(60)
            self._process = None
            self._end_containerd(how)

    def _end_containerd(self, how: signal.Signals) -> None:
        """Its child, with which a new engine would talk while it is still on its way out. After SIGKILL it goes as in
        a power cut; containers' own processes go on."""
        with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
            pid = int((self._folder / "exec" / "containerd" / "containerd.pid").read_text())
            last = time.monotonic() + (0 if how is signal.SIGKILL else 10)
            while time.monotonic() < last:
                os.kill(pid, 0)
                time.sleep(0.05)
            os.kill(pid, signal.SIGKILL)
            while True:
                os.kill(pid, 0)
                time.sleep(0.05)

    def client(self) -> docker.DockerClient:
        """For looking into it."""
        return docker.DockerClient(base_url=self.address, timeout=60)

    def take(self, image: str) -> None:
        """Brings an image over from the machine's engine."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
            load = ["docker", "--host", self.address, "load", "--quiet"]
            subprocess.run(load, stdin=saving.stdout, check=True, stdout=subprocess.DEVNULL)

    def _answers(self) -> bool:
        with contextlib.suppress(DockerException, RequestException, OSError):
            client: Any = docker.DockerClient(base_url=self.address, timeout=5)
            client.ping()
            return True
        return False


@contextlib.contextmanager
def second_engine(folder: Path, image: str) -> Iterator[SecondEngine]:
    """One with an image, while the block runs."""
    engine = SecondEngine(folder)
    engine.start()
    try:
        engine.take(image)
        yield engine
    finally:
        with contextlib.suppress(DockerException, RequestException):
            for container in engine.client().containers.list(all=True):
                container.remove(force=True)
        engine.end()
        shutil.rmtree(folder, ignore_errors=True)
