"""`python -m tests.faults.worker`: a sessions process like any other, whose parts have points.

FAULTS_POINTS is the conductor's socket, FAULTS_WORKER this process's name, FAULTS_RECORDS the file it writes to,
FAULTS_SABOTAGE a rule that it breaks (`fence` or `keys`), FAULTS_LEASE_SECONDS its lease.
"""

import os
from dataclasses import replace
from pathlib import Path

import uvloop

from services.rpc import logs
from services.rpc.channels import open_channel
from services.rpc.identity import Verifier
from services.rpc.serving import run_alone
from services.sessions.server import build
from services.sessions.settings import Settings
from tests.faults.parts import parts
from tests.faults.points import Points
from tests.faults.records import Records


async def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    settings = replace(Settings.from_env(os.environ), lease_seconds=float(os.environ["FAULTS_LEASE_SECONDS"]))
    name = os.environ["FAULTS_WORKER"]
    points = Points(os.environ["FAULTS_POINTS"], name)
    records = Records(Path(os.environ["FAULTS_RECORDS"]), worker=name)
    verifier = Verifier(settings.session_secret, settings.internal_api_key)
    made = parts(points, records, os.environ.get("FAULTS_SABOTAGE", ""))
    await run_alone(await build(settings, open_channel, made), settings.rpc_listen, verifier)


if __name__ == "__main__":
    logs.configure()
    uvloop.run(main())
