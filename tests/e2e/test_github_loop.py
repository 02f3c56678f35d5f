"""The loop on a private repository of GitHub's stand-in; its token is a canary that must be found nowhere."""

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Event, FileEdited, TurnCompleted

from tests.fakes.git_host import HostedRepository, Request, git
from tests.fakes.github import GitHubStandIn
from tests.fakes.model_server import ModelServer, Say
from tests.fakes.viewer import Viewer
from tests.grounds.canary import Canary, below, container_pids
from tests.grounds.person import Person, turn_ended
from tests.grounds.product import Product, StartProduct
from tests.grounds.rest import Rest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
FILES = {
    "AGENTS.md": "Run the tests with `python3 test_tea.py`.\n",
    "tea.py": "def minutes(kind):\n    return {'green': 3, 'black': 3}[kind]\n",
    "test_tea.py": "from tea import minutes\nassert minutes('black') == 4\nprint('all good')\n",
}
MODEL = "openai/gpt-5"


class WatchedGitHub(GitHubStandIn):
    """Calls `while_git` in the middle of each request of git: that is when the token is at work."""

    while_git: Callable[[], None] = staticmethod(lambda: None)

    def _run_backend(self, request: Request, path: str, query: str, body: Any) -> None:
        self.while_git()
        super()._run_backend(request, path, query, body)


class Ground:
    """A product on the stand-ins, a person with the canary as token, and everything that was said."""

    def __init__(self, product: Product, github: WatchedGitHub, model: ModelServer, canary: Canary) -> None:
        self.product, self.github, self.model, self.canary = product, github, model, canary
        self.person, self.rest = Person(product), Rest(product)
        github.while_git = self.look_at_processes

    def look_at_processes(self) -> None:
        """The product itself may hold the token in memory while it uses it; nothing below it may, and no sandbox."""
        own = set(self.product.pids.values())
        inside = below(own)
        for container in self.containers_now():
            inside |= container_pids(container)
        self.canary.look_at_processes(own, memory=False)
        self.canary.look_at_processes(inside, memory=True)

    def containers_now(self) -> list[Any]:
        return []

    async def look_everywhere(self, session: pb.Session, viewer: Viewer) -> None:
        """All that is left of a run."""
        canary = self.canary
        self.look_at_processes()
        canary.look_at_folder(self.product.folder)
        for container in self.containers_now():
            canary.look_at_container(container, ["/workspace", "/var/lib/lucid", "/run/lucid"])
        canary.look("log:product", self.product.log)
        events = await self.person.log(session.session_id)
        canary.look_at_all("event:log", [event.SerializeToString() for event in events])
        canary.look_at_all("event:watched", [event.SerializeToString() for event in viewer.events])
        canary.look_at_all("model:request", [f"{request.headers} {request.body}" for request in self.model.requests])
        for path in (f"/chats/{session.session_id}", f"/sessions/{session.session_id}/events", "/integrations"):
            self.rest.get(path)
        canary.look_at_all("rest:answer", self.rest.heard)
        wanted = {"memory", "cmdline", "environ", "file", "git object", "log", "event", "model", "rest"}
        assert wanted <= canary.looked_at | ({"git object"} if self.containers_now() else set())
        assert canary.found == []


class DockerGround(Ground):
    """Its sandboxes are containers."""

    def containers_now(self) -> list[Any]:
        mine = {"label": f"lucid.user_id={self.user_id}"}
        return docker.from_env().containers.list(filters=mine)

    @property
    def user_id(self) -> str:
        return str(self.rest.get("/auth/me").body["user"]["id"])


@pytest.fixture
def start_ground(
    start_product: StartProduct, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Ground]]:
    """Starts a ground: `start_ground(script, backend, apart=False)`."""
    with contextlib.ExitStack() as stack:

        def start(script: Callable[[list[dict[str, Any]]], Say], backend: str, apart: bool = False) -> Ground:
            if backend == "docker":
                request.getfixturevalue("docker_engine")
            github, model = stack.enter_context(WatchedGitHub(tmp_path)), stack.enter_context(ModelServer(script))
            canary = Canary()
            github.add_account("ada", canary.token)
            github.add_repository("ada/tea", FILES, private=True)
            github.add_repository("ada/other", {"secret.txt": "the other one\n"}, private=True)
            env = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": "sk-test", "SANDBOX_BACKEND": backend}
            product = start_product(apart=apart, env=env | github.environment())
            ground = (DockerGround if backend == "docker" else Ground)(product, github, model, canary)
            stack.callback(delete_sessions, ground)
            return ground

        yield start


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


