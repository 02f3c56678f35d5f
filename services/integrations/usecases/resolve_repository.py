"""Turns a pasted address or a name into a repository."""

from services.integrations.domain.addresses import checked_full_name
from services.integrations.domain.models import Repository
from services.integrations.ports import GitProvider, Ports
from services.integrations.usecases.find_provider import name_repository
from services.integrations.usecases.open_access import open_access_if_any


async def resolve_repository(ports: Ports, user_id: str, provider: str, full_name: str, url: str) -> Repository:
    """The repository, if it exists and the user can read it. Raises InvalidRepository, RepositoryNotFound."""
    repository, _ = await resolve_with_place(ports, user_id, provider, full_name, url)
    return repository


async def resolve_with_place(
    ports: Ports, user_id: str, provider: str, full_name: str, url: str
) -> tuple[Repository, GitProvider]:
    """The same, and where it is."""
    name = await name_repository(ports, user_id, provider, full_name, url)
    access = await open_access_if_any(ports, user_id, name.provider)
    repository = await access.place.repository(access.token, name.full_name)
    checked_full_name(name.provider, repository.full_name)  # a URL is built from it, and a stranger's server gave it
    return repository, access.place
