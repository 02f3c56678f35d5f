"""What every call passes through on its way to a servicer, on a socket and in the process alike.

Identity and policy, field rules, the request id, errors to status, one log line. Servicers hold none of this.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

import grpc
import protovalidate
from google.protobuf.message import DecodeError, Message

from services.rpc import identity, logs
from services.rpc.errors import Code, InternalOnly, InvalidRequest, LucidError, Unauthenticated
from services.rpc.identity import Caller, Verifier
from services.rpc.ids import new_ulid
from services.rpc.status import DETAILS_KEY, GRPC_CODES, to_status

log = logs.get_logger("lucid.rpc")
# Generic in the type stubs only, hence the quotes.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Access(Enum):
    """Who may call a method. USER methods also serve other services."""

    PUBLIC = "public"
    USER = "user"
    INTERNAL = "internal"


class Malformed:
    """Stands in for a request whose bytes could not be read, so that the refusal has a reason."""


@dataclass(frozen=True)
class _Scope:
    """What is bound while a handler runs."""

    caller: Caller | None
    request_id: str

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        before, request = identity.bind(self.caller), logs.request_id.set(self.request_id)
        try:
            yield
        finally:
            identity.unbind(before)
            logs.request_id.reset(request)


class Guard:
    """Wraps the handlers of a server. `access` names every method; one that it does not name is refused."""

    def __init__(self, verifier: Verifier, access: Mapping[str, Access]) -> None:
        self._verifier = verifier
        self._access = access

    def wrap(self, method: str, handler: Handler) -> Handler:
        """The same method behind the guard. Handlers may also answer with ready bytes."""
        decode, encode = _tolerant(handler.request_deserializer), _passing_bytes(handler.response_serializer)
        if handler.unary_unary is not None:
            unary = self._unary(method, handler.unary_unary)
            return grpc.unary_unary_rpc_method_handler(unary, decode, encode)
        if handler.unary_stream is not None:
            stream = self._stream(method, handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(stream, decode, encode)
        msg = f"{method}: requests are never streamed here; browsers cannot send them."
        raise TypeError(msg)

    def _unary(self, method: str, call: Callable[..., Any]) -> Callable[[Any, Context], Awaitable[Any]]:
        async def guarded(request: Any, context: Context) -> Any:
            began = time.perf_counter()
            try:
                with self._admit(method, request, context).entered():
                    answer = await call(request, context)
            except Exception as error:
                return await _refuse(method, error, context, began)
            _log_done(method, began)
            return answer

        return guarded

    def _stream(self, method: str, call: Callable[..., Any]) -> Callable[[Any, Context], AsyncIterator[Any]]:
        async def guarded(request: Any, context: Context) -> AsyncIterator[Any]:
            began = time.perf_counter()
            try:
                scope = self._admit(method, request, context)
                async with contextlib.aclosing(call(request, context)) as answers:
                    while True:
                        # Bound around each step only: between them the consumer's own context runs.
                        with scope.entered():
                            try:
                                answer = await anext(answers)
                            except StopAsyncIteration:
                                break
                        yield answer
            except Exception as error:
                await _refuse(method, error, context, began)
                return
            _log_done(method, began)

        return guarded

    def _admit(self, method: str, request: Any, context: Context) -> _Scope:
        metadata = {str(key): str(value) for key, value in context.invocation_metadata() or ()}
        scope = _Scope(self._verifier.verify(metadata), metadata.get("x-request-id") or new_ulid())
        access = self._access.get(method, Access.INTERNAL)
        if access is not Access.PUBLIC and scope.caller is None:
            raise Unauthenticated
        if access is Access.INTERNAL and scope.caller is not None and not scope.caller.internal:
            raise InternalOnly
        check_fields(request)
        return scope


def check_fields(request: Message | Malformed) -> None:
    """Raises InvalidRequest for the first rule of the proto that the request breaks."""
    if isinstance(request, Malformed):
        raise InvalidRequest("The request's bytes are not a valid message.")
    try:
        protovalidate.validate(request)
    except protovalidate.ValidationError as error:
        violation = error.violations[0].proto
        field = ".".join(str(element.field_name) for element in violation.field.elements)
        raise InvalidRequest(f"{field}: {violation.message}", field=field) from error


def _tolerant(decode: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    if decode is None:
        return None

    def tolerant(data: bytes) -> Any:
        try:
            return decode(data)
        except (DecodeError, UnicodeDecodeError):
            return Malformed()

    return tolerant


def _passing_bytes(encode: Callable[[Any], bytes] | None) -> Callable[[Any], bytes] | None:
    if encode is None:
        return None
    return lambda answer: answer if isinstance(answer, bytes) else encode(answer)


async def _refuse(method: str, error: Exception, context: Context, began: float) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    refusal = error if isinstance(error, LucidError) else LucidError()
    fields = {"method": method, "code": refusal.code.name, "reason": refusal.reason, "ms": _ms(began)}
    if refusal.code in (Code.INTERNAL, Code.UNKNOWN):
        log.error("call failed", extra=fields, exc_info=error)
    else:
        log.info("call refused", extra=fields)
    trailer = ((DETAILS_KEY, to_status(refusal).SerializeToString()),)
    await context.abort(GRPC_CODES[refusal.code], refusal.message, trailing_metadata=trailer)


def _log_done(method: str, began: float) -> None:
    log.debug("call", extra={"method": method, "code": "OK", "ms": _ms(began)})


def _ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 2)
