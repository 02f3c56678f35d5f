"""Forgets a token."""

from services.integrations.domain.errors import ConnectionNotFound
from services.integrations.ports import Ports
from services.integrations.usecases.find_provider import find_provider


async def delete_connection(ports: Ports, user_id: str, provider: str) -> None:
    """Raises UnsupportedProvider, ConnectionNotFound."""
    find_provider(ports, provider)
    if not await ports.connections.delete(user_id, provider):
        raise ConnectionNotFound(f"No {provider} integration found for this user.", provider=provider)
