"""SetPool."""

from services.sandbox.domain.pool import PoolStatus, StartsStatus
from services.sandbox.ports import Ports
from services.sandbox.usecases.get_pool import get_pool


def set_pool(ports: Ports, size: int) -> tuple[PoolStatus, StartsStatus]:
    """Another size, from now on; what is made for it, or removed, comes after the answer."""
    ports.pool.resize(size)
    return get_pool(ports)
