"""Hostile text wherever text comes from: the model, commands, file names, titles, the person. It stays text."""

import json
from collections.abc import Sequence

import pytest
from playwright.async_api import Dialog, Page, Request, expect

from tests.fakes.model_server import ModelServer, Say
from tests.grounds.page_user import PageUser
from tests.grounds.product import StartProduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]
FAR = "http://evil.example"
MARKUP = (
    "<script>window.pwned=1;alert(1)</script>",
    "<img src=x onerror=window.pwned=1>",
    f"<img src={FAR}/pixel.png>",
    "<svg onload=window.pwned=1></svg>",
    f"<iframe src={FAR}/frame></iframe>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    f"<link rel=stylesheet href={FAR}/style.css>",
    f"<style>@import '{FAR}/import.css'; body{{display:none}}</style>",
    f"<object data={FAR}/object></object>",
    f"<form action={FAR}/form><button>Sign in</button></form>",
    "<details open ontoggle=window.pwned=1>x</details>",
    f"<base href={FAR}/>",
)
MARKDOWN = (
    "[a link](javascript:window.pwned=1)",
    "[a link](JaVaScRiPt:window.pwned=1)",
    "[a link](data:text/html,<script>parent.pwned=1</script>)",
    f"![a picture]({FAR}/markdown.png)",
    "<javascript:window.pwned=1>",
    f"[reference][r]\n\n[r]: javascript:window.pwned=1\n\n![p][p]\n\n[p]: {FAR}/reference.png",
)
TERMINAL = (
    f"\x1b]8;;javascript:window.pwned=1\x07CLICK-ME\x1b]8;;\x07 \x1b]8;;{FAR}/osc8\x1b\\GO-THERE\x1b]8;;\x1b\\",
    "\x1b]52;c;cHduZWQ=\x07\x1b]0;pwned title\x07\x1b]1337;File=inline=1:AAAA\x07",
    "\x1b[?1049h\x1b[2J\x1b[8mhidden\x1b[0m\x1b[?1049l\x9d52;c;cHduZWQ=\x9c",
)
ALL = (*MARKUP, *MARKDOWN, *TERMINAL)
NAME = "<img src=x onerror=window.pwned=1>.txt"

# Where a word stands in the terminal.
_PLACE = """(word) => {
  const walker = document.createTreeWalker(document.querySelector('.xterm-rows'), NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const at = node.data.indexOf(word);
    if (at < 0) continue;
    const range = document.createRange();
    range.setStart(node, at);
    range.setEnd(node, at + word.length);
    const {x, y, width, height} = range.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
  }
}"""

# Elements that no text may bring into the page: the page's own scripts and sheets are of its origin.
_FOREIGN = """() => [...document.querySelectorAll(
    'script:not([src]), iframe, object, embed, base, form[action], [onerror], [onload], [ontoggle]')]
  .concat([...document.querySelectorAll('img:not([src="/icon.svg"])')])
  .concat([...document.querySelectorAll('link, script')].filter((node) => !(node.href ?? node.src).startsWith(origin)))
  .map((element) => element.outerHTML.slice(0, 200))
  .concat([...document.querySelectorAll('a[href]')].map((link) => link.href).filter((href) => !/^https?:/.test(href)))
  .concat(window.pwned === undefined ? [] : ['a payload ran'])"""


class Guard:
    """Notes whatever a page should not do."""

    def __init__(self, page: Page, base_url: str) -> None:
        self._base_url = base_url
        self.seen: list[str] = []
        page.context.on("request", self._request)
        page.context.on("page", lambda other: self.seen.append(f"window {other.url}"))
        page.on("dialog", self._dialog)

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self._base_url, "data:image/", "blob:")):
            self.seen.append(request.url)

    async def _dialog(self, dialog: Dialog) -> None:
        self.seen.append(f"dialog {dialog.message}")
        await dialog.dismiss()


def says(payloads: Sequence[str]) -> list[Say]:
    """Everything a model can put a text into."""
    whole = "\n\n".join(payloads)
    printed = f"printf %s {shell_quoted(' '.join(payloads))}; echo; echo THE-END"
    steps = [{"text": text[:200], "status": "pending"} for text in MARKUP[:3]]
    return [
        Say(pieces=["Look: ", whole], calls=[("update_plan", {"steps": steps})]),
        Say("Now output.", calls=[("run_command", {"command": printed})]),
        Say("A file.", calls=[("edit_file", {"command": "create", "path": NAME, "content": whole})]),
        Say("Asking.", calls=[("ask_user", {"question": whole, "options": [MARKUP[1], MARKDOWN[0]]})]),
        Say(pieces=["The answer:\n\n", whole, "\n\nTHE-END"]),
    ]


def shell_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


async def test_hostile_text_stays_text(start_product: StartProduct, page: Page) -> None:
    with ModelServer(says(ALL)) as model:
        env = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": "sk-test", "DEFAULT_MODEL": "openai/gpt-5"}
        user = PageUser(page, start_product(env=env | {"SANDBOX_BACKEND": "bubblewrap"}).base_url)
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=user.base_url)
        guard = Guard(page, user.base_url)
        await user.sign_in()
        await user.start("\n\n".join((*MARKUP, *MARKDOWN)))
        await user.phase("waiting_user")
        assert await page.evaluate(_FOREIGN) == []
        await user.part("question").get_by_role("button").first.click()
        await user.phase("completed")
        await expect(user.part("answer").last).to_contain_text("THE-END")
        await expect(page.locator(".xterm-rows")).to_contain_text("THE-END")
        await check(user, guard)
        await page.reload()
        await expect(user.part("answer").last).to_contain_text("THE-END")
        await expect(page.locator(".xterm-rows")).to_contain_text("THE-END")
        await check(user, guard)


async def click_in_terminal(page: Page, word: str) -> None:
    """As a person would: the mouse rests on it first."""
    x, y = await page.evaluate(_PLACE, word)
    await page.mouse.move(x - 3, y)
    await page.mouse.move(x, y)
    await page.wait_for_timeout(200)
    await page.mouse.click(x, y)
    await page.wait_for_timeout(200)


async def check(user: PageUser, guard: Guard) -> None:
    """Shown as text, and nothing but shown."""
    page = user.page
    # The name of a file and the text of a diff are told as they are.
    await expect(user.part("diff-card").filter(has_text=NAME)).to_be_visible()
    await expect(page.get_by_role("button", name=NAME).first).to_be_visible()
    drawn = await user.part("diff-card").first.inner_text()
    assert MARKUP[0] in drawn, json.dumps(drawn[:500])
    await click_in_terminal(page, "CLICK-ME")
    await click_in_terminal(page, "GO-THERE")
    assert await page.locator(".output a, .xterm a").count() == 0
    assert "pwned" not in await page.title()
    assert await page.evaluate("navigator.clipboard.readText()") != "pwned"
    assert await page.evaluate(_FOREIGN) == []
    assert guard.seen == []
