"""GetPool."""

from services.sandbox.domain.models import PoolStatus, StartsStatus
from services.sandbox.ports import Ports


def get_pool(ports: Ports) -> tuple[PoolStatus, StartsStatus]:
    """As it is now."""
    return ports.pool.status(), ports.fleet.starts()
