"""Calls whose bytes are passed through: no message is built or read on the way."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeAlias, TypeVar

import grpc

from services.gateway.domain.errors import Away
from services.rpc.errors import LucidError
from services.rpc.status import from_rpc_error

Request = TypeVar("Request")
Answer = TypeVar("Answer")
RawUnary: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"
RawStream: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]"
RawStreamCall: TypeAlias = "grpc.aio.UnaryStreamCall[bytes, bytes]"


def unary(channel: grpc.aio.Channel, path: str) -> RawUnary:
    """A unary method by its path."""
    method: RawUnary = channel.unary_unary(path)
    return method


def stream(channel: grpc.aio.Channel, path: str) -> RawStream:
    """A server-streaming method by its path."""
    method: RawStream = channel.unary_stream(path)
    return method


def refusal_of(error: grpc.RpcError) -> LucidError:
    """The refusal of a failed call; a transport that failed is told in our words."""
    refusal = from_rpc_error(error)
    return Away() if refusal.reason == Away.reason else refusal


@contextlib.asynccontextmanager
async def reading(call: "grpc.aio.UnaryStreamCall[Request, Answer]") -> AsyncIterator[AsyncIterator[Answer]]:
    """The answers of a stream; leaving the block ends the call on the other side, wherever it stands.

    Cancelling alone would not do: in the process a servicer that waits for us to take its answer is not running.
    """
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(call.cancel)
        answers = aiter(call)
        if isinstance(answers, AsyncGenerator):
            stack.push_async_callback(answers.aclose)
        yield answers
