"""Makes a pull request exactly once: after a doubtful failure it is looked up before anything is repeated."""

import asyncio

from services.integrations.domain.errors import OutcomeUnknown, ProviderUnavailable, PullRequestExists
from services.integrations.domain.models import Proposal, PullRequest
from services.integrations.usecases.open_access import Access

ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.2


async def place_pull_request(access: Access, name: str, proposal: Proposal, doubtful: bool) -> tuple[PullRequest, bool]:
    """The pull request in repository `name`, and whether it had been open before this act.

    `doubtful`: an earlier try of this very act may have succeeded. Raises ProviderUnavailable if that stays unknown.
    """
    place, token = access.place, access.token
    for attempt in range(ATTEMPTS):
        if doubtful and (found := await place.find_pull_request(token, name, proposal.head, proposal.base)):
            return found, False
        try:
            return await place.create_pull_request(token, name, proposal), False
        except PullRequestExists:
            found = await place.find_pull_request(token, name, proposal.head, proposal.base)
            if found is not None:
                return found, not doubtful
        except OutcomeUnknown:
            doubtful = True
        await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
    raise ProviderUnavailable(
        "The provider did not say whether the pull request was opened. It is looked up next time."
    )
