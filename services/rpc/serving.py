"""A service and the servers it can stand behind: grpc.aio on an address, or this process."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.rpc.channels import MAX_MESSAGE_BYTES
from services.rpc.guard import Access, Guard, Handler
from services.rpc.identity import Verifier
from services.rpc.inproc import InprocServer

__all__ = ["Access", "Service", "grpc_server", "register_inproc", "run_alone", "stop_signal"]

DRAIN_SECONDS = 2.0
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
_OPEN = (f"/{HEALTH}/", f"/{reflection.SERVICE_NAME}/")


@dataclass
class Service:
    """One service, built and not yet started.

    `register` calls the generated `add_…Servicer_to_server`; `access` names every method with who may call it.
    `drain` ends what would go on for ever and hands over what others can go on with, while calls are still answered.
    """

    name: str
    service_names: tuple[str, ...]
    register: Callable[[Any], None]
    access: Mapping[str, Access]
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    drain: Callable[[], Awaitable[None]] | None = None


class _Interceptor(grpc.aio.ServerInterceptor):
    """Puts the guard before every method but health and reflection, which are open."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(self, continuation: Any, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = handler_call_details.method
        if method not in self._wrapped:
            handler = await continuation(handler_call_details)
            if handler is None or method.startswith(_OPEN):
                return handler
            self._wrapped[method] = self._guard.wrap(method, handler)
        return self._wrapped[method]


def merged_access(services: Sequence[Service]) -> dict[str, Access]:
    """The access of several services on one server."""
    return {method: access for service in services for method, access in service.access.items()}


def register_inproc(server: InprocServer, services: Sequence[Service], verifier: Verifier) -> None:
    """Makes services reachable by `inproc:` channels."""
    server.guarded_by(Guard(verifier, merged_access(services)))
    for service in services:
        service.register(server)


@contextlib.asynccontextmanager
async def grpc_server(services: Sequence[Service], listen: str, verifier: Verifier) -> AsyncIterator[int]:
    """Serves natively with health and reflection while the block runs; yields the bound port (0 for a unix socket)."""
    guard = Guard(verifier, merged_access(services))
    server = grpc.aio.server(
        interceptors=[_Interceptor(guard)],
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.so_reuseport", 0),
        ],
    )
    for service in services:
        service.register(server)
    names = [name for service in services for name in service.service_names]
    state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    reflection.enable_server_reflection([*names, HEALTH, reflection.SERVICE_NAME], server)
    port = server.add_insecure_port(listen)
    await server.start()
    for name in ["", *names]:
        await state.set(name, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield port
    finally:
        # Health first, so that nobody new is sent here.
        await state.enter_graceful_shutdown()
        drains = [service.drain() for service in services if service.drain is not None]
        await asyncio.gather(server.stop(DRAIN_SECONDS), *drains)


async def run_alone(service: Service, listen: str, verifier: Verifier) -> None:
    """A service in a process of its own, until SIGINT or SIGTERM."""
    stopped = stop_signal()
    await service.start()
    try:
        async with grpc_server([service], listen, verifier):
            await stopped.wait()
    finally:
        await service.stop()


def stop_signal() -> asyncio.Event:
    """Set at the first SIGINT or SIGTERM. Asked for before anything is started, so that an end that comes early is
    orderly too."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    return stopped
