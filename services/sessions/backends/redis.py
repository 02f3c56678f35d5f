"""The bus on Redis: PUBLISH and SUBSCRIBE and nothing else, so nothing is kept there that could be lost.

Spoken by hand (RESP2): two commands of a line protocol cost half the CPU of the client package's, and it takes 0.1 s to
load.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

SECONDS = 2.0
SILENCE = 5.0
LONGEST_LINE = 64 * 1024
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class RedisBus:
    """`url`: `redis://[user[:password]@]host[:port]`, `rediss://…` (TLS) or `unix:///path`. Raises ValueError."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        if self._url.scheme not in ("redis", "rediss", "unix"):
            msg = "REDIS_URL must begin with redis://, rediss:// or unix://."
            raise ValueError(msg)
        self._port = self._url.port or 6379
        self._sending: Pair | None = None

    async def send(self, messages: Sequence[tuple[str, bytes]]) -> list[int]:
        """Publishes (topic, data) in order; how many have got each. Raises ConnectionError: any of it may be lost."""
        try:
            async with asyncio.timeout(SECONDS):
                self._sending = self._sending or await self._connect()
                reader, writer = self._sending
                writer.writelines(_command(b"PUBLISH", topic.encode(), data) for topic, data in messages)
                await writer.drain()
                return [int(await _reply(reader)) for _ in messages]
        except BaseException as error:
            # An answer that was not waited for would be taken for the next one's.
            self._drop()
            if isinstance(error, OSError | EOFError | ValueError):
                raise ConnectionError(_told(error)) from error
            raise

    async def listen(self, topics: Sequence[str]) -> AsyncGenerator[bytes, None]:
        """What is published from now on, after one empty message that says so. Raises ConnectionError."""
        pulse = writer = None
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await self._connect()
                writer.write(_command(b"SUBSCRIBE", *(topic.encode() for topic in topics)))
                for _ in topics:
                    await _reply(reader)
            pulse = _Pulse(writer)
            yield b""
            while True:
                answer = await _reply(reader)
                pulse.alive = True
                if answer[0] == b"message":
                    yield answer[2]
        except (OSError, EOFError, ValueError) as error:
            raise ConnectionError(_told(error)) from error
        finally:
            if pulse is not None:
                pulse.end()
            if writer is not None:
                writer.close()

    async def close(self) -> None:
        """Ends the connection that sends; those that listen end with their generators."""
        self._drop()

    def _drop(self) -> None:
        if self._sending is not None:
            self._sending[1].close()
            self._sending = None

    async def _connect(self) -> Pair:
        if self._url.scheme == "unix":
            pair = await asyncio.open_unix_connection(self._url.path, limit=LONGEST_LINE)
        else:
            tls = ssl.create_default_context() if self._url.scheme == "rediss" else None
            host = self._url.hostname or "127.0.0.1"
            pair = await asyncio.open_connection(host, self._port, ssl=tls, limit=LONGEST_LINE)
        if self._url.password:
            user = [unquote(self._url.username).encode()] if self._url.username else []
            pair[1].write(_command(b"AUTH", *user, unquote(self._url.password).encode()))
            try:
                await _reply(pair[0])
            except BaseException:
                pair[1].close()
                raise
        return pair


def _command(*parts: bytes) -> bytes:
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


async def _reply(reader: asyncio.StreamReader) -> Any:
    """One value. Raises ValueError for a refusal, EOFError for an end."""
    line = (await reader.readuntil(b"\r\n"))[:-2]
    kind, rest = line[:1], line[1:]
    if kind == b"-":
        # The first word names the refusal; what follows may quote what was sent.
        raise ValueError(rest.split(b" ", 1)[0].decode(errors="replace"))
    if kind == b"$":
        return (await reader.readexactly(int(rest) + 2))[:-2] if int(rest) >= 0 else None
    if kind == b"*":
        return [await _reply(reader) for _ in range(int(rest))]
    return int(rest) if kind == b":" else rest


class _Pulse:
    """Ends a connection whose other side says nothing for two SILENCEs, not even to a ping."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.alive = True
        self._writer = writer
        self._task = asyncio.create_task(self._run(), name="bus-pulse")

    async def _run(self) -> None:
        while self.alive:
            self.alive = False
            self._writer.write(_command(b"PING"))
            await asyncio.sleep(SILENCE)
        self._writer.transport.abort()

    def end(self) -> None:
        """Lets go of the connection."""
        self._task.cancel()


def _told(error: BaseException) -> str:
    return f"Redis cannot be reached: {type(error).__name__} {error}".strip()
