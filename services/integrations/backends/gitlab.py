"""GitLab's REST API (v4), at gitlab.com or a server of one's own. A merge request is our pull request."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from services.integrations.backends.http_client import Answer, GuardedClient
from services.integrations.backends.provider_answers import MAX_PAGES, PER_PAGE, has_next, refusal, shaped
from services.integrations.domain.addresses import is_host
from services.integrations.domain.errors import (
    BranchNotPushed,
    InvalidBaseUrl,
    OutcomeUnknown,
    ProviderUnavailable,
    PullRequestExists,
    PullRequestRefused,
)
from services.integrations.domain.models import GITLAB, Account, Proposal, PullRequest, PullRequestState, Repository

NAME = "GitLab"
DRAFT = "Draft: "
_STATES = {"opened": PullRequestState.OPEN, "locked": PullRequestState.OPEN, "merged": PullRequestState.MERGED}


class GitLab:
    """GitProvider at one GitLab server."""

    def __init__(self, client: GuardedClient, base_url: str) -> None:
        self._client = client
        self.base_url = base_url.rstrip("/")
        self.host = urlsplit(self.base_url).netloc

    def at(self, base_url: str) -> "GitLab":
        """Another server. Raises InvalidBaseUrl; whether it may be called is decided when it is."""
        try:
            parts = urlsplit(base_url.strip())
        except ValueError as error:
            raise InvalidBaseUrl from error
        plain = f"{parts.scheme}://{parts.netloc}"
        whole = base_url.strip().rstrip("/") == plain
        if parts.scheme not in {"https", "http"} or not whole or not is_host(parts.netloc):
            raise InvalidBaseUrl
        return GitLab(self._client, plain)

    async def account(self, token: str) -> Account:
        """Who the token belongs to."""
        answer = await self._ask("GET", "/user", token)
        if answer.status != 200:
            raise refusal(NAME, answer)
        username = shaped(NAME, answer, lambda user: str(user["username"]))
        about = await self._ask("GET", "/personal_access_tokens/self", token)
        if about.status != 200:  # only personal access tokens know what they are
            return Account(username, ())
        return Account(username, shaped(NAME, about, lambda row: tuple(str(scope) for scope in row["scopes"])))

    async def repositories(self, token: str) -> Sequence[Repository]:
        """All pages."""
        found: list[Repository] = []
        for page in range(1, MAX_PAGES + 1):
            query = {"membership": "true", "order_by": "last_activity_at", "per_page": PER_PAGE, "page": page}
            answer = await self._ask("GET", f"/projects?{urlencode(query)}", token)
            if answer.status != 200:
                raise refusal(NAME, answer)
            rows = shaped(NAME, answer, lambda body: [_repository(row) for row in body])
            found.extend(rows)
            if not has_next(answer, len(rows)):
                break
        return found

    async def repository(self, token: str, full_name: str) -> Repository:
        """One of them. Raises RepositoryNotFound."""
        answer = await self._ask("GET", _project(full_name), token)
        if answer.status != 200:
            raise refusal(NAME, answer)
        return shaped(NAME, answer, _repository)

    async def branch_commit(self, token: str, full_name: str, branch: str) -> str:
        """What the branch points to; empty if there is none."""
        path = f"{_project(full_name)}/repository/branches/{quote(branch, safe='')}"
        answer = await self._ask("GET", path, token)
        if answer.status == 404:
            return ""
        if answer.status != 200:
            raise refusal(NAME, answer)
        return shaped(NAME, answer, lambda row: str(row["commit"]["id"]))

    async def find_pull_request(self, token: str, full_name: str, head: str, base: str) -> PullRequest | None:
        """The open merge request of that branch."""
        query = {"state": "opened", "source_branch": head} | ({"target_branch": base} if base else {})
        answer = await self._ask("GET", f"{_project(full_name)}/merge_requests?{urlencode(query)}", token)
        if answer.status != 200:
            raise refusal(NAME, answer)
        found = shaped(NAME, answer, lambda rows: [_pull_request(row, full_name) for row in rows])
        return next((one for one in found if one.head == head and base in ("", one.base)), None)

    async def create_pull_request(self, token: str, full_name: str, proposal: Proposal) -> PullRequest:
        """Makes it. Raises PullRequestExists, PullRequestRefused, BranchNotPushed, OutcomeUnknown."""
        body = {
            "title": (DRAFT if proposal.draft else "") + proposal.title,
            "description": proposal.body,
            "source_branch": proposal.head,
            "target_branch": proposal.base,
        }
        answer = await self._ask("POST", f"{_project(full_name)}/merge_requests", token, body)
        if answer.status >= 500:
            raise OutcomeUnknown
        if answer.status != 201:
            raise _unmade(answer)
        try:
            return shaped(NAME, answer, lambda row: _pull_request(row, full_name))
        except ProviderUnavailable as error:
            raise OutcomeUnknown from error

    async def _ask(self, method: str, path: str, token: str, body: object = None) -> Answer:
        headers = {"Accept": "application/json"} | ({"PRIVATE-TOKEN": token} if token else {})
        return await self._client.ask(method, f"{self.base_url}/api/v4{path}", headers, body)


def _project(full_name: str) -> str:
    return f"/projects/{quote(full_name, safe='')}"


def _unmade(answer: Answer) -> Exception:
    """GitLab says why in several shapes; only the parts that are documented are looked for."""
    text = answer.body.decode(errors="replace").lower()
    if answer.status == 409:
        return PullRequestExists()
    if answer.status == 400 and "source_branch" in text and "does not exist" in text:
        return BranchNotPushed()
    if answer.status in {400, 422}:
        return PullRequestRefused()
    return refusal(NAME, answer)


def _repository(row: Mapping[str, Any]) -> Repository:
    return Repository(
        provider=GITLAB,
        full_name=str(row["path_with_namespace"]),
        url=str(row["web_url"]),
        clone_url=str(row["http_url_to_repo"]),
        default_branch=str(row.get("default_branch") or "main"),
        private=row.get("visibility") != "public",  # "internal" needs an account as well
        description=str(row.get("description") or ""),
    )


def _pull_request(row: Mapping[str, Any], full_name: str) -> PullRequest:
    return PullRequest(
        provider=GITLAB,
        repo=full_name,
        number=int(row["iid"]),
        url=str(row["web_url"]),
        title=str(row["title"]),
        body=str(row.get("description") or ""),
        head=str(row["source_branch"]),
        base=str(row["target_branch"]),
        draft=bool(row.get("draft")),
        state=_STATES.get(str(row["state"]), PullRequestState.CLOSED),
        create_time=datetime.fromisoformat(str(row["created_at"])),
    )
