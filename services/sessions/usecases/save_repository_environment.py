"""SaveRepositoryEnvironment."""

from collections.abc import Collection
from dataclasses import replace

from services.rpc.errors import InvalidRequest
from services.sessions.domain.environment import Environment, checked_variables
from services.sessions.domain.models import Repository
from services.sessions.ports import Ports
from services.sessions.usecases.create_session import check_image, resolved


async def save_repository_environment(
    ports: Ports, owner_id: str, wish: Repository, wanted: Environment, kept: Collection[str]
) -> Environment:
    """Stored, for the sessions that the owner begins on it from now on. `kept`: variables whose value of before stays,
    since nobody is shown it. Raises InvalidRequest, InvalidRepository, ImageNotAllowed, SandboxAway."""
    await check_image(ports, wanted.image)
    repository = await resolved(ports, owner_id, wish)
    before = (await ports.store.environment(owner_id, repository)).variables
    stay = {name: before[name] for name in kept if name in before}
    try:
        variables = checked_variables({**stay, **wanted.variables})
    except ValueError as error:
        raise InvalidRequest(f"environment: {error}", field="environment") from error
    stored = replace(wanted, variables=variables)
    await ports.store.save_environment(owner_id, repository, stored)
    return stored
