"""The git side of a provider: git's own http-backend behind a Basic token check, on a real socket."""

import base64
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from tests.grounds.ports import spare_port

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Host"), ("EMAIL", "host@lucid.invalid"))
}
# It offers what the gate must not pass on, so that its absence behind the gate proves something.
OFFERS = {"receive.advertisePushOptions": "true", "receive.certNonceSeed": "seed", "http.receivepack": "true"}


def git_environment() -> dict[str, str]:
    """For the host's own git."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", **IDENTITY}
    environment["GIT_CONFIG_COUNT"] = str(len(OFFERS))
    for number, (key, value) in enumerate(OFFERS.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return environment


def git(repository: Path, *arguments: str, given: bytes = b"") -> str:
    """Runs git in a bare repository of the host."""
    command = ["git", f"--git-dir={repository}", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, check=True, env=git_environment())
    return done.stdout.decode().strip()


@dataclass
class HostedRepository:
    """A bare repository with what the host knows about it."""

    full_name: str
    path: Path
    private: bool
    description: str = ""
    default_branch: str = "main"
    writers: set[str] = field(default_factory=set)

    def branch(self, name: str) -> str:
        """The commit of a branch; empty if there is none."""
        try:
            return git(self.path, "rev-parse", "--verify", "--quiet", f"refs/heads/{name}")
        except subprocess.CalledProcessError:
            return ""


def create_repository(root: Path, full_name: str, files: Mapping[str, str]) -> Path:
    """A bare repository with one commit of these files on main; none at all without files."""
    path = root / f"{full_name}.git"
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", str(path)], check=True)
    if files:
        for name, text in files.items():
            blob = git(path, "hash-object", "-w", "--stdin", given=text.encode())
            git(path, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
        commit = git(path, "commit-tree", git(path, "write-tree"), given=b"Begin\n")
        git(path, "update-ref", "refs/heads/main", commit)
    return path


class Request(BaseHTTPRequestHandler):
    """One request to the host. Subclasses of the server say what it means."""

    protocol_version = "HTTP/1.1"
    server: "HostServer"

    def do_GET(self) -> None:
        self.server.host.handle(self)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def log_message(self, *_: Any) -> None:
        """Silent; requests are kept by the host."""

    def read_body(self) -> IO[bytes]:
        """The whole body, chunked or not, in a file."""
        body = tempfile.TemporaryFile()  # noqa: SIM115 - closed by its last reader
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            for piece in self._chunks():
                body.write(piece)
        else:
            left = int(self.headers.get("Content-Length") or 0)
            while left and (piece := self.rfile.read(min(left, 65536))):
                body.write(piece)
                left -= len(piece)
        body.seek(0)
        return body

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def answer(self, status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """A whole answer."""
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class HostServer(ThreadingHTTPServer):
    """Knows its host."""

    daemon_threads = True
    host: "GitHost"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is no news here; everything else is."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handle_error(request, client_address)


class GitHost:
    """Repositories below `folder`, tokens by account. Use as a context; `url` is where it listens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokens: dict[str, str] = {}
        self.repositories: dict[str, HostedRepository] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.git_failures: list[tuple[int, str]] = []
        self.git_user = "x-access-token"
        self.port = spare_port()
        self._server = HostServer(("127.0.0.1", self.port), Request)
        self._server.host = self

    @property
    def url(self) -> str:
        """For GITHUB_URL."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "GitHost":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add_repository(
        self, full_name: str, files: Mapping[str, str], private: bool = True, writers: set[str] | None = None
    ) -> HostedRepository:
        """Makes one; its owner may write unless `writers` says otherwise."""
        path = create_repository(self.folder, full_name, files)
        may_write = {full_name.partition("/")[0]} if writers is None else writers
        repository = HostedRepository(full_name, path, private, writers=may_write)
        self.repositories[full_name] = repository
        return repository

    def handle(self, request: Request) -> None:
        """Serves one request."""
        path, _, query = request.path.partition("?")
        self.requests.append((request.command, request.path, dict(request.headers.items())))
        self.serve_git(request, path, query)

    def serve_git(self, request: Request, path: str, query: str) -> None:
        """Smart HTTP."""
        body = request.read_body()
        full_name, _, endpoint = unquote(path).lstrip("/").partition(".git/")
        repository = self.repositories.get(full_name)
        pushes = "receive-pack" in endpoint or "receive-pack" in query
        login = self._login(request)
        if self.git_failures:
            status, echo = self.git_failures.pop(0)
            headers = {"Location": f"{self.url}/elsewhere.git/{endpoint}"} if 300 <= status < 400 else {}
            request.answer(status, f"{echo} {request.headers.get('Authorization')}".encode(), "text/plain", headers)
        elif login is None and (
            request.headers.get("Authorization") or repository is None or repository.private or pushes
        ):
            request.answer(401, b"Authentication required", "text/plain", {"WWW-Authenticate": 'Basic realm="git"'})
        elif repository is None:
            request.answer(404, b"Not Found", "text/plain")
        elif pushes and login not in repository.writers:
            request.answer(403, b"Permission denied", "text/plain")
        else:
            self._run_backend(request, path, query, body)

    def _login(self, request: Request) -> str | None:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Basic":
            return None
        user, _, token = base64.b64decode(value).decode().partition(":")
        return self.tokens.get(token) if user == self.git_user else None

    def _run_backend(self, request: Request, path: str, query: str, body: IO[bytes]) -> None:
        environment = git_environment() | {
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": unquote(path),
            "QUERY_STRING": query,
            "REQUEST_METHOD": request.command,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "host",
        }
        done = subprocess.run(["git", "http-backend"], stdin=body, capture_output=True, env=environment, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200").split()[0])
        request.answer(status, content, headers.pop("Content-Type", "text/plain"), headers)
