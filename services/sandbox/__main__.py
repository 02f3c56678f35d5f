"""`python -m services.sandbox`: the sandbox service alone, beside services that run elsewhere.

`python -m services.sandbox down` ends what it left running: sandboxes outlive a service that stops.
"""

import os
import sys

import uvloop

from services.rpc import logs
from services.rpc.channels import open_channel
from services.rpc.identity import Verifier
from services.rpc.serving import run_alone
from services.sandbox.server import build, end_sandboxes
from services.sandbox.settings import Settings, data_dir_of


async def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    settings = Settings.from_env(os.environ)
    verifier = Verifier(settings.session_secret, settings.internal_api_key)
    await run_alone(await build(settings, open_channel), settings.rpc_listen, verifier)


if __name__ == "__main__":
    logs.configure()
    if sys.argv[1:] == ["down"]:
        end_sandboxes(data_dir_of(os.environ))
        sys.exit()
    uvloop.run(main())
