"""A terminal of the person's own beside the agent's commands; and what the agent leaves running in the background."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.fakes.model_server import ModelServer, Say
from tests.grounds.page_user import PageUser
from tests.grounds.product import StartProduct
from tests.grounds.rest import Rest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
SERVE = "for n in $(seq 100000); do echo tick $n; sleep 0.1; done"


def agent(messages: list[dict[str, Any]]) -> Say:
    """Starts something that does not end, looks at it, and is done; the second time it ends it."""
    told = "\n".join(str(message["content"]) for message in messages if message["role"] == "tool")
    asked = [str(message["content"]) for message in messages if message["role"] == "user"]
    [key] = set(re.findall(r"itm_\w+c", told)) or {""}
    if not key:
        return Say(calls=[("run_command", {"command": SERVE, "background": True})])
    if "It still runs." not in told:
        return Say(calls=[("read_output", {"command_id": key, "wait_seconds": 1})])
    if "stop it" in asked[-1] and "It was stopped." not in told:
        return Say(calls=[("stop_background", {"command_id": key})])
    return Say("It was stopped." if "stop it" in asked[-1] else "It ticks.")


def environment(model: ModelServer) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": f"{model.url}/v1",
        "OPENAI_API_KEY": "sk-test",
        "DEFAULT_MODEL": "openai/gpt-5",
        "TITLE_MODEL": "none",
        "SANDBOX_BACKEND": "bubblewrap",
    }


def lines(user: PageUser) -> Locator:
    """What the person's terminal shows."""
    return user.part("own-terminal").locator(".xterm-rows")


async def typed(user: PageUser, text: str) -> None:
    await user.part("own-terminal").locator("textarea").focus()
    await user.page.keyboard.type(text)
    await user.page.keyboard.press("Enter")


async def test_a_terminal_beside_the_agents_commands(start_product: StartProduct, page: Page) -> None:
    with ModelServer(agent) as model:
        product = start_product(env=environment(model))
        user = PageUser(page, product.base_url)
        await user.sign_in()
        session_id = await user.start("Let it tick.")
        await user.phase("completed")
        await expect(user.part("command-exit")).to_have_text(["in background"])
        await expect(page.locator(".pane-terminal .xterm-rows").first).to_contain_text("runs on in the background")

        await user.part("open-terminal").click()
        await expect(user.part("terminal-state")).to_have_attribute("data-state", "open")
        await typed(user, "echo $((6*7)) from here; pwd")
        await expect(lines(user)).to_contain_text("42 from here")
        await expect(lines(user)).to_contain_text("/workspace")
        await typed(user, "sleep 1000; echo slept $?")
        await page.keyboard.press("Control+c")
        await typed(user, "echo 'typed by hand' >hand.txt; clear; echo ready $((1+1))")
        await expect(lines(user)).to_contain_text("ready 2")

        # The agent's commands are still there, and its work goes on beside.
        await page.get_by_role("tab", name="Agent").click()
        await expect(page.locator(".pane-terminal .xterm-rows").first).to_contain_text("tick 1")
        await user.part("open-terminal").click()
        await expect(lines(user)).to_contain_text("ready 2")

        # A reload comes back to it.
        await typed(user, "echo before the reload $((3+3))")
        await expect(lines(user)).to_contain_text("before the reload 6")
        await page.reload()
        await user.part("open-terminal").click()
        await expect(lines(user)).to_contain_text("before the reload 6")

        # So does a service that was killed: the sandbox, and with it the terminal, goes on.
        product.kill9("all")
        await expect(user.part("terminal-state")).to_have_attribute("data-state", "away")
        product.restart()
        await expect(user.part("terminal-state")).to_have_attribute("data-state", "open", timeout=30_000)
        await typed(user, "cat hand.txt; echo after $((4+4))")
        await expect(lines(user)).to_contain_text("after 8")
        await expect(lines(user)).to_contain_text("typed by hand")

        await user.say("Now stop it.")
        await expect(user.part("answer").last).to_contain_text("It was stopped.")
        await typed(user, "pgrep -fc 'seq 100000' ; exit 3")
        await expect(user.part("terminal-state")).to_contain_text("exit 3")
        await user.part("another-terminal").click()
        await expect(user.part("terminal-state")).to_have_attribute("data-state", "open")
        await typed(user, "echo another $((5+5))")
        await expect(lines(user)).to_contain_text("another 10")
        await user.part("close-terminal").click()
        await expect(user.part("own-terminal")).to_have_count(0)
        await expect(user.part("open-terminal")).to_contain_text("Open a terminal")

        events = Rest(product).get(f"/sessions/{session_id}/events?limit=1000").body["events"]
        ended = [event["commandCompleted"]["reason"] for event in events if "commandCompleted" in event]
        assert ended == ["REASON_DETACHED"]


async def test_on_a_phone(start_product: StartProduct, page: Page) -> None:
    with ModelServer(agent) as model:
        user = PageUser(page, start_product(env=environment(model)).base_url)
        await user.sign_in()
        await user.start("Let it tick.")
        await user.phase("completed")
        await page.set_viewport_size({"width": 390, "height": 800})
        await page.get_by_role("tab", name="Terminal", exact=True).click()
        await user.part("open-terminal").click()
        await typed(user, "stty size; echo wide $((2+2))")
        await expect(lines(user)).to_contain_text("wide 4")
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
