"""GitHub's REST API. What it says in an error stays here; callers get our own words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from services.integrations.backends.http_client import Answer, GuardedClient
from services.integrations.backends.provider_answers import MAX_PAGES, PER_PAGE, has_next, refusal, shaped
from services.integrations.domain.errors import (
    BranchNotPushed,
    OutcomeUnknown,
    ProviderUnavailable,
    PullRequestExists,
    PullRequestRefused,
)
from services.integrations.domain.models import GITHUB, Account, Proposal, PullRequest, PullRequestState, Repository

NAME = "GitHub"


class GitHub:
    """GitProvider at GitHub or a GitHub Enterprise server."""

    def __init__(self, client: GuardedClient, base_url: str, api_url: str) -> None:
        self._client = client
        self.base_url = base_url.rstrip("/")
        self.host = urlsplit(self.base_url).netloc
        self._api_url = api_url.rstrip("/")

    async def account(self, token: str) -> Account:
        """Who the token belongs to."""
        answer = await self._ask("GET", "/user", token)
        if answer.status != 200:
            raise refusal(NAME, answer)
        scopes = answer.headers.get("x-oauth-scopes", "")
        names = tuple(scope.strip() for scope in scopes.split(",") if scope.strip())
        return shaped(NAME, answer, lambda user: Account(str(user["login"]), names))

    async def repositories(self, token: str) -> Sequence[Repository]:
        """All pages."""
        found: list[Repository] = []
        for page in range(1, MAX_PAGES + 1):
            query = urlencode({"sort": "updated", "per_page": PER_PAGE, "page": page})
            answer = await self._ask("GET", f"/user/repos?{query}", token)
            if answer.status != 200:
                raise refusal(NAME, answer)
            rows = shaped(NAME, answer, lambda body: [_repository(row) for row in body])
            found.extend(rows)
            if not has_next(answer, len(rows)):
                break
        return found

    async def repository(self, token: str, full_name: str) -> Repository:
        """One of them. Raises RepositoryNotFound."""
        answer = await self._ask("GET", f"/repos/{full_name}", token)
        if answer.status != 200:
            raise refusal(NAME, answer)
        return shaped(NAME, answer, _repository)

    async def branch_commit(self, token: str, full_name: str, branch: str) -> str:
        """What the branch points to; empty if there is none."""
        answer = await self._ask("GET", f"/repos/{full_name}/git/ref/heads/{quote(branch)}", token)
        if answer.status in {404, 409}:  # 409: the repository is empty
            return ""
        if answer.status != 200:
            raise refusal(NAME, answer)
        return shaped(NAME, answer, lambda ref: str(ref["object"]["sha"]))

    async def find_pull_request(self, token: str, full_name: str, head: str, base: str) -> PullRequest | None:
        """The open pull request of that branch."""
        owner = full_name.partition("/")[0]
        query = {"state": "open", "head": f"{owner}:{head}", "per_page": str(PER_PAGE)} | (
            {"base": base} if base else {}
        )
        answer = await self._ask("GET", f"/repos/{full_name}/pulls?{urlencode(query)}", token)
        if answer.status != 200:
            raise refusal(NAME, answer)
        found = shaped(NAME, answer, lambda rows: [_pull_request(row, full_name) for row in rows])
        # GitHub ignores a head filter that it cannot read, so the rows are looked at again.
        return next((one for one in found if one.head == head and base in ("", one.base)), None)

    async def create_pull_request(self, token: str, full_name: str, proposal: Proposal) -> PullRequest:
        """Makes it. Raises PullRequestExists, PullRequestRefused, BranchNotPushed, OutcomeUnknown."""
        body = {
            "title": proposal.title,
            "body": proposal.body,
            "head": proposal.head,
            "base": proposal.base,
            "draft": proposal.draft,
        }
        answer = await self._ask("POST", f"/repos/{full_name}/pulls", token, body)
        if answer.status == 422:
            raise _unprocessable(answer)
        if answer.status >= 500:
            raise OutcomeUnknown
        if answer.status != 201:
            raise refusal(NAME, answer)
        try:
            return shaped(NAME, answer, lambda row: _pull_request(row, full_name))
        except ProviderUnavailable as error:
            raise OutcomeUnknown from error

    async def _ask(self, method: str, path: str, token: str, body: object = None) -> Answer:
        headers = {"Accept": "application/vnd.github.v3+json", "X-GitHub-Api-Version": "2022-11-28"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return await self._client.ask(method, self._api_url + path, headers, body)


def _unprocessable(answer: Answer) -> Exception:
    """422 says why only in its text."""
    text = answer.body.decode(errors="replace").lower()
    if "already exists" in text:
        return PullRequestExists()
    if '"field":"head"' in text.replace(" ", ""):
        return BranchNotPushed()
    return PullRequestRefused()


def _repository(row: Mapping[str, Any]) -> Repository:
    return Repository(
        provider=GITHUB,
        full_name=str(row["full_name"]),
        url=str(row["html_url"]),
        clone_url=str(row["clone_url"]),
        default_branch=str(row.get("default_branch") or "main"),
        private=bool(row["private"]),
        description=str(row.get("description") or ""),
    )


def _pull_request(row: Mapping[str, Any], full_name: str) -> PullRequest:
    open_state = PullRequestState.OPEN if row["state"] == "open" else PullRequestState.CLOSED
    return PullRequest(
        provider=GITHUB,
        repo=full_name,
        number=int(row["number"]),
        url=str(row["html_url"]),
        title=str(row["title"]),
        body=str(row.get("body") or ""),
        head=str(row["head"]["ref"]),
        base=str(row["base"]["ref"]),
        draft=bool(row.get("draft")),
        state=PullRequestState.MERGED if row.get("merged_at") else open_state,
        create_time=datetime.fromisoformat(str(row["created_at"])),
        added=int(row.get("additions") or 0),
        removed=int(row.get("deletions") or 0),
    )
