"""What a demo session has changed: its patch makes the same tree, its steps can be gone back to, in the page too."""

import asyncio
import subprocess
import tempfile
from pathlib import Path

import pytest
from lucid.sessions.v1.event_pb2 import Event
from playwright.async_api import Page, expect

from tests.fakes.viewer import Viewer
from tests.grounds.page_user import PageUser
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
        git(Path(folder), "clone", "-q", str(workspace), str(clone))
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


async def test_a_person_looks_at_the_changes_and_rewinds_in_the_page(start_product: StartProduct, page: Page) -> None:
    product, _, session, _ = await worked(start_product)
    user = PageUser(page, product.base_url)
    await user.sign_in()
    await page.goto(f"{product.base_url}/sessions/{session}")
    changes = user.part("changes")
    await expect(changes).to_contain_text("2 files")
    await changes.click()
    await expect(user.part("changed-file")).to_have_count(2)
    await expect(user.part("changes-view")).to_contain_text("The countdown shows two digits")
    async with page.expect_download() as saved:
        await user.part("download-patch").click()
    text = await asyncio.to_thread(Path(await (await saved.value).path()).read_text)
    assert text.startswith("diff --git a/CHANGELOG.md b/CHANGELOG.md\n")
    await page.keyboard.press("Escape")
    card = user.part("diff-card").first
    await card.hover()
    await card.get_by_test_id("rewind").click()
    await expect(page.get_by_role("dialog")).to_contain_text("CHANGELOG.md")
    await user.part("confirm-rewind").click()
    await expect(user.part("rewind-line")).to_contain_text("one file")
    await expect(changes).to_contain_text("1 file")
    await user.part("undo-rewind").click()
    await expect(user.part("rewind-line")).to_have_count(2)
    await expect(changes).to_contain_text("2 files")
