"""The form for a session's environment: what is wrong in it is said, the rest is what the sandbox is made with."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.fakes.model_server import ModelServer, Say
from tests.grounds.page_user import PageUser
from tests.grounds.product import StartProduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]
# Where a value could be left behind.
_ALL = """() => JSON.stringify([document.documentElement.outerHTML,
  [...document.querySelectorAll('input, textarea')].map((field) => field.value), {...localStorage}])"""
SETUP = "echo made for $WHO $MORE >prepared.txt\ncat prepared.txt"


def script(messages: list[dict[str, Any]]) -> Say:
    if messages[-1]["role"] == "tool":
        return Say("Looked.", calls=[("finish", {"summary": "Looked."})])
    return Say("I look.", calls=[("run_command", {"command": "echo again $(cat prepared.txt)"})])


async def test_an_environment(start_product: StartProduct, page: Page) -> None:
    with ModelServer(script) as model:
        env = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": "sk-test", "DEFAULT_MODEL": "openai/gpt-5"}
        product = start_product(env=env | {"SANDBOX_BACKEND": "bubblewrap"})
        user = PageUser(page, product.base_url)
        await user.sign_in()
        await user.fill_in("Look around.", repository="lucid/teatime")
        await user.part("advanced-environment").click()
        await expect(user.part("environment")).to_contain_text("no images here")
        await set_for_the_repository(user)
        await user.part("environment-setup").fill(SETUP)
        await user.part("environment-minutes").fill("5")
        alert = page.locator("form").get_by_role("alert")

        await user.part("environment-variables").fill("WHO=somebody\nno variable")
        await expect(alert).to_have_text("Variables, line 2: NAME=value is expected.")
        await expect(user.part("start-session")).to_be_disabled()

        await user.part("environment-variables").fill("PATH=/tmp")
        await user.part("start-session").click()
        await expect(alert).to_contain_text("PATH is set by Lucid")

        await user.part("environment-variables").fill("# for this one\nMORE=once")
        await user.press_start()
        await user.phase("completed")
        cards = [card for card in await user.cards() if card.kind == "command"]
        assert [(card.text, card.note) for card in cards][-2:] == [
            ("made for hidden-value once", "exit 0"),
            ("again made for hidden-value once", "exit 0"),
        ]


async def set_for_the_repository(user: PageUser) -> None:
    """A value goes in and is shown to nobody again; saved once more it stays."""
    page, known = user.page, user.part("repository-environment")
    await expect(known).to_contain_text("Set for lucid/teatime: nothing.")
    dialog = page.get_by_role("dialog")
    for number in range(2):
        await user.part("edit-repository-environment").click()
        variables = dialog.get_by_test_id("environment-variables")
        await expect(variables).to_have_value("WHO" if number else "")
        if not number:
            await variables.fill("WHO=hidden-value")
        await user.part("save-environment").click()
        await expect(dialog).to_have_count(0)
        await expect(known).to_contain_text("Set for lucid/teatime: variables WHO.")
    assert "hidden-value" not in await page.evaluate(_ALL)
