"""Cards that ask: a command that must be allowed, in two tabs at once; a budget that is used up, and raised."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.e2e.test_browser_queue import environment
from tests.fakes.model_server import ModelServer, Say
from tests.grounds.page_user import PageUser
from tests.grounds.product import StartProduct
from tests.grounds.rest import Rest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def script(messages: list[dict[str, Any]]) -> Say:
    """Runs two commands, then says what became of them."""
    results = [str(message["content"]) for message in messages if message["role"] == "tool"]
    if len(results) < 2:
        return Say(calls=[("run_command", {"command": f"echo number {len(results) + 1}"})])
    return Say("Results: " + " / ".join(" ".join(result.split())[:80] for result in results))


async def choose(user: PageUser, mode: str = "", steps: str = "") -> None:
    """Opens the fold of a new session and chooses in it."""
    await user.part("advanced").click()
    if mode:
        await user.page.get_by_role("radio", name=mode).check(force=True)
    await user.part("budget-steps").fill(steps)


async def test_the_first_decision_stands_in_every_tab(start_product: StartProduct, page: Page) -> None:
    with ModelServer(script) as model:
        product = start_product(env=environment(model))
        user = PageUser(page, product.base_url)
        await user.sign_in()
        await user.fill_in("Two commands.")
        await choose(user, mode="Always")
        session_id = await user.press_start()
        card = user.part("question")
        await expect(card).to_have_attribute("data-kind", "command")
        await expect(card).to_contain_text("echo number 1")
        await user.phase("waiting_approval")
        await expect(user.part("command")).to_have_count(0)

        other = PageUser(await page.context.new_page(), product.base_url)
        held = await other.hold("ResolveApproval")
        await other.open(session_id)
        await other.part("question").get_by_role("button", name="Yes", exact=True).click()
        await page.reload()
        await card.get_by_role("button", name="Add a note").click()
        await user.part("question-text").fill("the second one is enough")
        await card.get_by_role("button", name="No", exact=True).click()
        for tab in (user, other):
            await expect(tab.part("question-answer").first).to_have_text("No: the second one is enough")
            await expect(tab.part("question").first).to_contain_text("by you")
            await expect(tab.part("question").first.get_by_role("button", name="No", exact=True)).to_have_count(0)
        await held[0].continue_()
        await expect(other.part("question").first.get_by_role("status")).to_contain_text("the first answer stands")

        # The second command: Enter takes the default.
        second = user.part("question").nth(1)
        await expect(second).to_contain_text("echo number 2")
        await second.get_by_role("button", name="Yes", exact=True).focus()
        await page.keyboard.press("Enter")
        await expect(user.part("command-exit")).to_have_text("exit 0")
        await expect(user.part("answer").last).to_contain_text("number 2")
        await user.phase("completed")
        log = Rest(product).get(f"/sessions/{session_id}/events?limit=1000").body["events"]
    assert [event["approvalResolved"]["optionId"] for event in log if "approvalResolved" in event] == ["no", "yes"]
    assert [event["commandStarted"]["command"] for event in log if "commandStarted" in event] == ["echo number 2"]


async def test_a_budget_asks_and_is_raised(start_product: StartProduct, page: Page) -> None:
    with ModelServer(script) as model:
        user = PageUser(page, start_product(env=environment(model)).base_url)
        await user.sign_in()
        await user.fill_in("Two commands.")
        await choose(user, steps="many")
        await expect(user.part("start-session")).to_be_disabled()
        await user.part("budget-steps").fill("1")
        await user.press_start()
        card = user.part("question").last
        await expect(card).to_have_attribute("data-kind", "budget")
        await expect(card).to_contain_text("The steps of this turn are used up")
        await page.reload()
        await card.get_by_role("button", name="Go on").click()
        await expect(user.part("question")).to_have_count(2)

        # More of it in the session's settings: the card that waits is not needed any more.
        await user.part("session-menu").click()
        await user.part("menu-settings").click()
        await expect(user.part("budget-steps")).to_have_value("1")
        await user.part("budget-steps").fill("50")
        await user.part("save-settings").click()
        await expect(page.get_by_role("log")).to_contain_text("budget 50 steps a turn")
        await expect(card.get_by_role("button", name="Go on")).to_have_count(0)
        await expect(user.part("answer").last).to_contain_text("number 2")
        await user.phase("completed")

        await expect(user.part("usage")).to_be_visible()
        await user.part("usage").click()
        rows = page.get_by_role("table").locator("tbody tr")
        await expect(rows).to_have_count(3)
        await page.keyboard.press("Escape")
        await expect(rows.first).not_to_be_visible()
