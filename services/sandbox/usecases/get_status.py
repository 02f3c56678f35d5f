"""GetStatus."""

from dataclasses import dataclass

from services.sandbox.domain.errors import NoConfinement
from services.sandbox.domain.models import Confinement
from services.sandbox.ports import Ports


@dataclass(frozen=True)
class Status:
    """How the service is; `confinement` is None where no sandbox can be made now."""

    confinement: Confinement | None
    ready: int


async def get_status(ports: Ports) -> Status:
    """As it is now."""
    try:
        confinement = await ports.fleet.confinement()
    except NoConfinement:
        return Status(None, ports.fleet.ready())
    return Status(confinement, ports.fleet.ready())
