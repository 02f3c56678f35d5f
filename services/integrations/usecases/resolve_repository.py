"""Turns a pasted address or a name into a repository."""

from services.integrations.domain.models import Repository
from services.integrations.ports import Ports
from services.integrations.usecases.find_provider import find_provider, name_repository
from services.integrations.usecases.open_token import open_token_if_any


async def resolve_repository(ports: Ports, user_id: str, provider: str, full_name: str, url: str) -> Repository:
    """The repository, if it exists and the user can read it. Raises InvalidRepository, RepositoryNotFound."""
    name = await name_repository(ports, provider, full_name, url)
    token = await open_token_if_any(ports, user_id, name.provider)
    return await find_provider(ports, name.provider).repository(token, name.full_name)
