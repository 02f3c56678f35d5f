"""Sockets in the run folders of sandboxes: which socket a caller has come by tells which sandbox it is in."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from services.sandbox.backends.run_folder import listening_socket, short_path

KEEP_SECONDS = 2.0
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class _Door:
    server: asyncio.Server
    accept: Serve
    path: Path


class Doors:
    """One for each sandbox, all of one name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._doors: dict[str, _Door] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._running: dict[str, set[asyncio.Task[None]]] = {}

    async def open(self, sandbox_id: str, folder: Path, serve: Serve) -> None:
        """Listens in the folder; nothing if it does already. `serve` has the connection until it returns."""
        if sandbox_id in self._doors:
            return
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())
        running = self._running.setdefault(sandbox_id, set())

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            running.add(task)
            task.add_done_callback(running.discard)
            await serve(reader, writer)

        path = folder / self._name
        server = await asyncio.start_unix_server(accept, sock=listening_socket(path))
        self._doors[sandbox_id] = _Door(server, accept, path)

    async def close(self, sandbox_id: str) -> None:
        """Closes it and cuts what goes through it."""
        door = self._doors.pop(sandbox_id, None)
        if door is None:
            return
        door.server.close()
        tasks = self._running.pop(sandbox_id, set())
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Closes all."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await asyncio.gather(*(self.close(sandbox_id) for sandbox_id in list(self._doors)))

    async def _keep(self) -> None:
        """Another service of this data folder may take our socket's place, and go: then it is ours again."""
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            for door in list(self._doors.values()):
                if _is_stale(door.path):
                    door.server.close()
                    door.server = await asyncio.start_unix_server(door.accept, sock=listening_socket(door.path))


def _is_stale(path: Path) -> bool:
    """Whether the folder is there and nobody listens on the socket in it. Whoever listens does not notice the question:
    the kernel refuses a connection of another kind only where there is somebody to connect to."""
    if not path.parent.is_dir():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe, short_path(path) as name:
        try:
            probe.connect(name)
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except OSError:
            return False
    return False
