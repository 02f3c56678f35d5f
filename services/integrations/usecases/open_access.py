"""Opens a user's access to a provider for one call. The token lives in memory only as long as that call."""

from dataclasses import dataclass, field

from services.integrations.domain.errors import ConnectionNotFound
from services.integrations.domain.models import LOCAL, Gate
from services.integrations.ports import GitProvider, Ports
from services.integrations.usecases.find_provider import find_provider


@dataclass(frozen=True)
class Access:
    """A provider and the user's token for it; the token is empty where none is needed or there is none."""

    place: GitProvider
    token: str = field(default="", repr=False)


async def open_access(ports: Ports, user_id: str, provider: str) -> Access:
    """The user's connection, opened. A token in the predecessor's form is rewritten in ours.

    Raises ConnectionNotFound, TokenUnreadable, UnsupportedProvider.
    """
    if provider == LOCAL:
        return Access(find_provider(ports, LOCAL))
    found = await ports.connections.find(user_id, provider)
    if found is None:
        find_provider(ports, provider)
        raise ConnectionNotFound(f"No {provider} account is connected.", provider=provider)
    connection, sealed = found
    token = ports.sealer.open(user_id, provider, sealed)
    if sealed.iv:
        await ports.connections.reseal(user_id, provider, sealed, ports.sealer.seal(user_id, provider, token))
    return Access(find_provider(ports, provider, connection.base_url), token)


async def open_access_if_any(ports: Ports, user_id: str, provider: str) -> Access:
    """The same, without a token where no account is connected: public repositories can be read so."""
    try:
        return await open_access(ports, user_id, provider)
    except ConnectionNotFound:
        return Access(find_provider(ports, provider))


async def open_gate_access(ports: Ports, gate: Gate) -> Access:
    """The access of a session's owner, for the place that the gate was opened on and for no other.

    The owner may have connected another server since: its token must not go to the gate's.
    """
    provider = gate.repository.provider
    access = await open_access_if_any(ports, gate.owner_id, provider)
    if access.place.base_url == gate.base_url:
        return access
    return Access(find_provider(ports, provider, gate.base_url))
