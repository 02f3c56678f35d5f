"""Runs the sandbox service alone: `python -m services.sandbox`."""

import asyncio
import os

from services.rpc import logs
from services.rpc.channels import open_channel
from services.rpc.identity import Verifier
from services.rpc.serving import grpc_server, stop_requested
from services.sandbox.server import build
from services.sandbox.settings import Settings


async def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    logs.configure()
    settings = Settings.from_env(os.environ)
    service = await build(settings, open_channel)
    await service.start()
    verifier = Verifier(settings.session_secret, settings.internal_api_key)
    try:
        async with grpc_server([service], settings.rpc_listen, verifier):
            await stop_requested()
    finally:
        await service.stop()


if __name__ == "__main__":
    asyncio.run(main())
