"""A stand-in for GitLab: the part of its REST API (v4) that we call, and its git side, on one real socket."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.fakes.git_host import GitHost, HostedRepository, Request

API = "/api/v4"


class GitLabStandIn(GitHost):
    """GITLAB_URL is `url`. `statuses` answers the next API requests with just these."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.git_user = "oauth2"
        self.scopes = ["api", "read_repository", "write_repository"]
        self.merge_requests: list[dict[str, Any]] = []
        self.statuses: list[int] = []

    def __enter__(self) -> "GitLabStandIn":
        super().__enter__()
        return self

    def add_account(self, username: str, token: str) -> None:
        """A person with a token."""
        self.tokens[token] = username

    def handle(self, request: Request) -> None:
        path, _, query = request.path.partition("?")
        if not path.startswith(API + "/"):
            super().handle(request)
            return
        self.requests.append((request.command, request.path, dict(request.headers.items())))
        body = request.read_body().read()
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        if self.statuses:
            status, answer = self.statuses.pop(0), {"message": request.headers.get("PRIVATE-TOKEN")}
        else:
            status, answer = self._answer(request, path.removeprefix(API), asked, body)
        request.answer(status, json.dumps(answer).encode(), "application/json")

    def _answer(self, request: Request, path: str, asked: dict[str, str], body: bytes) -> tuple[int, Any]:
        token = request.headers.get("PRIVATE-TOKEN", "")
        login = self.tokens.get(token)
        if token and login is None:
            return 401, {"message": "401 Unauthorized"}
        if path == "/user":
            return (200, {"username": login}) if login else (401, {"message": "401 Unauthorized"})
        if path == "/personal_access_tokens/self":
            return 200, {"scopes": self.scopes, "active": True}
        if path == "/projects":
            size, page = int(asked["per_page"]), int(asked["page"])
            return 200, [self._row(one) for one in self.repositories.values()][(page - 1) * size : page * size]
        match = re.fullmatch(r"/projects/([^/]+)(/.*)?", path)
        repository = self.repositories.get(unquote(match[1])) if match else None
        if match is None or repository is None or (repository.private and login is None):
            return 404, {"message": "404 Project Not Found"}
        return self._of_project(repository, request.command, match[2] or "", asked, body)

    def _of_project(
        self, repository: HostedRepository, method: str, path: str, asked: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        if not path:
            return 200, self._row(repository)
        if path.startswith("/repository/branches/"):
            commit = repository.branch(unquote(path.rpartition("/")[2]))
            return (200, {"commit": {"id": commit}}) if commit else (404, {"message": "404 Branch Not Found"})
        if method == "POST":
            return self._open(repository, json.loads(body))
        wanted = {name: asked[name] for name in ("source_branch", "target_branch", "state") if name in asked}
        return 200, [one for one in self.merge_requests if wanted.items() <= one.items()]

    def _open(self, repository: HostedRepository, wanted: dict[str, Any]) -> tuple[int, Any]:
        if not repository.branch(wanted["source_branch"]):
            return 400, {"message": {"source_branch": ["does not exist"]}}
        same = {"source_branch": wanted["source_branch"], "target_branch": wanted["target_branch"], "state": "opened"}
        if any(same.items() <= one.items() for one in self.merge_requests):
            return 409, {"message": ["Another open merge request already exists for this source branch: !1"]}
        number = len(self.merge_requests) + 1
        address = f"{self.url}/{repository.full_name}/-/merge_requests/{number}"
        made = {"iid": number, "web_url": address, "draft": wanted["title"].startswith("Draft: ")}
        self.merge_requests.append(wanted | same | made | {"created_at": "2026-01-02T03:04:05.000Z"})
        return 201, self.merge_requests[-1]

    def _row(self, repository: HostedRepository) -> dict[str, Any]:
        return {
            "path_with_namespace": repository.full_name,
            "web_url": f"{self.url}/{repository.full_name}",
            "http_url_to_repo": f"{self.url}/{repository.full_name}.git",
            "default_branch": repository.default_branch,
            "visibility": "internal" if repository.private else "public",
            "description": repository.description,
        }
