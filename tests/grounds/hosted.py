"""The product beside GitHub's stand-in: a person whose token is a canary, and a model that plays a script."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import docker
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Event

from tests.fakes.git_host import Request
from tests.fakes.github import Failure, GitHubStandIn
from tests.fakes.model_server import ModelServer, Say
from tests.fakes.viewer import Viewer
from tests.grounds.canary import Canary, below, container_pids, naming
from tests.grounds.person import Person, turn_ended
from tests.grounds.processes import as_command
from tests.grounds.product import Product, StartProduct
from tests.grounds.rest import Rest

FILES = {
    "AGENTS.md": "Run the tests with `python3 -B test_tea.py`.\n",
    "tea.py": "def minutes(kind):\n    return {'green': 3, 'black': 3}[kind]\n",
    "test_tea.py": "from tea import minutes\nassert minutes('black') == 4\nprint('all good')\n",
}
MODEL = "openai/gpt-5"
MODEL_KEY = "sk-CANARY-of-the-model-0123456789"


class WatchedGitHub(GitHubStandIn):
    """Calls `while_git` in the middle of each fetch and push of git: that is when the token is at work.

    `while_api` and `before_git` are called before a request of their kind is judged.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reset()

    def reset(self) -> None:
        """Nothing fails, nobody looks."""
        self.failures.clear()
        self.while_git: Callable[[], object] = lambda: None
        self.while_api: Callable[[], object] = lambda: None
        self.before_git: Callable[[], object] = lambda: None

    def serve_git(self, request: Request, path: str, query: str) -> None:
        self.before_git()
        super().serve_git(request, path, query)

    def _run_backend(self, request: Request, path: str, query: str, body: IO[bytes]) -> None:
        if request.command == "POST":
            self.while_git()
        super()._run_backend(request, path, query, body)

    def _failure(self, method: str, path: str) -> Failure | None:
        self.while_api()
        return super()._failure(method, path)


class Installation(NamedTuple):
    """A running product, the stand-ins that it knows, and the token that opens them."""

    product: Product
    github: WatchedGitHub
    model: ModelServer
    canary: Canary
    backend: str


@contextmanager
def installed(
    start_product: StartProduct, folder: Path, model: ModelServer, backend: str, apart: bool
) -> Iterator[Installation]:
    """A product whose GitHub (in `folder`) and model are stand-ins, and a token for Ada's two private repositories."""
    github, canary = WatchedGitHub(folder), Canary()
    with github:
        github.add_account("ada", canary.token)
        github.add_repository("ada/tea", FILES, private=True)
        github.add_repository("ada/other", {"secret.txt": "the other one\n"}, private=True)
        env = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": MODEL_KEY, "SANDBOX_BACKEND": backend}
        # The command itself: what it was started with is searched for the token too.
        product = start_product(apart=apart, env=env | github.environment(), run=as_command)
        yield Installation(product, github, model, canary, backend)


class Ground:
    """A person with the canary as token, on an installation, and everything that was said."""

    def __init__(self, installation: Installation, email: str = "ada@example.org") -> None:
        self.product, self.github, self.model, self.canary, self.backend = installation
        self.person, self.rest = Person(self.product, email), Rest(self.product, email)
        # The operator gives the model's key in the environment; from there on it goes to the provider only.
        self.key = Canary(MODEL_KEY)
        self._containers: list[Any] = []
        self.github.while_git = self.look_at_processes

    def look_at_processes(self) -> None:
        """The product itself may hold the token in memory while it uses it; nothing below it may, and no sandbox."""
        own = set(self.product.pids.values())
        inside = below(own) | (naming(self.product.folder) - own)
        for container in self.containers_now():
            inside |= container_pids(container)
        self.canary.look_at_processes(own, memory=False)
        self.canary.look_at_processes(inside, memory=True)
        self.key.look_at_processes(inside, memory=False)

    def containers_now(self) -> list[Any]:
        """The person's sandboxes, as far as they are containers."""
        if self.backend == "docker" and not self._containers:
            user_id = self.rest.get("/auth/me").body["user"]["id"]
            self._containers = docker.from_env().containers.list(filters={"label": f"lucid.user_id={user_id}"})
        return self._containers

    async def look_everywhere(self, session: pb.Session, viewer: Viewer) -> None:
        """All that is left of a run."""
        canary = self.canary
        self.look_at_processes()
        canary.look_at_folder(self.product.folder)
        for container in self.containers_now():
            canary.look_at_container(container, ["/workspace", "/var/lib/lucid", "/run/lucid"])
        canary.look("log:product", self.product.log)
        events = await self.person.log(session.session_id)
        self.key.look("log:product", self.product.log)
        self.key.look_at_all("event:log", [event.SerializeToString() for event in events])
        canary.look_at_all("event:log", [event.SerializeToString() for event in events])
        canary.look_at_all("event:watched", [event.SerializeToString() for event in viewer.events])
        canary.look_at_all("model:request", [f"{request.headers} {request.body}" for request in self.model.requests])
        for path in (f"/chats/{session.session_id}", f"/sessions/{session.session_id}/events", "/integrations"):
            self.rest.get(path)
        canary.look_at_all("rest:answer", self.rest.heard)
        wanted = {"memory", "cmdline", "environ", "file", "git object", "log", "event", "model", "rest"}
        assert wanted <= canary.looked_at | ({"git object"} if self.containers_now() else set())
        assert canary.found + self.key.found == []


def delete_sessions(ground: Ground) -> None:
    """Containers do not end with the product: they end with their sessions."""
    for session in ground.rest.get("/sessions").body["sessions"]:
        ground.rest.call("DELETE", f"/sessions/{session['sessionId']}")


def session_of(messages: list[dict[str, Any]]) -> str:
    """The session's id, as the model is told its branch."""
    found = re.search(r"lucid/(ses_\w+)/", str(messages[0]["content"]))
    assert found
    return found[1]


def steps_taken(messages: list[dict[str, Any]]) -> int:
    return sum(1 for message in messages if message["role"] == "tool")


def command(text: str) -> Say:
    return Say("Next.", calls=[("run_command", {"command": text})])


async def run(ground: Ground) -> tuple[pb.Session, Viewer]:
    """Token, list, session by address; to the end of the turn."""
    saved = ground.rest.post("/integrations", {"provider": "github", "token": ground.canary.token})
    assert (saved.status, saved.body["username"]) == (200, "ada"), saved.text
    repositories = ground.rest.get("/integrations/github/repos").body["repos"]
    assert {row["fullName"]: row["private"] for row in repositories} == {"ada/tea": True, "ada/other": True}
    body = {"task": "The tests fail. Mend it.", "repoUrl": f"{ground.github.url}/ada/tea", "model": MODEL}
    made = ground.rest.post("/sessions", body)
    assert made.status == 200, made.text
    viewer = Viewer(made.body["sessionId"])
    await ground.person.follow(viewer, turn_ended, patience=120)
    request = pb.GetSessionRequest(session_id=viewer.session_id)
    return (await ground.person.sessions.get_session(request)).session, viewer


def outputs(events: list[Event]) -> str:
    return "\n".join(
        (event.command_completed.head + event.command_completed.tail).decode(errors="replace") for event in events
    )
