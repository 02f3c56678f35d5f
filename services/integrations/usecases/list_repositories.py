"""Lists what the user can reach, over all pages and providers."""

from collections.abc import Mapping, Sequence

from services.integrations.domain.models import LOCAL, Repository
from services.integrations.ports import Ports
from services.integrations.usecases.open_access import open_access
from services.rpc.errors import LucidError


async def list_repositories(
    ports: Ports, user_id: str, provider: str, query: str
) -> tuple[Sequence[Repository], Mapping[str, str]]:
    """The repositories, and the providers that could not be asked with the reason. Raises ConnectionNotFound."""
    if provider:
        return _matching(await _of(ports, user_id, provider), query), {}
    connected = [connection.provider for connection in await ports.connections.list(user_id)]
    found: list[Repository] = []
    failures: dict[str, str] = {}
    for name in [LOCAL, *connected]:
        try:
            found.extend(await _of(ports, user_id, name))
        except LucidError as error:
            failures[name] = error.message
    return _matching(found, query), failures


async def _of(ports: Ports, user_id: str, provider: str) -> Sequence[Repository]:
    access = await open_access(ports, user_id, provider)
    return await access.place.repositories(access.token)


def _matching(repositories: Sequence[Repository], query: str) -> Sequence[Repository]:
    wanted = query.strip().lower()
    return [one for one in repositories if wanted in one.full_name.lower() or wanted in one.description.lower()]
