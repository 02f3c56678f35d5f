"""The way from a sandbox's socket to the git gate: a relay of bytes that says whose they are before the first one."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from services.rpc.logs import get_logger
from services.sandbox.backends.run_folder import listening_socket, short_path

CHUNK = 64 * 1024
CONNECT_SECONDS = 10.0
KEEP_SECONDS = 2.0
log = get_logger(__name__)


@dataclass
class _Listener:
    server: asyncio.Server
    accept: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    path: Path


class GateRelay:
    """Listens on the socket of each sandbox and connects every caller to the gate with the session's identity."""

    def __init__(self, target: str, internal_key: str) -> None:
        self._target = target
        self._key = internal_key
        self._servers: dict[str, _Listener] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._running: dict[str, set[asyncio.Task[None]]] = {}

    async def open(self, sandbox_id: str, session_id: str, folder: Path) -> None:
        """Opens the socket `git.sock` in the folder; nothing if it is open."""
        if sandbox_id in self._servers:
            return
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())
        running = self._running.setdefault(sandbox_id, set())

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            running.add(task)
            task.add_done_callback(running.discard)
            await self._serve(session_id, reader, writer)

        path = folder / "git.sock"
        server = await asyncio.start_unix_server(accept, sock=listening_socket(path))
        self._servers[sandbox_id] = _Listener(server, accept, path)

    async def close(self, sandbox_id: str) -> None:
        """Closes it and cuts what goes through it."""
        listener = self._servers.pop(sandbox_id, None)
        if listener is None:
            return
        listener.server.close()
        tasks = self._running.pop(sandbox_id, set())
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Closes all."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await asyncio.gather(*(self.close(sandbox_id) for sandbox_id in list(self._servers)))

    async def _keep(self) -> None:
        """Another service of this data folder may take our socket's place, and go: then it is ours again."""
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            for listener in list(self._servers.values()):
                if _is_stale(listener.path):
                    listener.server.close()
                    listener.server = await asyncio.start_unix_server(
                        listener.accept, sock=listening_socket(listener.path)
                    )

    async def _serve(self, session_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                far_reader, far_writer = await self._connect()
        except (OSError, TimeoutError) as error:
            log.warning("git gate cannot be reached", extra={"session_id": session_id, "error": type(error).__name__})
            writer.close()
            return
        try:
            far_writer.write(f"LUCID-GATE/1 {session_id} {self._key}\n".encode())
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        except OSError:
            log.info("a git connection broke", extra={"session_id": session_id})
        finally:
            for end in (writer, far_writer):
                end.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._target.startswith("unix:"):
            with short_path(Path(self._target.removeprefix("unix:"))) as name:
                return await asyncio.open_unix_connection(name)
        host, _, port = self._target.rpartition(":")
        return await asyncio.open_connection(host.strip("[]"), int(port))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction; its end is passed on, the other direction goes on."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


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
