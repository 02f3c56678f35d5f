"""GetPool."""

from services.sandbox.domain.pool import PoolStatus, StartsStatus
from services.sandbox.ports import Ports


def get_pool(ports: Ports) -> tuple[PoolStatus, StartsStatus]:
    """As it is now."""
    return ports.pool.status(), ports.fleet.starts()
