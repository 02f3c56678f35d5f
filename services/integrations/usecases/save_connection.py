"""Validates a token with its provider and keeps it, sealed."""

from datetime import UTC, datetime

from services.integrations.domain.errors import TokenRefused
from services.integrations.domain.models import Connection
from services.integrations.ports import Ports
from services.integrations.usecases.find_provider import find_provider
from services.rpc.ids import new_id

HINT_CHARACTERS = 4
SHORTEST_HINTED = 16


async def save_connection(ports: Ports, user_id: str, provider: str, token: str, base_url: str) -> Connection:
    """The connection. Raises UnsupportedProvider, InvalidBaseUrl, TokenRefused, ProviderUnavailable."""
    place = find_provider(ports, provider, base_url)
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise TokenRefused
    account = await place.account(token)
    connection = Connection(
        connection_id=new_id("con"),
        user_id=user_id,
        provider=provider,
        label=f"{account.username} at {place.host}",
        username=account.username,
        scopes=account.scopes,
        token_hint=token[-HINT_CHARACTERS:] if len(token) >= SHORTEST_HINTED else "",
        base_url=place.base_url,
        create_time=datetime.now(UTC),
    )
    return await ports.connections.save(connection, ports.sealer.seal(user_id, provider, token))
