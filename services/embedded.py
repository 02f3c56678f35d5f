"""All services in one process: `make up`. The same code as apart; only the channels differ."""

import contextlib
import logging
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import grpc

from services.gateway.server import build as build_gateway
from services.gateway.server import http_server
from services.gateway.settings import Settings as GatewaySettings
from services.integrations.server import build as build_integrations
from services.integrations.settings import Settings as IntegrationsSettings
from services.rpc import logs
from services.rpc.channels import open_channel
from services.rpc.identity import Verifier
from services.rpc.inproc import InprocServer
from services.rpc.serving import Service, grpc_server, register_inproc, stop_signal
from services.sandbox.server import build as build_sandbox
from services.sandbox.settings import Settings as SandboxSettings
from services.sessions.server import build as build_sessions
from services.sessions.settings import Settings as SessionsSettings

log = logs.get_logger("lucid")
SECRETS = ("ENCRYPTION_KEY", "SESSION_SECRET", "INTERNAL_API_KEY")


def with_secrets(env: Mapping[str, str]) -> dict[str, str]:
    """The environment with the three secrets: as given, or made once and kept in the data folder (mode 0600)."""
    data = Path(env.get("LUCID_DATA_DIR") or "data").resolve()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = data / "keys"
    folder.mkdir(mode=0o700, exist_ok=True)
    return {**env, **{name: env.get(name) or _kept(folder / name.lower()) for name in SECRETS}}


def _kept(path: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().strip()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(value := secrets.token_urlsafe(48))
    return value


@contextlib.asynccontextmanager
async def started(services: Sequence[Service]) -> AsyncIterator[None]:
    """Services started in this order and stopped in the opposite one."""
    async with contextlib.AsyncExitStack() as stack:
        for service in services:
            await service.start()
            stack.push_async_callback(service.stop)
        yield


async def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    stopped = stop_signal()
    env = with_secrets(os.environ)
    near = InprocServer()

    def connect(target: str) -> grpc.aio.Channel:
        return open_channel(target, near)

    edge = GatewaySettings.from_env(env)
    gateway = await build_gateway(edge, connect)
    services = [
        await build_sandbox(SandboxSettings.from_env(env), connect),
        await build_integrations(IntegrationsSettings.from_env(env), connect),
        await build_sessions(SessionsSettings.from_env(env), connect),
        gateway.service,
    ]
    verifier = Verifier(env["SESSION_SECRET"], env["INTERNAL_API_KEY"])
    register_inproc(near, services, verifier)
    async with (
        started(services),
        grpc_server(services, edge.rpc_listen, verifier),
        http_server(gateway.app, edge.host, edge.port) as port,
    ):
        log.log(logging.INFO, "Lucid is up", extra={"url": f"http://{edge.host}:{port}", "rpc": edge.rpc_listen})
        await stopped.wait()
        log.info("stopping")
