"""A long session: its end first, what is older while one scrolls up; renamed in place, saved as a file, deleted."""

import threading
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.e2e.test_browser_queue import environment
from tests.fakes.model_server import ModelServer, Say
from tests.grounds.page_user import PageUser, cards_of
from tests.grounds.product import Product, StartProduct
from tests.grounds.rest import Rest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
STEPS = 60
_TOP = "([id]) => document.querySelector(`[data-seq='${id}']`)?.getBoundingClientRect().top"


def diligent(messages: list[dict[str, Any]]) -> Say:
    number = sum(message["role"] == "tool" for message in messages)
    if number < STEPS:
        return Say(f"Step {number}.", calls=[("run_command", {"command": f"echo line {number}"})])
    return Say("All done.")


async def test_older_history_comes_while_one_scrolls(start_product: StartProduct, page: Page, tmp_path: Path) -> None:
    with ModelServer(diligent) as model:
        product = start_product(env=environment(model))
        user = PageUser(page, product.base_url)
        await user.sign_in()
        session_id = await user.start("Many steps.")
        await user.phase("completed", patience=90)
    log = Rest(product).get(f"/sessions/{session_id}/events?limit=1000").body["events"]
    truth = cards_of(log)
    assert len(truth) > 2 * STEPS

    await page.reload()
    await user.phase("completed")
    await expect(user.part("answer").last).to_have_text("All done.")
    shown = await user.cards()
    assert 5 < len(shown) < len(truth) - 20
    assert shown == truth[-len(shown) :]
    await scroll_up(user)
    await user.unfold()
    assert await user.cards() == truth
    await expect(page.locator('[data-testid=message][data-role="user"]')).to_have_text("Many steps.")

    await rename(user)
    await save(user, product, session_id, tmp_path, len(log))
    await delete(user, product, session_id)


async def scroll_up(user: PageUser) -> None:
    """What one reads stays where it is when older cards come in above it."""
    scroller = user.page.get_by_role("log")
    before = await user.cards()
    seq = before[0].seq
    await scroller.evaluate("log => { log.scrollTop = 300; }")
    top = await user.page.evaluate(_TOP, [seq])
    await expect(user.part("thought").filter(has_text="Step 20.")).to_have_count(1)
    after = await user.cards()
    assert len(after) > len(before)
    assert after[-len(before) :] == before
    assert abs(await user.page.evaluate(_TOP, [seq]) - top) < 3
    assert await scroller.evaluate("log => log.scrollTop") > 1000


async def rename(user: PageUser) -> None:
    await user.part("session-title").dblclick()
    await user.part("title-field").fill("Never mind")
    await user.part("title-field").press("Escape")
    await expect(user.part("session-title")).to_have_text("Many steps.")
    await user.part("session-menu").click()
    await user.part("menu-rename").click()
    await user.part("title-field").fill("Sixty steps")
    await user.part("title-field").press("Enter")
    await expect(user.part("session-title")).to_have_text("Sixty steps")
    await user.page.get_by_role("button", name="Conversations").click()
    await expect(user.part("session-item")).to_contain_text("Sixty steps")
    await user.page.reload()
    await expect(user.part("session-title")).to_have_text("Sixty steps")


async def save(user: PageUser, product: Product, session_id: str, folder: Path, events: int) -> None:
    await user.part("session-menu").click()
    async with user.page.expect_download() as download:
        await user.part("menu-export").click()
    file = await download.value
    assert file.suggested_filename == f"{session_id}.jsonl"
    await file.save_as(folder / "session.jsonl")
    lines = (folder / "session.jsonl").read_text().splitlines()
    # A header, every event (the new title is one), an end.
    assert len(lines) == events + 3
    assert Rest(product).get(f"/sessions/{session_id}/export").text.splitlines()[1:-1] == lines[1:-1]


async def delete(user: PageUser, product: Product, session_id: str) -> None:
    await user.part("session-menu").click()
    await user.part("menu-delete").click()
    await user.page.get_by_role("button", name="Cancel").click()
    assert Rest(product).get(f"/sessions/{session_id}/events").status == 200
    await user.part("session-menu").click()
    await user.part("menu-delete").click()
    await user.part("confirm-delete").click()
    await user.page.wait_for_url(f"{user.base_url}/")
    await expect(user.part("session-item")).to_have_count(0)
    assert Rest(product).get(f"/sessions/{session_id}/events").status == 404


async def test_what_runs_is_shown_also_where_it_began_long_ago(start_product: StartProduct, page: Page) -> None:
    """A command that began before the window goes on in it: its beginning is sent first, with its output so far."""
    over = threading.Event()

    def script(messages: list[dict[str, Any]]) -> Say:
        if any(message["role"] == "tool" for message in messages):
            over.set()
            return Say("It is over.")
        return Say(calls=[("run_command", {"command": "echo begun; sleep 12; echo ended"})])

    with ModelServer(script) as model:
        product = start_product(env=environment(model))
        user = PageUser(page, product.base_url)
        await user.sign_in()
        session_id = await user.start("Run it.")
        await expect(user.part("command-output")).to_contain_text("begun")
        rest = Rest(product)
        for number in range(60):
            sent = rest.post(f"/sessions/{session_id}/messages", {"content": f"note {number}", "delivery": "steer"})
            assert sent.body["queued"] is True
        await page.reload()
        await expect(user.part("command-output")).to_have_text("begun")
        await expect(user.part("queue-chip")).to_have_count(60)
        assert not over.is_set(), "the command was over too early"
        await expect(user.part("command-output")).to_contain_text("ended", timeout=30_000)
        await user.phase("completed")
        await user.unfold()
        log = rest.get(f"/sessions/{session_id}/events?limit=1000").body["events"]
        assert await user.cards() == cards_of(log)
        await expect(user.part("queue-chip")).to_have_count(0)
