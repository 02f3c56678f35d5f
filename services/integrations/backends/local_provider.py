"""The local provider: bare repositories, pull requests as records. Everyone signed in here sees them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from services.integrations.backends.local_git import BareRepositories, run_git
from services.integrations.domain.errors import BranchNotPushed, PullRequestRefused, UnsupportedProvider
from services.integrations.domain.models import LOCAL, Account, Proposal, PullRequest, Repository
from services.integrations.ports import PullRequestStore


class LocalProvider:
    """GitProvider over BareRepositories; tokens are not looked at."""

    host = "local"

    def __init__(self, git: BareRepositories, pull_requests: PullRequestStore, public_url: str) -> None:
        self._git = git
        self._pull_requests = pull_requests
        self._public_url = public_url.rstrip("/")
        self.base_url = f"{self._public_url}/local"

    async def account(self, token: str) -> Account:
        """There are none here."""
        raise UnsupportedProvider

    async def repositories(self, token: str) -> Sequence[Repository]:
        """All of them, most recently changed first."""
        names = self._git.names()
        changed = await asyncio.gather(*(self._changed(name) for name in names))
        order = sorted(zip(changed, names, strict=True), reverse=True)
        return [await self.repository("", name) for _, name in order]

    async def repository(self, token: str, full_name: str) -> Repository:
        """One of them. Raises RepositoryNotFound."""
        path = self._git.path(full_name)
        code, out = await run_git(path, ["symbolic-ref", "--short", "HEAD"])
        description = path / "description"
        address = f"{self.base_url}/{full_name}"
        return Repository(
            provider=LOCAL,
            full_name=full_name,
            url=address,
            clone_url=f"{address}.git",
            default_branch=out.decode().strip() if code == 0 else "main",
            description=description.read_text().strip() if description.is_file() else "",
        )

    async def _changed(self, full_name: str) -> int:
        arguments = ["for-each-ref", "--count=1", "--sort=-committerdate", "--format=%(committerdate:unix)"]
        _, out = await run_git(self._git.path(full_name), [*arguments, "refs/heads"])
        return int(out.strip() or b"0")

    async def branch_commit(self, token: str, full_name: str, branch: str) -> str:
        """What the branch points to; empty if there is none."""
        return await self._git.commit_of(full_name, branch)

    async def find_pull_request(self, token: str, full_name: str, head: str, base: str) -> PullRequest | None:
        """The open pull request of that branch."""
        found = await self._pull_requests.find_open(full_name, head, base)
        if found is None:
            return None
        comparison = await self._git.compare(full_name, base, head)
        return replace(found, added=comparison.added, removed=comparison.removed)

    async def create_pull_request(self, token: str, full_name: str, proposal: Proposal) -> PullRequest:
        """Makes it. Raises PullRequestExists, PullRequestRefused, BranchNotPushed."""
        if not await self._git.commit_of(full_name, proposal.base):
            raise BranchNotPushed(f"There is no branch {proposal.base}.", branch=proposal.base)
        comparison = await self._git.compare(full_name, proposal.base, proposal.head)
        if not comparison.commits:
            raise PullRequestRefused
        url_of = f"{self._public_url}/pulls/local/{full_name}/{{number}}"
        made = await self._pull_requests.create(full_name, proposal, url_of)
        return replace(made, added=comparison.added, removed=comparison.removed)
