"""What a demo session has changed: its patch makes the same tree, its steps can be gone back to."""

import asyncio
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from lucid.sessions.v1.event_pb2 import Event

from tests.fakes.viewer import Viewer
from tests.grounds.person import Person, turn_ended
from tests.grounds.product import Product, StartProduct
from tests.grounds.rest import Rest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


async def worked(start_product: StartProduct) -> tuple[Product, Person, str, str]:
    """A product whose demo session has had its turn: the session's id, and its sandbox's."""
    product = start_product(env={"SANDBOX_BACKEND": "bubblewrap"})
    person = Person(product)
    session = await person.seeded()
    await person.follow(Viewer(session.session_id), turn_ended, patience=150)
    return product, person, session.session_id, session.sandbox_id


def git(folder: Path, *arguments: str) -> str:
    line = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def edits(events: list[Event]) -> list[Event]:
    return [event for event in events if event.HasField("file_edited")]


async def test_the_patch_on_a_fresh_clone_is_the_tree_and_a_step_can_be_gone_back_to(
    start_product: StartProduct,
) -> None:
    product, person, session, sandbox = await worked(start_product)
    rest = Rest(product)
    workspace = product.data_dir / "sandboxes" / sandbox / "workspace" / "teatime"
    diff = (await asyncio.to_thread(rest.get, f"/sessions/{session}/diff")).body
    assert [file["path"] for file in diff["files"]] == ["CHANGELOG.md", "teatime/clock.py"]
    assert diff["totalFiles"] == 2
    patch = (await asyncio.to_thread(rest.get, f"/sessions/{session}/patch")).text
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        # A copy first: git clones nothing of another user's.
        shutil.copytree(workspace, Path(folder) / "copy", symlinks=True)
        git(Path(folder), "clone", "-q", "copy", str(clone))
        git(clone, "checkout", "-q", diff["baseCommit"])
        (Path(folder) / "session.patch").write_text(patch)
        git(clone, "apply", "--index", "../session.patch")
        assert git(clone, "write-tree") == diff["treeAfter"]
    first, *later = edits(await person.log(session))
    assert later
    changelog = (workspace / "CHANGELOG.md").read_text()
    done = await asyncio.to_thread(rest.post, f"/sessions/{session}/rewind", {"seq": first.seq, "key": "back"})
    assert done.body["files"] == 1
    assert (workspace / "CHANGELOG.md").read_text() != changelog
    assert ":02}" in (workspace / "teatime" / "clock.py").read_text()
    await asyncio.to_thread(rest.post, f"/sessions/{session}/rewind", {"checkpointId": done.body["undoCheckpointId"]})
    assert (workspace / "CHANGELOG.md").read_text() == changelog
