"""A grpc.aio channel to servicers in the same process.

Generated stubs cannot tell it from a socket: the same guard, deadlines, cancellation and errors. Messages are copied by
way of their bytes, so the two sides never share one.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping, Sequence
from typing import Any, NoReturn

import grpc

from services.rpc.guard import Guard, Handler

Metadata = Sequence[tuple[str, str | bytes]]


class InprocServer:
    """Collects what the generated `add_…Servicer_to_server` functions register."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._guard: Guard | None = None

    def guarded_by(self, guard: Guard) -> "InprocServer":
        """Handlers registered from here on stand behind this guard."""
        self._guard = guard
        return self

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Part of grpc's registration; the method handlers below say it all."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Part of grpc's registration: keeps the handlers by full method name."""
        assert self._guard is not None, "guarded_by comes first: nothing is served without a guard"
        for name, handler in handlers.items():
            method = f"/{service}/{name}"
            self._handlers[method] = self._guard.wrap(method, handler)

    def handler(self, method: str) -> Handler:
        """The handler of a method. Raises UNIMPLEMENTED as a socket would."""
        try:
            return self._handlers[method]
        except KeyError:
            raise _error(grpc.StatusCode.UNIMPLEMENTED, "Method not found!") from None


class _Aborted(grpc.aio.AbortError):
    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        super().__init__()
        self.error = error


def _error(code: grpc.StatusCode, details: str, trailing: Metadata = ()) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details)


class InprocContext:
    """The part of a ServicerContext that the guard and our servicers use."""

    def __init__(self, metadata: Metadata, timeout: float | None) -> None:
        self._metadata = tuple(metadata)
        self._deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout

    def invocation_metadata(self) -> Metadata:
        """As the caller sent it."""
        return self._metadata

    def time_remaining(self) -> float | None:
        """Seconds to the deadline; None without one."""
        return None if self._deadline is None else max(0.0, self._deadline - asyncio.get_running_loop().time())

    def peer(self) -> str:
        """Where the call comes from."""
        return "inproc:"

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()) -> NoReturn:
        """Ends the call with a status."""
        raise _Aborted(_error(code, details, trailing_metadata))


class _Call:
    def __init__(self, handler: Handler, request: bytes, context: InprocContext, timeout: float | None) -> None:
        self._handler = handler
        self._request = request
        self._context = context
        self._timeout = timeout

    def _decoded(self) -> Any:
        decode = self._handler.request_deserializer
        return self._request if decode is None else decode(self._request)

    def _encoded(self, answer: Any) -> bytes:
        encode = self._handler.response_serializer
        return bytes(answer) if encode is None else encode(answer)


class InprocUnaryCall(_Call):
    """Awaitable once, like grpc's."""

    def __init__(self, *args: Any, decode: Callable[[bytes], Any] | None) -> None:
        super().__init__(*args)
        self._decode = decode

    def __await__(self) -> Generator[Any, None, Any]:
        return self._run().__await__()

    async def _run(self) -> Any:
        assert self._handler.unary_unary is not None
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._handler.unary_unary(self._decoded(), self._context)  # type: ignore[arg-type]
        except _Aborted as aborted:
            raise aborted.error from None
        except TimeoutError:
            raise _error(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from None
        data = self._encoded(answer)
        return data if self._decode is None else self._decode(data)


class InprocStreamCall(_Call):
    """Iterable once, like grpc's; `cancel` ends the servicer's generator."""

    def __init__(self, *args: Any, decode: Callable[[bytes], Any] | None) -> None:
        super().__init__(*args)
        self._decode = decode
        self._iterator: AsyncGenerator[Any, None] | None = None
        self._closing: asyncio.Future[None] | None = None
        self._waiting: asyncio.Task[Any] | None = None
        self._cancelled = False

    def __aiter__(self) -> AsyncIterator[Any]:
        if self._iterator is None:
            self._iterator = self._run()
        return self._iterator

    async def read(self) -> Any:
        """The next answer, or grpc.aio.EOF."""
        return await anext(aiter(self), grpc.aio.EOF)

    def cancel(self) -> bool:
        """Ends the call; the reader sees CancelledError, as with a socket."""
        if self._cancelled:
            return False
        self._cancelled = True
        if self._waiting is not None:
            self._waiting.cancel()
        elif self._iterator is not None:
            # Suspended between two answers: nobody else would end the servicer's generator.
            self._closing = asyncio.ensure_future(self._iterator.aclose())
        return True

    async def _run(self) -> AsyncGenerator[Any, None]:
        assert self._handler.unary_stream is not None
        answers: Any = self._handler.unary_stream(self._decoded(), self._context)  # type: ignore[arg-type]
        try:
            while True:
                data = self._encoded(await self._step(answers))
                yield data if self._decode is None else self._decode(data)
        except StopAsyncIteration:
            return
        except _Aborted as aborted:
            raise aborted.error from None
        except TimeoutError:
            raise _error(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from None
        finally:
            await answers.aclose()

    async def _step(self, answers: Any) -> Any:
        """One answer. The deadline is armed only while the servicer works, never while the consumer does."""
        if self._cancelled:
            raise asyncio.CancelledError
        self._waiting = asyncio.current_task()
        try:
            remaining = self._context.time_remaining()
            if remaining is None:  # a watch: no timer per answer
                return await anext(answers)
            async with asyncio.timeout(remaining):
                return await anext(answers)
        finally:
            self._waiting = None


class _MultiCallable:
    def __init__(self, channel: "InprocChannel", method: str, encode: Any, decode: Any, kind: type[_Call]) -> None:
        self._server = channel.server
        self._method, self._encode, self._decode, self._kind = method, encode, decode, kind

    def __call__(
        self, request: Any, *, timeout: float | None = None, metadata: Metadata | None = None, **_options: Any
    ) -> Any:
        data = bytes(request) if self._encode is None else self._encode(request)
        context = InprocContext(metadata or (), timeout)
        return self._kind(self._server.handler(self._method), data, context, timeout, decode=self._decode)  # type: ignore[call-arg]


class InprocChannel(grpc.aio.Channel):
    """What a target of `inproc:` opens."""

    def __init__(self, server: InprocServer) -> None:
        self.server = server

    def unary_unary(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, *_: Any, **__: Any
    ) -> Any:
        """A callable for a unary method."""
        return _MultiCallable(self, method, request_serializer, response_deserializer, InprocUnaryCall)

    def unary_stream(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, *_: Any, **__: Any
    ) -> Any:
        """A callable for a server-streaming method."""
        return _MultiCallable(self, method, request_serializer, response_deserializer, InprocStreamCall)

    def stream_unary(self, *_: Any, **__: Any) -> NoReturn:
        """Requests are never streamed here."""
        raise TypeError("Requests are never streamed here.")

    def stream_stream(self, *_: Any, **__: Any) -> NoReturn:
        """Requests are never streamed here."""
        raise TypeError("Requests are never streamed here.")

    async def __aenter__(self) -> "InprocChannel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Nothing to close."""

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Always ready."""
        return grpc.ChannelConnectivity.READY

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """It never changes."""
        await asyncio.Event().wait()

    async def channel_ready(self) -> None:
        """At once."""
