"""A stand-in for GitHub: the part of its REST API that we call, and its git side, on one real socket.

It can be told to fail: put `Failure`s into `failures`; each answers the next API request whose path it matches.

    with GitHubStandIn(folder) as github:
        github.add_account("ada", "ghp_token")
        github.add_repository("ada/secret", {"README.md": "hello\n"}, private=True)
        Settings(..., **github.settings())
"""

import json
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.fakes.git_host import GitHost, HostedRepository, Request, git

API = "/api/v3"


@dataclass
class Failure:
    """What happens instead of an answer, or after the deed.

    `kind`: status (with `status` and `body`), reset, slow (then goes on), redirect, echo (401 that repeats the
    request's Authorization), html (200 that is no JSON), after (does it, then 502), cut (does it, then resets), rate.
    """

    kind: str
    path: str = ".*"
    method: str = ""
    status: int = 500
    body: str = '{"message": "Server Error"}'
    seconds: float = 0.0
    times: int = 1


class GitHubStandIn(GitHost):
    """GITHUB_URL is `url`, GITHUB_API_URL is `api_url`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.scopes = "repo, workflow"
        self.failures: list[Failure] = []
        self.pulls: list[dict[str, Any]] = []
        self.api_requests: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    @property
    def api_url(self) -> str:
        """For GITHUB_API_URL."""
        return self.url + API

    def settings(self) -> dict[str, Any]:
        """For integrations' Settings."""
        allowed = (f"127.0.0.1:{self.port}",)
        return {"github_url": self.url, "github_api_url": self.api_url, "provider_hosts_allowed": allowed}

    def environment(self) -> dict[str, str]:
        """The same for a process."""
        return {
            "GITHUB_URL": self.url,
            "GITHUB_API_URL": self.api_url,
            "PROVIDER_HOSTS_ALLOWED": f"127.0.0.1:{self.port}",
        }

    def __enter__(self) -> "GitHubStandIn":
        super().__enter__()
        return self

    def add_account(self, login: str, token: str) -> None:
        """A person with a token."""
        self.tokens[token] = login

    def handle(self, request: Request) -> None:
        path, _, query = request.path.partition("?")
        if not path.startswith(API + "/"):
            super().handle(request)
            return
        self.requests.append((request.command, request.path, dict(request.headers.items())))
        self._serve_api(request, path.removeprefix(API), query)

    def _serve_api(self, request: Request, path: str, query: str) -> None:
        body = request.read_body().read()
        with self._lock:
            self.api_requests.append((request.command, path))
            failure = self._failure(request.command, path)
            if failure is not None and self._fail(request, failure):
                return
            status, answer, headers = self._answer(request, path, query, body)
        if failure is not None and failure.kind == "after":
            status, answer = 502, {"message": "Bad Gateway"}
        if failure is not None and failure.kind == "cut":
            _reset(request)
            return
        request.answer(status, json.dumps(answer).encode(), "application/json; charset=utf-8", headers)

    def _failure(self, method: str, path: str) -> Failure | None:
        for failure in self.failures:
            if re.fullmatch(failure.path, path) and failure.method in ("", method):
                failure.times -= 1
                if failure.times <= 0:
                    self.failures.remove(failure)
                return failure
        return None

    def _fail(self, request: Request, failure: Failure) -> bool:
        json_type = "application/json; charset=utf-8"
        if failure.kind == "status":
            request.answer(failure.status, failure.body.encode(), json_type)
        elif failure.kind == "reset":
            _reset(request)
        elif failure.kind == "redirect":
            request.answer(301, b"{}", json_type, {"Location": f"{self.url}/stolen"})
        elif failure.kind == "echo":
            request.answer(401, request.headers.get("Authorization", "").encode(), json_type)
        elif failure.kind == "html":
            request.answer(200, b"<html>Unicorn!</html>", "text/html")
        elif failure.kind == "rate":
            limits = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}
            request.answer(403, b'{"message": "API rate limit exceeded"}', json_type, limits)
        elif failure.kind == "slow":
            time.sleep(failure.seconds)
            return False
        return failure.kind not in {"after", "cut"}

    def _answer(self, request: Request, path: str, query: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        login = self.tokens.get(token) if scheme in {"Bearer", "token"} else None
        if token and login is None:
            return 401, {"message": "Bad credentials"}, {}
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        if path == "/user":
            if login is None:
                return 401, {"message": "Requires authentication"}, {}
            return 200, {"login": login, "id": 1, "type": "User"}, {"X-OAuth-Scopes": self.scopes}
        if path == "/user/repos":
            return self._repository_page(login, asked)
        match = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", path)
        repository = self.repositories.get(unquote(match[1])) if match else None
        if match is None or repository is None or (repository.private and login is None):
            return 404, {"message": "Not Found"}, {}
        return self._of_repository(repository, request.command, match[2] or "", asked, body, login)

    def _of_repository(
        self,
        repository: HostedRepository,
        method: str,
        path: str,
        asked: dict[str, str],
        body: bytes,
        login: str | None,
    ) -> tuple[int, Any, dict[str, str]]:
        if not path:
            return 200, self._row(repository), {}
        if path.startswith("/git/ref/heads/"):
            commit = repository.branch(unquote(path.removeprefix("/git/ref/heads/")))
            return (200, {"object": {"sha": commit}}, {}) if commit else (404, {"message": "Not Found"}, {})
        if path == "/pulls" and method == "GET":
            return 200, [pull for pull in self.pulls if _wanted(pull, repository, asked)], {}
        if path == "/pulls" and method == "POST":
            if login not in repository.writers:
                return 403, {"message": "Resource not accessible by personal access token"}, {}
            status, answer = self._open_pull(repository, json.loads(body))
            return status, answer, {}
        return 404, {"message": "Not Found"}, {}

    def _open_pull(self, repository: HostedRepository, wanted: dict[str, Any]) -> tuple[int, Any]:
        head, base = repository.branch(wanted["head"]), repository.branch(wanted["base"])
        if not head or not base:
            field = "base" if head else "head"
            return _unprocessable({"resource": "PullRequest", "field": field, "code": "invalid"})
        if not git(repository.path, "rev-list", "--max-count=1", f"{base}..{head}"):
            return _unprocessable(_custom(f"No commits between {wanted['base']} and {wanted['head']}"))
        owner = repository.full_name.partition("/")[0]
        same = {"state": "open", "head": f"{owner}:{wanted['head']}", "base": wanted["base"]}
        if any(_wanted(pull, repository, same) for pull in self.pulls):
            return _unprocessable(_custom(f"A pull request already exists for {owner}:{wanted['head']}."))
        number = 1 + sum(pull["repo"] == repository.full_name for pull in self.pulls)
        self.pulls.append(
            {
                "repo": repository.full_name,
                "number": number,
                "html_url": f"{self.url}/{repository.full_name}/pull/{number}",
                "title": wanted["title"],
                "body": wanted.get("body"),
                "state": "open",
                "draft": bool(wanted.get("draft")),
                "head": {"ref": wanted["head"], "sha": head, "label": f"{owner}:{wanted['head']}"},
                "base": {"ref": wanted["base"], "sha": base},
                "created_at": "2026-01-02T03:04:05Z",
                "merged_at": None,
                "additions": 1,
                "deletions": 0,
            }
        )
        return 201, self.pulls[-1]

    def _repository_page(self, login: str | None, asked: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        if login is None:
            return 401, {"message": "Requires authentication"}, {}
        size, page = int(asked.get("per_page", 30)), int(asked.get("page", 1))
        rows = [self._row(one) for one in self.repositories.values()]
        part = rows[(page - 1) * size : page * size]
        address = f"{self.api_url}/user/repos?per_page={size}&page="
        links = [f'<{address}{page + 1}>; rel="next"'] if page * size < len(rows) else []
        links += [f'<{address}1>; rel="first"'] if page > 1 else []
        return 200, part, {"Link": ", ".join(links)} if links else {}

    def _row(self, repository: HostedRepository) -> dict[str, Any]:
        return {
            "name": repository.full_name.partition("/")[2],
            "full_name": repository.full_name,
            "html_url": f"{self.url}/{repository.full_name}",
            "clone_url": f"{self.url}/{repository.full_name}.git",
            "default_branch": repository.default_branch,
            "private": repository.private,
            "description": repository.description or None,
        }


def _wanted(pull: dict[str, Any], repository: HostedRepository, asked: dict[str, str]) -> bool:
    return (
        pull["repo"] == repository.full_name
        and asked.get("state", "open") in ("all", pull["state"])
        and asked.get("head", pull["head"]["label"]) == pull["head"]["label"]
        and asked.get("base", pull["base"]["ref"]) == pull["base"]["ref"]
    )


def _unprocessable(error: dict[str, str]) -> tuple[int, Any]:
    return 422, {"message": "Validation Failed", "errors": [error], "documentation_url": "https://docs.github.com/rest"}


def _custom(message: str) -> dict[str, str]:
    return {"resource": "PullRequest", "code": "custom", "message": message}


def _reset(request: Request) -> None:
    """Closes with RST instead of an answer."""
    request.close_connection = True
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()
