"""GetStatus."""

from dataclasses import dataclass

from services.sandbox.domain.errors import NoConfinement
from services.sandbox.domain.models import Confinement
from services.sandbox.domain.network import NetworkPolicy
from services.sandbox.ports import Ports


@dataclass(frozen=True)
class Status:
    """How the service is; `confinement` is None where no sandbox can be made now."""

    confinement: Confinement | None
    ready: int
    network: NetworkPolicy


async def get_status(ports: Ports) -> Status:
    """As it is now."""
    try:
        confinement: Confinement | None = await ports.fleet.confinement()
    except NoConfinement:
        confinement = None
    return Status(confinement, ports.fleet.ready(), ports.network.policy(ports.network.mode))
