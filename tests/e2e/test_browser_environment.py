"""The form for a session's environment: what is wrong in it is said, the rest is what the sandbox is made with."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.fakes.model_server import ModelServer, Say
from tests.grounds.page_user import PageUser
from tests.grounds.product import StartProduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]
SETUP = "echo made for $WHO >prepared.txt\ncat prepared.txt"


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
        await user.part("environment-setup").fill(SETUP)
        await user.part("environment-minutes").fill("5")
        alert = page.locator("form").get_by_role("alert")

        await user.part("environment-variables").fill("WHO=somebody\nno variable")
        await expect(alert).to_have_text("Variables, line 2: NAME=value is expected.")
        await expect(user.part("start-session")).to_be_disabled()

        await user.part("environment-variables").fill("PATH=/tmp")
        await user.part("start-session").click()
        await expect(alert).to_contain_text("PATH is set by Lucid")

        await user.part("environment-variables").fill("# who it is for\nWHO=somebody")
        await user.press_start()
        await user.phase("completed")
        cards = [card for card in await user.cards() if card.kind == "command"]
        assert [(card.text, card.note) for card in cards][-2:] == [
            ("made for somebody", "exit 0"),
            ("again made for somebody", "exit 0"),
        ]
