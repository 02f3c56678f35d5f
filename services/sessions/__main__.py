"""`python -m services.sessions`: the sessions service alone, beside services that run elsewhere."""

import os

import uvloop

from services.rpc import logs
from services.rpc.channels import open_channel
from services.rpc.identity import Verifier
from services.rpc.serving import grpc_server, stop_requested
from services.sessions.server import build
from services.sessions.settings import Settings


async def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    settings = Settings.from_env(os.environ)
    verifier = Verifier(settings.session_secret, settings.internal_api_key)
    service = await build(settings, open_channel)
    await service.start()
    try:
        async with grpc_server([service], settings.rpc_listen, verifier):
            await stop_requested()
    finally:
        await service.stop()


if __name__ == "__main__":
    logs.configure()
    uvloop.run(main())
