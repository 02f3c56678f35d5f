"""Reads a pull request of the local provider."""

from dataclasses import replace

from services.integrations.domain.errors import PullRequestNotFound
from services.integrations.domain.models import Comparison, PullRequest, PullRequestState
from services.integrations.ports import Ports, PullRequestRecord


async def get_pull_request(ports: Ports, repo: str, number: int) -> tuple[PullRequest, Comparison]:
    """With its diff from the merge base; once merged, as it was at the merge. Raises PullRequestNotFound."""
    record = await find_record(ports, repo, number)
    pull_request = record.pull_request
    merged = pull_request.state is PullRequestState.MERGED
    base = record.base_commit if merged else pull_request.base
    head = record.head_commit if merged else pull_request.head
    comparison = await ports.local_git.compare(repo, base, head)
    counted = replace(pull_request, added=comparison.added, removed=comparison.removed)
    can_merge = comparison.mergeable and pull_request.state is PullRequestState.OPEN
    return counted, replace(comparison, mergeable=can_merge)


async def find_record(ports: Ports, repo: str, number: int) -> PullRequestRecord:
    """Raises PullRequestNotFound."""
    record = await ports.pull_requests.find(repo, number)
    if record is None:
        raise PullRequestNotFound
    return record
