"""The provider of a name, and which one an address means."""

from services.integrations.domain.addresses import RepositoryName, checked_full_name, parse_address
from services.integrations.domain.errors import InvalidRepository, RepositoryNotFound, UnsupportedProvider
from services.integrations.domain.models import GITHUB, LOCAL
from services.integrations.ports import GitProvider, Ports


def find_provider(ports: Ports, name: str) -> GitProvider:
    """Raises UnsupportedProvider."""
    provider = ports.providers.get(name)
    if provider is None:
        raise UnsupportedProvider(f"Unsupported provider '{name[:50]}'. Use 'github' or 'gitlab'.", provider=name[:50])
    return provider


async def name_repository(ports: Ports, provider: str, full_name: str, url: str) -> RepositoryName:
    """Which repository is meant. Raises InvalidRepository, UnsupportedProvider."""
    if provider:
        find_provider(ports, provider)
    if url:
        bases = {name: one.base_url for name, one in ports.providers.items() if provider in ("", name)}
        return parse_address(url, bases)
    if not full_name:
        raise InvalidRepository
    chosen = provider or await _guess(ports, full_name)
    return RepositoryName(chosen, checked_full_name(chosen, full_name))


async def _guess(ports: Ports, full_name: str) -> str:
    """A bare owner/name: the local one if there is such a one, else GitHub's."""
    try:
        await ports.providers[LOCAL].repository("", full_name)
    except RepositoryNotFound:
        return GITHUB
    return LOCAL
