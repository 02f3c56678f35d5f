"""Opens a pull request from any pushed branch, for a person."""

from dataclasses import replace

from services.integrations.domain.errors import BranchNotPushed
from services.integrations.domain.models import Proposal, PullRequest
from services.integrations.ports import Ports
from services.integrations.usecases.find_provider import name_repository
from services.integrations.usecases.open_access import open_access
from services.integrations.usecases.place_pull_request import place_pull_request

DEFAULT_BASE = "main"


async def create_pull_request(
    ports: Ports, user_id: str, provider: str, url: str, proposal: Proposal
) -> tuple[PullRequest, bool]:
    """The pull request, and whether it was open before.

    Raises InvalidRepository, ConnectionNotFound, BranchNotPushed, ProviderUnavailable.
    """
    name = await name_repository(ports, user_id, provider, "", url)
    access = await open_access(ports, user_id, name.provider)
    place, token = access.place, access.token
    repository = await place.repository(token, name.full_name)
    wanted = replace(proposal, base=proposal.base or DEFAULT_BASE)
    found = await place.find_pull_request(token, repository.full_name, wanted.head, wanted.base)
    if found is not None:
        return found, True
    if not await place.branch_commit(token, repository.full_name, wanted.head):
        raise BranchNotPushed(f"There is no branch {wanted.head} at the provider.", branch=wanted.head)
    return await place_pull_request(access, repository.full_name, wanted, doubtful=False)