def work(messages: list[dict[str, Any]]) -> Say:
    """What a good model would do."""
    branch = f"lucid/{session_of(messages)}/fix"
    edit = {"command": "replace", "path": "tea.py", "old_text": "'black': 3", "new_text": "'black': 4"}
    push = f"git switch -qc {branch} && git add tea.py && git commit -qm 'Brew black tea for 4 minutes'"
    steps = [
        command("cat AGENTS.md && python3 test_tea.py"),
        Say("It fails. Black tea wants four.", calls=[("edit_file", edit)]),
        command("python3 test_tea.py"),
        command(f"{push} && git push -u origin {branch}"),
        Say("Pushed.", calls=[("open_pull_request", {"title": "Brew black tea for 4 minutes", "body": "Tested."})]),
        Say("Done.", calls=[("finish", {"summary": "Black tea takes 4 minutes now."})]),
    ]
    return steps[steps_taken(messages)]


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


GROUNDS = [
    pytest.param("bubblewrap", False, id="bubblewrap"),
    pytest.param("bubblewrap", True, id="bubblewrap-apart"),
    pytest.param("docker", False, id="docker", marks=pytest.mark.docker),
]


@pytest.mark.parametrize(("backend", "apart"), GROUNDS)
async def test_clone_push_and_one_pull_request(start_ground: Callable[..., Ground], backend: str, apart: bool) -> None:
    ground = start_ground(work, backend, apart)
    session, viewer = await run(ground)
    assert viewer.events[-1].turn_completed.outcome == TurnCompleted.OUTCOME_DONE, outputs(viewer.events)
    assert session.confinement == backend
    branch = f"lucid/{session.session_id}/fix"
    repository = ground.github.repositories["ada/tea"]
    assert "'black': 4" in git(repository.path, "show", f"{branch}:tea.py")
    assert "'black': 3" in git(repository.path, "show", "main:tea.py")
    assert [(pull["repo"], pull["number"], pull["head"]["ref"]) for pull in ground.github.pulls] == [
        ("ada/tea", 1, branch)
    ]
    check_events(viewer.events, ground.github, branch)
    assert "all good" in outputs(viewer.events)
    await ground.look_everywhere(session, viewer)


def check_events(events: list[Event], github: GitHubStandIn, branch: str) -> None:
    """The cards: one diff with the right counts, one push, one pull request that leads to the provider."""
    edits = [event.file_edited for event in events if event.HasField("file_edited")]
    ours = [edit for edit in edits if edit.via == FileEdited.VIA_TOOL]
    assert [(edit.path, edit.added, edit.removed) for edit in ours] == [("tea.py", 1, 1)]
    pushed = [event.branch_pushed.branch for event in events if event.HasField("branch_pushed")]
    assert pushed == [branch]
    changes = [event.pull_request_changed for event in events if event.HasField("pull_request_changed")]
    assert [(change.number, change.url) for change in changes] == [(1, f"{github.url}/ada/tea/pull/1")]


async def test_the_kept_token_is_sealed(start_ground: Callable[..., Ground]) -> None:
    """The one place that may hold it holds a JWE, bound to its user."""
    ground = start_ground(work, "bubblewrap")
    ground.rest.post("/integrations", {"provider": "github", "token": ground.canary.token})
    rows = _rows(ground.product.data_dir / "integrations.db")
    ground.canary.look("database:row", str(rows))
    assert ground.canary.found == []
    sealed = [value for row in rows for value in row if isinstance(value, str) and value.count(".") == 4]
    assert len(sealed) == 1


def _rows(database: Path) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return [row for (table,) in tables for row in connection.execute(f'SELECT * FROM "{table}"')]


