"""A service behind a real channel, for tests: on a unix socket, or in the process."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc

from services.rpc.channels import open_channel
from services.rpc.identity import Verifier
from services.rpc.inproc import InprocChannel, InprocServer
from services.rpc.serving import Service, grpc_server, register_inproc


@contextlib.asynccontextmanager
async def _running(services: Sequence[Service]) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for service in services:
            await service.start()
            stack.push_async_callback(service.stop)
        yield


@contextlib.asynccontextmanager
async def serving(*services: Service, verifier: Verifier) -> AsyncIterator[grpc.aio.Channel]:
    """A real grpc.aio server on a unix socket and a channel to it."""
    with tempfile.TemporaryDirectory(prefix="rpc") as folder:
        target = f"unix:{Path(folder) / 's'}"
        async with _running(services), grpc_server(services, target, verifier), open_channel(target) as channel:
            yield channel


@contextlib.asynccontextmanager
async def inproc(*services: Service, verifier: Verifier) -> AsyncIterator[grpc.aio.Channel]:
    """The in-process channel to the same."""
    server = InprocServer()
    register_inproc(server, services, verifier)
    async with _running(services):
        yield InprocChannel(server)
