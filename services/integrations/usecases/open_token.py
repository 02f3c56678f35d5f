"""Opens a stored token for one call. It lives in memory only as long as that call."""

from services.integrations.domain.errors import ConnectionNotFound
from services.integrations.domain.models import LOCAL
from services.integrations.ports import Ports


async def open_token(ports: Ports, user_id: str, provider: str) -> str:
    """The user's token; empty for the local provider, which has none.

    A token in the predecessor's form is rewritten in ours. Raises ConnectionNotFound, TokenUnreadable.
    """
    if provider == LOCAL:
        return ""
    found = await ports.connections.find(user_id, provider)
    if found is None:
        raise ConnectionNotFound(f"No {provider} account is connected.", provider=provider)
    _, sealed = found
    token = ports.sealer.open(user_id, provider, sealed)
    if sealed.iv:
        await ports.connections.reseal(user_id, provider, sealed, ports.sealer.seal(user_id, provider, token))
    return token


async def open_token_if_any(ports: Ports, user_id: str, provider: str) -> str:
    """The same, but empty where no account is connected: public repositories can be read without."""
    try:
        return await open_token(ports, user_id, provider)
    except ConnectionNotFound:
        return ""
