"""Answers that need no framework."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


async def reply(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A whole answer at once."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def json_reply(send: Send, status: int, content: Any, close: bool = False) -> None:
    """JSON; `close` where the request's body was not read to its end."""
    headers = [(b"content-type", b"application/json")]
    if close:
        headers.append((b"connection", b"close"))
    await reply(send, status, headers, json.dumps(content).encode())


async def text_reply(send: Send, status: int, text: str) -> None:
    """Plain text."""
    await reply(send, status, [(b"content-type", b"text/plain; charset=utf-8")], text.encode())
