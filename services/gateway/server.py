"""Builds the gateway from its settings, and serves it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import uvicorn
from lucid.gateway.v1 import accounts_pb2, accounts_pb2_grpc
from lucid.integrations.v1 import integrations_pb2
from lucid.sandbox.v1 import sandbox_pb2
from lucid.sessions.v1 import sessions_pb2

from services.gateway.backends.models import SessionsModels
from services.gateway.backends.occupants import ServiceOccupants
from services.gateway.backends.tokens import SharedSecretTokens, fresh_secret
from services.gateway.backends.upstreams import Caller, Channels, Upstreams
from services.gateway.ports import Ports
from services.gateway.rest.app import build_rest
from services.gateway.rest.assets import Page
from services.gateway.rest.callers import Rows
from services.gateway.rest.edge import Edge, Routes
from services.gateway.rest.grpcweb import GrpcWeb, Method, methods_of
from services.gateway.rest.status import lucid_version
from services.gateway.servicer import ACCESS, SERVICE_NAME, AccountsServicer
from services.gateway.settings import Settings
from services.gateway.socket.stream import Limits, Stream
from services.gateway.store.database import migrate, open_database
from services.gateway.store.sql import SqlAccountStore
from services.rpc import logs
from services.rpc.channels import Connect
from services.rpc.identity import Verifier, service_metadata
from services.rpc.inproc import InprocChannel, InprocServer
from services.rpc.serving import Service, register_inproc

log = logs.get_logger("lucid.gateway")
WS_MESSAGE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Gateway:
    """Built and not yet started: AccountsService, and the ASGI application for the one port."""

    service: Service
    app: Edge


async def build(settings: Settings, connect: Connect) -> Gateway:
    """Puts everything together; `connect` opens channels to the other services."""
    database = open_database(settings.store_url)
    channels = Channels(
        sessions=connect(settings.sessions_target),
        sandbox=connect(settings.sandbox_target),
        integrations=connect(settings.integrations_target),
    )
    upstreams = Upstreams(channels)
    # On nobody's behalf: only for what is the same for everybody.
    ourselves = Caller(upstreams, service_metadata(settings.internal_api_key, "gateway"))
    ports = Ports(
        accounts=SqlAccountStore(database),
        tokens=SharedSecretTokens(settings.session_secret, settings.internal_api_key, settings.access_token_ttl),
        models=SessionsModels(ourselves),
        occupants=ServiceOccupants(ourselves),
        secrets=fresh_secret,
    )
    servicer = AccountsServicer(ports, lambda: _installation(settings))

    async def start() -> None:
        await migrate(database)
        if settings.auth_dev_login:
            log.warning("AUTH_DEV_LOGIN is on: ANYBODY who reaches this port signs in as any address, no password")

    service = Service(
        name="gateway",
        service_names=(SERVICE_NAME,),
        register=lambda server: accounts_pb2_grpc.add_AccountsServiceServicer_to_server(servicer, server),
        access=ACCESS,
        start=start,
        stop=database.dispose,
    )
    routes = Routes(
        rest=build_rest(Rows(ports, upstreams, settings)),
        grpcweb=GrpcWeb(ports, _methods(channels, service, settings), settings.allowed_origins),
        page=Page(settings.web_dist),
        stream=Stream(ports, channels.sessions, settings.allowed_origins, _limits(settings)),
    )
    return Gateway(service=service, app=Edge(routes, settings.max_body))


def _installation(settings: Settings) -> accounts_pb2.GetInstallationResponse:
    return accounts_pb2.GetInstallationResponse(
        dev_login=settings.auth_dev_login,
        google_login=False,
        version=lucid_version(),
        github_token_url=f"{settings.github_url}/settings/tokens/new?scopes=repo,workflow&description=Lucid%20AI",
    )


def _methods(channels: Channels, service: Service, settings: Settings) -> dict[str, Method]:
    """What a browser may name; who may really call it is each service's own decision."""
    own = InprocServer()
    register_inproc(own, [service], Verifier(settings.session_secret, settings.internal_api_key))
    return {
        **methods_of(channels.sessions, sessions_pb2.DESCRIPTOR),
        **methods_of(channels.sandbox, sandbox_pb2.DESCRIPTOR),
        **methods_of(channels.integrations, integrations_pb2.DESCRIPTOR),
        **methods_of(InprocChannel(own), accounts_pb2.DESCRIPTOR),
    }


def _limits(settings: Settings) -> Limits:
    return Limits(
        watches=settings.watches_per_socket,
        buffer=settings.watch_buffer,
        stall=settings.watch_stall,
        recheck=settings.recheck,
    )


class _HttpServer(uvicorn.Server):
    """Leaves signals to the process it runs in, and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, then says so."""
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not ours to capture."""
        yield


@contextlib.asynccontextmanager
async def http_server(app: Edge, host: str, port: int) -> AsyncIterator[int]:
    """Serves the one port while the block runs; yields the port that was bound (for 0, a free one)."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        ws="websockets-sansio",
        ws_max_size=WS_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=64 * 1024,
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # An answer is its head and its body: the second must not wait for word of the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind((host, port))
    server = _HttpServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.wait((serving, asyncio.ensure_future(server.ready.wait())), return_when=asyncio.FIRST_COMPLETED)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
        listener.close()
