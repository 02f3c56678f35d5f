"""The provider of a name, and which one an address means."""

from services.integrations.domain.addresses import RepositoryName, checked_full_name, parse_address
from services.integrations.domain.errors import (
    InvalidBaseUrl,
    InvalidRepository,
    RepositoryNotFound,
    UnsupportedProvider,
)
from services.integrations.domain.models import GITHUB, GITLAB, LOCAL
from services.integrations.ports import GitProvider, Ports


def find_provider(ports: Ports, name: str, base_url: str = "") -> GitProvider:
    """The operator's, or the GitLab at an address of one's own. Raises UnsupportedProvider, InvalidBaseUrl."""
    provider = ports.providers.get(name)
    if provider is None:
        raise UnsupportedProvider(f"Unsupported provider '{name[:50]}'. Use 'github' or 'gitlab'.", provider=name[:50])
    if not base_url or base_url.rstrip("/") == provider.base_url:
        return provider
    if name != GITLAB:
        raise InvalidBaseUrl
    return ports.self_hosted.at(base_url)


async def name_repository(ports: Ports, user_id: str, provider: str, full_name: str, url: str) -> RepositoryName:
    """Which repository is meant. Raises InvalidRepository, UnsupportedProvider."""
    if provider:
        find_provider(ports, provider)
    if url:
        return parse_address(url, await _bases(ports, user_id, provider))
    if not full_name:
        raise InvalidRepository
    chosen = provider or await _guess(ports, full_name)
    return RepositoryName(chosen, checked_full_name(chosen, full_name))


async def _bases(ports: Ports, user_id: str, provider: str) -> dict[str, str]:
    """Where the providers are for this user: the address of a connection goes before the operator's."""
    bases = {name: place.base_url for name, place in ports.providers.items()}
    bases |= {one.provider: one.base_url for one in await ports.connections.list(user_id)}
    return {name: base for name, base in bases.items() if provider in ("", name)}


async def _guess(ports: Ports, full_name: str) -> str:
    """A bare owner/name: the local one if there is such a one, else GitHub's."""
    try:
        await ports.providers[LOCAL].repository("", full_name)
    except RepositoryNotFound:
        return GITHUB
    return LOCAL
