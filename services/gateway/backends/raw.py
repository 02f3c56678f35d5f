"""Calls whose bytes are passed through: no message is built or read on the way."""

from typing import TypeAlias

import grpc

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