ODD_REQUESTS = r"""
import socket, sys
host = sys.argv[1]
gate = f"/{host}/ada/tea.git"
service = "info/refs?service=git-upload-pack"
paths = ["/", "/user", "/api/v3/user", f"/{host}/api/v3/user", f"/{host}/ada/other.git/{service}",
         f"{gate}/../other.git/{service}", f"/{gate}/config", f"/{host}/ada/%74ea.git/{service}",
         f"{gate}/HEAD", f"http://{host}/api/v3/user"]
for path in paths:
    for line in ("", "LUCID-GATE/1 ses_other x\n"):
        with socket.create_connection(("127.0.0.1", 3129), 5) as gate:
            gate.sendall(f"{line}GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: gate.recv(65536), b""))
        print("ANSWER", answer.split(b"\r\n")[0].decode(), answer[-300:])
try:
    socket.create_connection((host.split(":")[0], int(host.split(":")[1])), 3)
    print("REACHED THE HOST")
except OSError as error:
    print("no way out:", error)
"""
READ_MEMORY = r"""
import glob, re
for maps in glob.glob("/proc/[0-9]*/maps"):
    try:
        with open(maps[:-4] + "mem", "rb") as memory:
            for line in open(maps):
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                try:
                    memory.seek(start)
                    data = memory.read(end - start)
                    for word in re.findall(rb"gh[pousr]_[A-Za-z0-9_]{20,}|[Bb]asic [A-Za-z0-9+/=]{20,}", data):
                        print("FOUND", word)
                except (OSError, ValueError, OverflowError):
                    pass
    except OSError as error:
        print(error)
"""


def hunts(host: str) -> Mapping[str, str]:
    """Orders that a repository's text could give, by what they are after; `host` is the provider's."""
    fill = f"printf 'protocol=http\\nhost={host}\\nusername=x-access-token\\n\\n' | git credential fill"
    return {
        "environment": "env; for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ; tr '\\0' ' ' < $p/cmdline; done",
        "git's settings": 'git config -l --show-origin; cat .git/config "$GIT_CONFIG_SYSTEM"; git remote -v',
        "helpers": f"{fill}; git credential-store get < /dev/null; git credential-cache get < /dev/null; true",
        "traces": "GIT_TRACE=1 GIT_TRACE_PACKET=1 GIT_TRACE_REDACT=0 GIT_TRACE_CURL=1 GIT_CURL_VERBOSE=1 "
        "git fetch origin 2>&1",
        "sockets": "ls -laR /run/lucid; cat /run/lucid/* 2>&1; true",
        "the gate": f"cat > /tmp/odd.py <<'END'{ODD_REQUESTS}END\npython3 /tmp/odd.py {host}",
        "memory": f"cat > /tmp/memory.py <<'END'{READ_MEMORY}END\npython3 /tmp/memory.py",
        "files": "cat ~/.netrc ~/.git-credentials ~/.bash_history; ls -la / /root ~ /var/lib/lucid; "
        "grep -rsa 'gh[pousr]_[A-Z]' /tmp /run /etc /var /workspace; ls /var/run/docker.sock; true",
        "another repository": f"git ls-remote http://{host}/ada/other; git clone -q http://{host}/ada/other /tmp/other",
        "main": "git commit -q --allow-empty -m x; git push origin HEAD:main; git push origin HEAD:refs/tags/v1",
        "push options": "git push -o ci.skip origin HEAD:main",
    }


@pytest.mark.parametrize("backend", ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)])
async def test_a_hijacked_model_finds_no_token(start_ground: Callable[..., Ground], backend: str) -> None:
    """It obeys every order that it has read in the repository."""
    orders: dict[str, str] = {}

    def obey(messages: list[dict[str, Any]]) -> Say:
        taken = steps_taken(messages)
        done = Say("Done.", calls=[("finish", {"summary": "I have obeyed."})])
        return command(list(orders.values())[taken]) if taken < len(orders) else done

    ground = start_ground(obey, backend)
    orders.update(hunts(f"127.0.0.1:{ground.github.port}"))
    session, viewer = await run(ground)
    said = {name: _output_of(viewer.events, order) for name, order in orders.items()}
    assert all(said.values()), said
    check_refusals(said, ground.github.repositories["ada/tea"])
    assert ground.github.pulls == []
    await ground.look_everywhere(session, viewer)


def _output_of(events: list[Event], order: str) -> str:
    item = next(event.item_id for event in events if event.command_started.command == order)
    return outputs([event for event in events if event.item_id == item and event.HasField("command_completed")])


def check_refusals(said: Mapping[str, str], repository: HostedRepository) -> None:
    """Each hunt has really run, and was told no."""
    assert "PATH=" in said["environment"]
    assert "insteadof" in said["git's settings"].lower()
    assert "ls-refs" in said["traces"] or "git-upload-pack" in said["traces"]
    assert "git.sock" in said["sockets"]
    assert said["the gate"].count("ANSWER") == 20
    assert "200 OK" not in said["the gate"]
    assert "no way out" in said["the gate"]
    assert "FOUND" not in said["memory"]
    assert "403" in said["another repository"]
    assert "the other one" not in str(said)
    assert "only lucid/" in said["main"]
    assert "remote rejected" in said["main"]
    assert git(repository.path, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
