"""Merges a pull request of the local provider."""

from services.integrations.domain.errors import BranchNotPushed, MergeConflict, PullRequestClosed
from services.integrations.domain.models import PullRequest, PullRequestState
from services.integrations.ports import Ports, PullRequestRecord
from services.integrations.usecases.get_pull_request import find_record, get_pull_request

ATTEMPTS = 5


async def merge_pull_request(ports: Ports, repo: str, number: int) -> tuple[PullRequest, str]:
    """The pull request and its merge commit; merging a merged one gives the same.

    Raises PullRequestNotFound, PullRequestClosed, MergeConflict, BranchNotPushed.
    """
    async with ports.local_git.merging(repo):
        record = await find_record(ports, repo, number)
        state = record.pull_request.state
        if state is PullRequestState.CLOSED:
            raise PullRequestClosed
        if state is PullRequestState.OPEN and not await _was_merged(ports, repo, record):
            await _merge(ports, repo, record.pull_request)
        await ports.pull_requests.mark_merged(repo, number)
    merged, _ = await get_pull_request(ports, repo, number)
    return merged, (await find_record(ports, repo, number)).merge_commit


async def _was_merged(ports: Ports, repo: str, record: PullRequestRecord) -> bool:
    """A merge that was planned and reached the branch, though nobody lived to say so."""
    return await ports.local_git.contains(repo, record.merge_commit, record.pull_request.base)


async def _merge(ports: Ports, repo: str, pull_request: PullRequest) -> None:
    git = ports.local_git
    for _ in range(ATTEMPTS):
        base = await git.commit_of(repo, pull_request.base)
        head = await git.commit_of(repo, pull_request.head)
        if not base or not head:
            raise BranchNotPushed("A branch of this pull request does not exist any more.")
        message = f"Merge pull request #{pull_request.number} from {pull_request.head}\n\n{pull_request.title}\n"
        merge = await git.prepare_merge(repo, base, head, message)
        plan = PullRequestRecord(pull_request, head_commit=head, base_commit=base, merge_commit=merge)
        await ports.pull_requests.plan_merge(repo, pull_request.number, plan)
        if await git.move(repo, pull_request.base, merge, base):
            return
    raise MergeConflict("The base branch keeps moving; try again.")
