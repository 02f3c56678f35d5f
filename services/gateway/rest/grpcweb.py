"""The bridge from grpc-web to the services: the caller's identity in front, the message's own bytes through."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor

from services.gateway.backends import raw
from services.gateway.convert import headers_of, visit_of
from services.gateway.domain.models import Visit
from services.gateway.ports import Ports
from services.gateway.rest import frames
from services.gateway.rest.replies import json_reply, reply
from services.gateway.usecases.admit import admit
from services.rpc import logs
from services.rpc.errors import Code, LucidError
from services.rpc.identity import Metadata, user_metadata
from services.rpc.status import DETAILS_KEY, to_status

UNARY_SECONDS = 60.0
LONGEST_SECONDS = 600.0
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class UnknownMethod(LucidError):
    """No service here has this method."""

    code = Code.UNIMPLEMENTED
    reason = "UNKNOWN_METHOD"
    default = "No service here has this method."


@dataclass(frozen=True)
class Method:
    """A callable method: its channel, and whether it streams."""

    channel: grpc.aio.Channel
    streams: bool


def methods_of(channel: grpc.aio.Channel, *files: FileDescriptor) -> dict[str, Method]:
    """All methods that a proto file defines, by path."""
    return {
        f"/{service.full_name}/{method.name}": Method(channel, method.server_streaming)
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
    }


class GrpcWeb:
    """Unary and server-streaming calls of a browser. Its headers end here: identity, deadline, request id go on."""

    def __init__(self, ports: Ports, methods: Mapping[str, Method], allowed_origins: tuple[str, ...]) -> None:
        self._ports = ports
        self._methods = methods
        self._allowed = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call."""
        headers = headers_of(scope["headers"])
        text = frames.is_text(headers.get("content-type", ""))
        if text is None:
            await json_reply(send, 415, {"detail": "Only application/grpc-web is spoken here."})
            return
        kind = (b"content-type", b"application/grpc-web-text+proto" if text else b"application/grpc-web+proto")
        body = (await receive()).get("body", b"")
        try:
            method = self._methods.get(scope["path"])
            if method is None:
                raise UnknownMethod
            metadata = await self._metadata(visit_of(scope["scheme"], headers, safe=False))
            message, limit = frames.only_message(body, text), frames.seconds(headers.get("grpc-timeout", ""))
        except LucidError as error:
            await reply(send, 200, [kind], _refusal(error, text))
            return
        if method.streams:
            call = raw.stream(method.channel, scope["path"])(message, metadata=metadata, timeout=limit)
            await _while_connected(receive, _stream(call, _Out(send, kind, text)))
        else:
            seconds = min(limit or UNARY_SECONDS, LONGEST_SECONDS)
            once = raw.unary(method.channel, scope["path"])(message, metadata=metadata, timeout=seconds)
            await reply(send, 200, [kind], await _unary(once, text))

    async def _metadata(self, visit: Visit) -> Metadata:
        identity = await admit(self._ports, visit, self._allowed)
        request_id = (("x-request-id", logs.request_id.get()),)
        return request_id if identity is None else (*user_metadata(identity.token), *request_id)


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Ends the work when the browser goes away: an idle stream would not notice it by itself."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.wait((working, leaving))
    if not working.cancelled():
        working.result()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stream(call: raw.RawStreamCall, out: "_Out") -> None:
    await out.begin()
    try:
        async with raw.reading(call) as answers:
            async for answer in answers:
                await out.write(frames.frame(answer, out.text))
        ending = frames.trailers(0, "", b"", out.text)
    except grpc.aio.AioRpcError as error:
        ending = _failure(error, out.text)
    await out.end(ending)


async def _unary(call: Awaitable[bytes], text: bool) -> bytes:
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return _failure(error, text)
    # One base64 text each for message and trailers, as grpc-web-text clients expect it of a stream.
    return frames.frame(answer, text) + frames.trailers(0, "", b"", text)


def _failure(error: grpc.aio.AioRpcError, text: bool) -> bytes:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return frames.trailers(int(error.code().value[0]), error.details() or "", value, text)
    return _refusal(raw.refusal_of(error), text)


def _refusal(error: LucidError, text: bool) -> bytes:
    return frames.trailers(error.code.value, error.message, to_status(error).SerializeToString(), text)


@dataclass(frozen=True)
class _Out:
    """A streamed HTTP answer."""

    send: Send
    kind: tuple[bytes, bytes]
    text: bool

    async def begin(self) -> None:
        """The head."""
        await self.send({"type": "http.response.start", "status": 200, "headers": [self.kind]})

    async def write(self, data: bytes) -> None:
        """A part; waits while the reader is behind."""
        await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes) -> None:
        """The last part."""
        await self.send({"type": "http.response.body", "body": data})
