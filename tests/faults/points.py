"""The worker's side of a point: it says where it stands, and goes on once it is told to."""

import asyncio
import json
import socket
from typing import Any


class Points:
    """`reach` waits as a coroutine; `reach_now` holds the whole process, as a long garbage collection would."""

    def __init__(self, address: str, worker: str) -> None:
        self._address = address
        self._worker = worker
        self._blocking: socket.socket | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._listening: asyncio.Task[None] | None = None
        self._number = 0

    async def reach(self, point: str, session: str = "") -> None:
        """Here now."""
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(self._address)
            self._listening = asyncio.create_task(self._listen(self._streams[0]))
        self._number += 1
        told = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        self._streams[1].write(self._line(point, session))
        await told

    def reach_now(self, point: str, session: str = "") -> None:
        """Here now, and nothing else happens in this process meanwhile."""
        if self._blocking is None:
            self._blocking = socket.socket(socket.AF_UNIX)
            self._blocking.connect(self._address)
        self._number += 1
        self._blocking.sendall(self._line(point, session))
        self._blocking.recv(1024)

    def _line(self, point: str, session: str) -> bytes:
        said: dict[str, Any] = {"n": self._number, "point": point, "session": session, "worker": self._worker}
        return json.dumps(said).encode() + b"\n"

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            told = self._waiting.pop(int(line), None)
            if told is not None and not told.done():
                told.set_result(None)
