"""`python -m services.sessions`: the sessions service alone, beside services that run elsewhere."""

import os

import uvloop

from services.rpc import logs
from services.rpc.channels import open_channel
from services.rpc.identity import Verifier
from services.rpc.serving import run_alone
from services.sessions.server import build
from services.sessions.settings import Settings


async def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    settings = Settings.from_env(os.environ)
    verifier = Verifier(settings.session_secret, settings.internal_api_key)
    await run_alone(await build(settings, open_channel), settings.rpc_listen, verifier)


if __name__ == "__main__":
    logs.configure()
    uvloop.run(main())
