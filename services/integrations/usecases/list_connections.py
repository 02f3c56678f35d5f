"""Lists connected accounts."""

from collections.abc import Sequence

from services.integrations.domain.models import Connection
from services.integrations.ports import Ports


async def list_connections(ports: Ports, user_id: str) -> Sequence[Connection]:
    """By provider; never a token."""
    return await ports.connections.list(user_id)
