"""The gate's listener. The sandbox service connects for a session, says which, and relays the sandbox's bytes."""

import asyncio
import contextlib
import hmac
import re
from collections import Counter
from pathlib import Path

import h11

from services.integrations.gate.answers import TEXT
from services.integrations.gate.exchange import serve_request
from services.integrations.gate.http import ClientGone, HttpConnection
from services.integrations.ports import Ports
from services.rpc.logs import get_logger

PREAMBLE_SECONDS = 5.0
PREAMBLE_BYTES = 512
CONNECTIONS_PER_SESSION = 32
_PREAMBLE = re.compile(rb"LUCID-GATE/1 (ses_[0-9A-Za-z]{10,40}) (\S+)\n")
log = get_logger("integrations.gate")


class GateServer:
    """Listens on `unix:/path` or `host:port` until it is stopped."""

    def __init__(self, ports: Ports, listen: str, internal_key: str) -> None:
        self._ports = ports
        self._listen = listen
        self._internal_key = internal_key.encode()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: Counter[str] = Counter()

    async def start(self) -> None:
        """Binds."""
        if self._listen.startswith("unix:"):
            path = Path(self._listen.removeprefix("unix:"))
            path.parent.mkdir(parents=True, exist_ok=True)
            self._server = await asyncio.start_unix_server(self._connected, path)
            path.chmod(0o600)  # noqa: ASYNC240
        else:
            host, _, port = self._listen.rpartition(":")
            self._server = await asyncio.start_server(self._connected, host, int(port))

    async def stop(self) -> None:
        """Ends the listener and what runs on it."""
        if self._server is None:
            return
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            session_id = await self._session(reader)
            if not session_id or self._open[session_id] >= CONNECTIONS_PER_SESSION:
                log.warning("gate connection refused", extra={"session_id": session_id or "unknown"})
                return
            self._open[session_id] += 1
            try:
                await self._requests(session_id, HttpConnection(reader, writer))
            except ClientGone:
                log.info("sandbox left the gate", extra={"session_id": session_id})
            except Exception:
                log.exception("gate failed", extra={"session_id": session_id})
            finally:
                self._open[session_id] -= 1
                if not self._open[session_id]:
                    del self._open[session_id]

    async def _session(self, reader: asyncio.StreamReader) -> str:
        """The session that the preamble names, if its key is ours; else empty."""
        try:
            async with asyncio.timeout(PREAMBLE_SECONDS):
                line = await reader.readuntil(b"\n")
        except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError):
            return ""
        match = _PREAMBLE.fullmatch(line) if len(line) <= PREAMBLE_BYTES else None
        if match is None or not hmac.compare_digest(match[2], self._internal_key):
            return ""
        return match[1].decode()

    async def _requests(self, session_id: str, http: HttpConnection) -> None:
        try:
            while (request := await http.request()) is not None:
                if not await serve_request(self._ports, session_id, http, request):
                    return
        except h11.RemoteProtocolError:
            log.warning("gate refused", extra={"session_id": session_id, "status": 400, "why": "not HTTP"})
            if not http.started:
                await http.answer(400, TEXT, b"That is not HTTP/1.1.\n")
