"""Sandboxes that are shared by the attacks of a module: no case may disturb the next."""

import asyncio
import contextlib
import ctypes
import fcntl
import json
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from services.rpc.ids import new_id
from tests.contract.launchers.conftest import Bench, running, settings_for

Answer = TypeVar("Answer")
SIOCGIFADDR = 0x8915
ESCAPES = Path(__file__).with_name("escapes.py")


class Arena:
    """A loop of its own in a thread, so that a sandbox can outlive one test; `run` waits for what happens there."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Answer], seconds: float = 50) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class Outside:
    """What of this machine is offered to those who get out."""

    listener: socket.socket = field(default_factory=lambda: socket.create_server(("0.0.0.0", 0)))
    abstract: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_UNIX))
    memory: int = -1

    def open(self) -> dict[str, Any]:
        """For escapes.py."""
        name, key = f"lucid-canary-{os.getpid()}", 0x4C554349
        self.abstract.bind(f"\0{name}")
        self.abstract.listen()
        self.memory = ctypes.CDLL(None).shmget(key, 4096, 0o1666)
        port = self.listener.getsockname()[1]
        return {"port": port, "abstract": name, "pid": os.getpid(), "memory_key": key, "addresses": addresses()}

    def close(self) -> None:
        self.listener.close()
        self.abstract.close()
        ctypes.CDLL(None).shmctl(self.memory, 0, None)


def addresses() -> list[str]:
    """IPv4 addresses of this machine's devices, and the gateways of the usual bridges."""
    found = {"172.17.0.1", "172.18.0.1", "10.0.2.2", "192.168.65.2"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(asked, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found.add(socket.inet_ntoa(answer[20:24]))
    return sorted(found - {"127.0.0.1"})


@contextlib.asynccontextmanager
async def two_sandboxes(backend: str, data_dir: Path, **limits: Any) -> AsyncIterator[tuple[Bench, Bench]]:
    """The attacker's and a neighbour's."""
    settings = settings_for(backend, data_dir, **limits)
    async with running(settings) as client, contextlib.AsyncExitStack() as ends:
        pair = (Bench(client, settings, new_id("sbx")), Bench(client, settings, new_id("sbx")))
        for bench in pair:
            await bench.bring_up()
            ends.push_async_callback(bench.delete)
        yield pair


@pytest.fixture(scope="module", params=["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)])
def arena(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Ground"]:
    """Two sandboxes with small limits."""
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    arena, limits = Arena(), {"memory_limit": "256m", "pids_limit": 120, "cpu_limit": 0.5, "disk_limit": "200m"}
    data_dir = tmp_path_factory.mktemp(str(request.param))
    held = two_sandboxes(str(request.param), data_dir, **limits)
    attacker, neighbour = arena.run(held.__aenter__())
    try:
        yield Ground(str(request.param), arena, attacker, neighbour, data_dir)
    finally:
        arena.run(held.__aexit__(None, None, None))
        arena.close()


@dataclass
class Ground:
    """A module's sandboxes and the way to them."""

    backend: str
    arena: Arena
    attacker: Bench
    neighbour: Bench
    data_dir: Path

    def run(self, command: str, **fields: Any) -> Any:
        """A command of the attacker's, to its end."""
        return self.arena.run(self.attacker.run(command, **fields))

    def neighbour_lives(self) -> bool:
        return bool(self.arena.run(self.neighbour.run("echo alive")).output == b"alive\n")

    def attacker_lives(self) -> bool:
        return bool(self.run("echo alive").output == b"alive\n")

    def escapes(self) -> dict[str, str]:
        """What became of every attempt to get out."""
        outside = Outside()
        try:
            folders = [str(path) for path in (self.data_dir / "run").rglob("*.sock")]
            helper = self.run("echo $PPID").output.decode().strip()
            facts = {**outside.open(), "helper": helper, "data": str(self.data_dir), "other_sandbox": folders}
            self.arena.run(self.attacker.create("escapes.py", ESCAPES.read_text()))
            ran = self.run(f"python3 /workspace/escapes.py '{json.dumps(facts)}'")
        finally:
            outside.close()
        assert ran.exit.exit_code == 0, ran.output.decode(errors="replace")[-2000:]
        found: dict[str, str] = json.loads(ran.output)
        return found
