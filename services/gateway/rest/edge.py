"""The one ASGI application: limits, headers and a request id for all, then WebSocket, grpc-web, REST or the page."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from services.gateway.convert import headers_of
from services.gateway.rest.replies import json_reply
from services.rpc import logs
from services.rpc.ids import new_ulid

log = logs.get_logger("lucid.gateway")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS = 60.0
DISCARDED_BYTES = 64 * 1024 * 1024
DISCARDED_SECONDS = 10.0
RPC_PATH = re.compile(r"/[a-z][a-z0-9_.]*\.[A-Z][A-Za-z0-9]*/[A-Z][A-Za-z0-9]*")
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = [
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


@dataclass(frozen=True)
class Routes:
    """Where requests go."""

    rest: App
    grpcweb: App
    page: App
    stream: App
    stream_path: str = "/api/v1/stream"


class BodyTooLarge(Exception):
    """More bytes than the edge takes; `more`: others are still under way."""

    def __init__(self, more: bool) -> None:
        super().__init__()
        self.more = more


class Edge:
    """Everything passes here first."""

    def __init__(self, routes: Routes, max_body: int) -> None:
        self._routes = routes
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's request, in ASGI's words."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == self._routes.stream_path:
            await self._routes.stream(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope["headers"])
        asked = headers.get("x-request-id", "")
        request_id = asked if REQUEST_ID.fullmatch(asked) else new_ulid()
        token = logs.request_id.set(request_id)
        answer = _Answer(send, request_id)
        try:
            replay = await self._take_body(headers, receive)
            await self._pick(scope, headers)(scope, replay, answer)
        except BodyTooLarge as error:
            if error.more:
                await _discard(receive)
            await json_reply(answer, 413, {"detail": "Request body is too large."}, close=True)
        except TimeoutError:
            await json_reply(answer, 408, {"detail": "The request body did not arrive in time."}, close=True)
        except ConnectionError:
            log.debug("client went away")
        except Exception:
            log.exception("request failed", extra={"path": scope["path"]})
            if not answer.started:
                await json_reply(answer, 500, {"detail": "Something went wrong on our side."})
        finally:
            level = logging.INFO if answer.status >= 400 else logging.DEBUG
            # The path alone: a query may hold what people look for.
            fields = {"http": scope["method"], "path": scope["path"], "status": answer.status}
            log.log(level, "request", extra=fields)
            logs.request_id.reset(token)

    def _pick(self, scope: Scope, headers: dict[str, str]) -> App:
        path, method = scope["path"], scope["method"]
        if method == "POST" and RPC_PATH.fullmatch(path):
            return self._routes.grpcweb
        if path == "/":
            wants_page = "text/html" in headers.get("accept", "")
            return self._routes.page if wants_page else self._routes.rest
        if path == "/health" or path == "/api" or path.startswith("/api/"):
            return self._routes.rest
        return self._routes.page

    async def _take_body(self, headers: dict[str, str], receive: Receive) -> Receive:
        """Reads the whole body within limits, so that no handler ever waits for a slow one; then hands it on."""
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._max_body:
            raise BodyTooLarge(more=True)
        if not length and "transfer-encoding" not in headers:
            return receive
        body = bytearray()
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise ConnectionResetError
                body += message.get("body", b"")
                if len(body) > self._max_body:
                    raise BodyTooLarge(more=message.get("more_body", False))
                if not message.get("more_body", False):
                    return _replay(bytes(body), receive)


async def _discard(receive: Receive) -> None:
    """Takes what is still under way, within bounds: a client that is cut off while it sends never reads the answer."""
    left = DISCARDED_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARDED_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _replay(body: bytes, receive: Receive) -> Receive:
    taken = False

    async def replay() -> MutableMapping[str, Any]:
        nonlocal taken
        if taken:
            return await receive()
        taken = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


class _Answer:
    """The way out: adds what every answer carries."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._extra = [*SECURITY_HEADERS, (b"x-request-id", request_id.encode())]
        self.status = 0

    @property
    def started(self) -> bool:
        """The head has left."""
        return self.status > 0

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name for name, _ in message.get("headers", [])}
            extra = [pair for pair in self._extra if pair[0] not in present]
            if b"cache-control" not in present:
                extra.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await self._send(message)
