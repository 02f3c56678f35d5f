"""The GitHub token in the settings: saved, shown masked with its owner, refused in words, cleared; never whole."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.fakes.github import GitHubStandIn
from tests.grounds.page_user import PageUser
from tests.grounds.product import StartProduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]
TOKEN = "ghp_" + "GoodToken4711" * 2 + "aB3xYz"
REFUSED = "ghp_" + "WrongToken0815" * 2 + "qW7e"

# Everything the page holds where a token could be left behind: the DOM, field values, stores, the address.
_ALL = """() => JSON.stringify([
  document.documentElement.outerHTML, [...document.querySelectorAll('input, textarea')].map((field) => field.value),
  {...localStorage}, {...sessionStorage}, location.href, document.cookie, history.state])"""


async def holds(page: Page, secret: str) -> bool:
    return secret in await page.evaluate(_ALL)


async def test_a_github_token(start_product: StartProduct, page: Page, tmp_path: Path) -> None:
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    with GitHubStandIn(tmp_path / "github") as github:
        github.add_account("ada-lovelace", TOKEN)
        github.add_repository("ada-lovelace/engine", {"README.md": "An engine.\n"}, private=True)
        user = PageUser(page, start_product(env=github.environment()).base_url)
        await user.sign_in()
        await page.goto(f"{user.base_url}/settings")

        await user.part("github-token-input").fill(REFUSED)
        await user.part("github-token-save").click()
        panel = page.get_by_label("GitHub token")
        await expect(panel.get_by_role("alert")).to_contain_text("refused this token")
        await expect(user.part("github-token-hint")).to_have_count(0)

        await user.part("github-token-input").fill(TOKEN)
        await user.part("github-token-save").click()
        await expect(user.part("github-token-hint")).to_have_text(f"••••{TOKEN[-4:]}")
        await expect(panel).to_contain_text("ada-lovelace")
        await expect(panel).to_contain_text("repo, workflow")
        await expect(user.part("github-token-input")).to_have_value("")
        assert not await holds(page, TOKEN)

        await page.reload()
        await expect(user.part("github-token-hint")).to_have_text(f"••••{TOKEN[-4:]}")
        assert not await holds(page, TOKEN)
        assert not await holds(page, REFUSED)
        await user.part("new-session").first.click()
        await user.part("repo-picker").fill("engine")
        await expect(user.part("repo-option").filter(has_text="ada-lovelace/engine")).to_contain_text("private")

        await page.goto(f"{user.base_url}/settings")
        await user.part("github-token-clear").click()
        await expect(user.part("github-token-hint")).to_have_count(0)
        await expect(panel).not_to_contain_text("ada-lovelace")
        await page.reload()
        await expect(user.part("github-token-save")).to_be_visible()
        await expect(user.part("github-token-hint")).to_have_count(0)
    assert not [address for address in addresses if TOKEN in address or REFUSED in address]
