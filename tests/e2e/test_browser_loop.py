"""The seeded task in a real browser, from the sign-in to the merge: in one process, apart, and in a container."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import docker
import pytest
from playwright.async_api import Page, expect

from tests.grounds.page_user import PAINT_WATCH, Card, PageUser, cards_of, grown
from tests.grounds.product import Product, StartProduct
from tests.grounds.rest import Rest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
TASK = "Mend the bug that ISSUE.md describes, and open a pull request."


def git(product: Product, *arguments: str) -> str:
    """Asks the bare repository, past everything of ours."""
    repository = product.data_dir / "repos/lucid/teatime.git"
    command = ["git", "-c", "safe.directory=*", f"--git-dir={repository}", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def suite_passes(product: Product, folder: Path) -> bool:
    """Clones the main branch and runs its own tests, outside of everything."""
    source = product.data_dir / "repos/lucid/teatime.git"
    clone = ["git", "-c", "safe.directory=*", "clone", "-q", "--branch", "main", str(source), str(folder)]
    subprocess.run(clone, check=True, timeout=30)
    tests = [sys.executable, "-m", "unittest"]
    ran = subprocess.run(tests, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert re.search(r"Ran [1-9]\d* tests?", ran.stderr), ran.stderr
    return ran.returncode == 0


@pytest.mark.parametrize("form", ["embedded", "apart"])
async def test_the_loop_under_bubblewrap(form: str, start_product: StartProduct, page: Page, tmp_path: Path) -> None:
    product = start_product(apart=form == "apart", env={"SANDBOX_BACKEND": "bubblewrap"})
    user = PageUser(page, product.base_url)
    await walk(user, product, "bubblewrap", tmp_path)


@pytest.mark.docker
async def test_the_loop_in_a_container(
    start_product: StartProduct, page: Page, tmp_path: Path, docker_engine: docker.DockerClient
) -> None:
    product = start_product(env={"SANDBOX_BACKEND": "docker"})
    user = PageUser(page, product.base_url)
    walking = asyncio.ensure_future(walk(user, product, "docker", tmp_path))
    containers: list[Any] = []
    while not containers and not walking.done():
        await asyncio.sleep(0.2)
        of_session: dict[str, str | list[str] | bool] = {"label": f"lucid.session_id={page.url.rpartition('/')[2]}"}
        containers = await asyncio.to_thread(docker_engine.containers.list, filters=of_session)
    session_id = await walking
    assert len(containers) == 1
    Rest(product).call("DELETE", f"/sessions/{session_id}")
    for _ in range(100):
        if not docker_engine.containers.list(all=True, filters={"label": f"lucid.session_id={session_id}"}):
            break
        await asyncio.sleep(0.1)
    else:
        pytest.fail("the container outlived its session")


async def walk(user: PageUser, product: Product, confinement: str, folder: Path) -> str:
    """From nothing to the merge; the session's id."""
    await user.page.add_init_script(PAINT_WATCH)
    assert not suite_passes(product, folder / "before")
    await user.sign_in()
    session_id = await user.start(TASK, repository="lucid/teatime")
    await user.phase("completed", patience=90)
    await expect(user.part("confinement")).to_have_text(confinement)
    await expect(user.part("demo-badge")).to_be_visible()
    await check_paints(user)
    await check_diffs(user, product, session_id)
    await expect(user.part("plan")).to_have_count(1)
    await expect(user.part("plan").get_by_label("done", exact=True)).to_have_count(4)
    await merge(user, product, folder)
    return session_id


async def check_paints(user: PageUser) -> None:
    seen = await user.page.evaluate("window.lucidSeen")
    assert grown(seen["frames"]) > 20
    outputs = next(outputs for command, outputs in seen["running"].items() if "unittest" in command)
    assert "test_" in outputs[0], "the tests' output was not to be seen before the command had ended"


async def check_diffs(user: PageUser, product: Product, session_id: str) -> None:
    log = Rest(product).get(f"/sessions/{session_id}/events?limit=1000").body["events"]
    shown = await user.cards()
    assert shown == cards_of(log)
    branch = next(event["branchPushed"] for event in log if "branchPushed" in event)
    numstat = git(product, "show", "--numstat", "--format=", branch["commit"]).splitlines()
    counts = {path: f"+{added} −{removed}" for added, removed, path in (line.split("\t") for line in numstat)}
    assert counts
    assert {card.title: card.note for card in shown if card.kind == "diff-card"} == counts
    for card in shown:
        if card.kind == "diff-card":
            assert await lines_on_screen(user, card) == [int(number) for number in re.findall(r"\d+", card.note)]


async def lines_on_screen(user: PageUser, card: Card) -> list[int]:
    """How many lines of the drawn diff are green, and red."""
    diff = user.part("diff-card").and_(user.page.locator(f'[data-seq="{card.seq}"]'))
    await diff.locator(".diff-code").first.wait_for()
    return [await diff.locator(f"td.diff-code-{kind}").count() for kind in ("insert", "delete")]


async def merge(user: PageUser, product: Product, folder: Path) -> None:
    await expect(user.part("pr-card")).to_have_count(1)
    await expect(user.part("pr-card").get_by_test_id("pr-state")).to_have_text("Open")
    assert not suite_passes(product, folder / "opened")
    await user.part("pr-link").click()
    await user.page.wait_for_url(re.compile(r"/pulls/local/lucid/teatime/1$"))
    await expect(user.page.locator(".diff-code-insert").first).to_be_visible()
    await user.part("pr-merge").click()
    await expect(user.part("pr-state")).to_have_text("Merged")
    assert suite_passes(product, folder / "merged")
    await user.page.go_back()
    await expect(user.part("pr-card").get_by_test_id("pr-state")).to_have_text("Merged")
