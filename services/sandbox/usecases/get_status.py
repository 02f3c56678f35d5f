"""GetStatus."""

from services.sandbox.domain.errors import NoConfinement, SandboxUnavailable
from services.sandbox.domain.models import Status
from services.sandbox.ports import Ports


async def get_status(ports: Ports) -> Status:
    """As it is now."""
    network = ports.network.policy(ports.network.mode)
    try:
        confinement = await ports.fleet.confinement()
        lacks = await ports.fleet.lacks(confinement)
    except (NoConfinement, SandboxUnavailable):
        return Status(None, ports.fleet.ready(), network)
    return Status(confinement, ports.fleet.ready(), network, lacks, ports.fleet.findings(confinement))
