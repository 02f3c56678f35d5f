"""A TCP proxy between two parts, whose connections can be cut."""

import asyncio
import contextlib
import socket
import struct

CHUNK = 64 * 1024


class Proxy:
    """Listens on `port` of 127.0.0.1 and leads to `target`. Cut connections end by a reset, in mid-message."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._closed = False
        self._loses = b""
        self._pairs: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begins to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """Ends everything."""
        self.cut()
        if self._server is not None:
            self._server.close()

    def cut(self) -> None:
        """Resets every connection and accepts none until `mend`."""
        self._closed = True
        for writer in list(self._pairs):
            _reset(writer)

    def mend(self) -> None:
        """Accepts again."""
        self._closed = False

    def lose_answer_to(self, words: bytes) -> None:
        """The next request with these words arrives, and its answer does not: the connection is reset instead."""
        self._loses = words

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(writer)
            return
        both = {writer, far_writer}
        self._pairs |= both
        lost = asyncio.Event()
        try:
            await asyncio.gather(self._requests(reader, far_writer, lost), _answers(far_reader, writer, lost))
        finally:
            self._pairs -= both
            for one in both:
                one.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        # RuntimeError: uvloop's word for a connection that was just reset.
        with contextlib.suppress(OSError, RuntimeError):
            while data := await reader.read(CHUNK):
                if self._loses and self._loses in data:
                    self._loses = b""
                    lost.set()
                writer.write(data)
                await writer.drain()
        writer.close()


async def _answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        while data := await reader.read(CHUNK):
            if lost.is_set():
                _reset(writer)
                return
            writer.write(data)
            await writer.drain()
    writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is None:
        return
    # ValueError: uvloop's word for one that was closed meanwhile.
    with contextlib.suppress(OSError, ValueError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
