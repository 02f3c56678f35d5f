"""One HTTP/1.1 connection from a sandbox: h11 for the rules, asyncio for the bytes."""

import asyncio
from collections.abc import AsyncIterator

import h11

READ_BYTES = 64 * 1024
IDLE_SECONDS = 600.0
BETWEEN_REQUESTS_SECONDS = 120.0
MAX_HEADER_BYTES = 16 * 1024


class ClientGone(ConnectionError):
    """The other side has left or is silent; there is nobody to answer."""


class HttpConnection:
    """Reads requests and writes answers; one at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_BYTES)

    async def request(self) -> h11.Request | None:
        """The next request; None at the end. Raises h11.RemoteProtocolError for what is not HTTP."""
        event = await self._next(BETWEEN_REQUESTS_SECONDS)
        return event if isinstance(event, h11.Request) else None

    async def body(self) -> AsyncIterator[bytes]:
        """The request's body as it arrives."""
        while True:
            event = await self._next(IDLE_SECONDS)
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise ClientGone

    async def _next(self, timeout: float) -> h11.Event | None:
        """The next event; None where h11 waits for us, which ends a conversation here."""
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Event):
                return event
            if event is h11.PAUSED:
                return None
            if self._h11.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
            try:
                async with asyncio.timeout(timeout):
                    self._h11.receive_data(await self._reader.read(READ_BYTES))
            except (OSError, TimeoutError) as error:
                raise ClientGone from error

    async def start_answer(self, status: int, content_type: str) -> None:
        """Status line and headers; the body follows in chunks."""
        headers = [("Content-Type", content_type), ("Cache-Control", "no-cache"), ("Transfer-Encoding", "chunked")]
        if not self._reusable:
            headers.append(("Connection", "close"))
        await self._send(h11.Response(status_code=status, headers=headers))

    async def send(self, data: bytes) -> None:
        """A piece of the body."""
        if data:
            await self._send(h11.Data(data=data))

    async def end_answer(self) -> None:
        """The body is whole."""
        await self._send(h11.EndOfMessage())

    async def answer(self, status: int, content_type: str, body: bytes) -> None:
        """A whole answer of known length."""
        headers = [("Content-Type", content_type), ("Cache-Control", "no-cache"), ("Content-Length", str(len(body)))]
        if not self._reusable:
            headers.append(("Connection", "close"))
        await self._send(h11.Response(status_code=status, headers=headers))
        await self.send(body)
        await self.end_answer()

    @property
    def started(self) -> bool:
        """An answer is on its way already."""
        return self._h11.our_state not in {h11.IDLE, h11.SEND_RESPONSE}

    @property
    def body_read(self) -> bool:
        """The request was taken in whole."""
        return self._h11.their_state is not h11.SEND_BODY

    @property
    def _reusable(self) -> bool:
        return self._h11.their_state in {h11.DONE}

    def next_cycle(self) -> bool:
        """Makes ready for another request on this connection; False if it must end here."""
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        return True

    async def _send(self, event: h11.Event) -> None:
        data = self._h11.send(event)
        if not data:
            return
        try:
            self._writer.write(data)
            async with asyncio.timeout(IDLE_SECONDS):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise ClientGone from error
