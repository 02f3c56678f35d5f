"""`python -m services.gateway`: the gateway alone, beside services that run elsewhere."""

import os

import uvloop

from services.gateway.server import build, http_server
from services.gateway.settings import Settings
from services.rpc import logs
from services.rpc.channels import open_channel
from services.rpc.identity import Verifier
from services.rpc.serving import grpc_server, stop_signal


async def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    stopped = stop_signal()
    settings = Settings.from_env(os.environ)
    verifier = Verifier(settings.session_secret, settings.internal_api_key)
    gateway = await build(settings, open_channel)
    await gateway.service.start()
    try:
        async with (
            grpc_server([gateway.service], settings.rpc_listen, verifier),
            http_server(gateway.app, settings.host, settings.port) as port,
        ):
            logs.get_logger("lucid.gateway").info("gateway is up", extra={"host": settings.host, "port": port})
            await stopped.wait()
    finally:
        await gateway.service.stop()


if __name__ == "__main__":
    logs.configure()
    uvloop.run(main())
