"""A host over TLS on loopback: serves 50 MB and a short answer until its standard input ends; says its port first."""

import asyncio
import ssl
import sys
import tempfile
from pathlib import Path

from tests.grounds.certificates import make_authority

LARGE = 50 * 1024 * 1024
CHUNK = bytes(1024 * 1024)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    size = LARGE if b" /large " in head else 6
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode())
    for at in range(0, size, len(CHUNK)):
        writer.write(CHUNK[: size - at])
        await writer.drain()
    writer.close()


async def serve() -> None:
    """Until nobody holds the other end of our standard input."""
    with tempfile.TemporaryDirectory() as folder:
        context: ssl.SSLContext = make_authority(Path(folder)).server("localhost")
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve())
