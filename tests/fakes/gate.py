"""A stand-in for the git gate: notes the preamble of each connection, then answers as it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads all there is, then answers it in capitals: only a half-closed connection gets that far."""
    writer.write((await reader.read()).upper())


class StandInGate:
    """Listens on a Unix socket. `answer` can be replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.preambles: list[bytes] = []
        self.answer: Answer = shout

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["StandInGate"]:
        """While the block runs."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        server = await asyncio.start_unix_server(self._serve, str(self.path))
        async with server:
            yield self
        self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.preambles.append(await reader.readline())
        await self.answer(reader, writer)
        writer.close()
