"""GetRepositoryEnvironment."""

from services.sessions.domain.environment import Environment
from services.sessions.domain.models import Repository
from services.sessions.ports import Ports


async def get_repository_environment(ports: Ports, owner_id: str, repository: Repository) -> Environment:
    """What the owner has set for it, by the provider's name of it; NOTHING where nothing was set."""
    return await ports.store.environment(owner_id, repository)
