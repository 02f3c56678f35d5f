"""The loop on a private repository of GitHub's stand-in; its token is a canary that must be found nowhere."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import Event, FileEdited, TurnCompleted

from tests.fakes.git_host import git
from tests.fakes.github import GitHubStandIn
from tests.fakes.model_server import Say
from tests.grounds.hosted import Ground, command, outputs, run, session_of, steps_taken

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def work(messages: list[dict[str, Any]]) -> Say:
    """What a good model would do."""
    branch = f"lucid/{session_of(messages)}/fix"
    edit = {"command": "replace", "path": "tea.py", "old_text": "'black': 3", "new_text": "'black': 4"}
    push = f"git switch -qc {branch} && git add tea.py && git commit -qm 'Brew black tea for 4 minutes'"
    steps = [
        command("cat AGENTS.md && python3 -B test_tea.py"),
        Say("It fails. Black tea wants four.", calls=[("edit_file", edit)]),
        command("python3 -B test_tea.py"),
        command(f"{push} && git push -u origin {branch}"),
        Say("Pushed.", calls=[("open_pull_request", {"title": "Brew black tea for 4 minutes", "body": "Tested."})]),
        Say("Done.", calls=[("finish", {"summary": "Black tea takes 4 minutes now."})]),
    ]
    return steps[steps_taken(messages)]


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
