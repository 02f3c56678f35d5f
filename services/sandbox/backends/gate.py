"""The way from a sandbox's socket to the git gate: a relay of bytes that says whose they are before the first one."""

import asyncio
import contextlib
from pathlib import Path

from services.rpc.logs import get_logger
from services.sandbox.backends.doors import Doors
from services.sandbox.backends.run_folder import short_path

CHUNK = 64 * 1024
CONNECT_SECONDS = 10.0
log = get_logger(__name__)


class GateRelay:
    """Listens on the socket of each sandbox and connects every caller to the gate with the session's identity."""

    def __init__(self, target: str, internal_key: str) -> None:
        self._target = target
        self._key = internal_key
        self._doors = Doors("git.sock")

    async def open(self, sandbox_id: str, session_id: str, folder: Path) -> None:
        """Opens the socket `git.sock` in the folder; nothing if it is open."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(session_id, reader, writer)

        await self._doors.open(sandbox_id, folder, serve)

    async def close(self, sandbox_id: str) -> None:
        """Closes it and cuts what goes through it."""
        await self._doors.close(sandbox_id)

    async def stop(self) -> None:
        """Closes all."""
        await self._doors.stop()

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
