"""Somebody in front of the page: does what a person does, and reads what a person sees."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Locator, Page, Route, expect

PATIENCE = 60.0

# Reads the cards of the conversation in their order on the screen.
_CARDS = """() => [...document.querySelectorAll(
    '[data-testid=thought], [data-testid=answer], [data-testid=command], [data-testid=diff-card]')].map((card) => {
  const kind = card.dataset.testid;
  const texts = (selector) => [...card.querySelectorAll(selector)].map((part) => part.innerText).join('\\n');
  const seq = Number(card.dataset.seq ?? 0);
  if (kind === 'command') {
    return {kind, seq, text: texts('[data-testid=command-output]'), title: texts('.command-text'),
            note: texts('[data-testid=command-exit]')};
  }
  if (kind === 'diff-card') {
    return {kind, seq, text: '', title: texts('.diff-card-path'),
            note: texts('[data-testid=diff-added]') + ' ' + texts('[data-testid=diff-removed]')};
  }
  return {kind, seq, text: texts('.markdown'), title: '', note: ''};
})"""

# Keeps, for every frame that is painted, how much text the cards in progress show; and what a running command shows.
PAINT_WATCH = """(() => {
  const seen = window.lucidSeen = {frames: [], running: {}};
  let waiting = false;
  const look = () => {
    waiting = false;
    const open = [...document.querySelectorAll(':is([data-testid=thought], [data-testid=answer]):not([data-seq])')];
    const shown = open.at(-1)?.querySelector('.markdown')?.textContent.length;
    if (shown) seen.frames.push(shown);
    for (const card of document.querySelectorAll('[data-testid=command]')) {
      const output = card.querySelector('[data-testid=command-output]')?.textContent ?? '';
      if (output === '' || card.querySelector('[data-testid=command-exit]')) continue;
      (seen.running[card.querySelector('.command-text').textContent] ??= []).push(output);
    }
  };
  new MutationObserver(() => {
    if (!waiting) requestAnimationFrame(look);
    waiting = true;
  }).observe(document, {childList: true, subtree: true, characterData: true});
})()"""


@dataclass(frozen=True)
class Card:
    """One card: `seq` 0 while it is in progress. `title`: command or path. `note`: the exit badge, or the counts."""

    kind: str
    seq: int
    text: str
    title: str = ""
    note: str = ""


class PageUser:
    """One tab of a running product."""

    def __init__(self, page: Page, base_url: str) -> None:
        self.page = page
        self.base_url = base_url

    def part(self, name: str) -> Locator:
        """A part of the page by its test id."""
        return self.page.get_by_test_id(name)

    async def sign_in(self, email: str = "ada@example.org") -> None:
        await self.page.goto(self.base_url)
        await self.part("sign-in-email").fill(email)
        await self.part("sign-in-submit").click()
        await self.part("new-session").first.wait_for()

    async def fill_in(self, task: str, model: str = "", repository: str = "") -> None:
        """Everything of a new session but its start; without a repository an empty workspace."""
        await self.page.goto(self.base_url)
        await self.part("new-session").first.click()
        if repository:
            await self.part("repo-picker").fill(repository)
            await self.part("repo-option").filter(has_text=repository).first.click()
        await self.part("task-input").fill(task)
        if model:
            chosen = self.page.get_by_label("Model", exact=True).locator("option", has_text=model).first
            await self.page.get_by_label("Model", exact=True).select_option(await chosen.get_attribute("value"))

    async def press_start(self) -> str:
        """Starts what is filled in; the new session's id."""
        await self.part("start-session").click()
        await self.page.wait_for_url(re.compile(r"/sessions/ses_"))
        return self.page.url.rpartition("/")[2]

    async def start(self, task: str, model: str = "", repository: str = "") -> str:
        """A new session; its id."""
        await self.fill_in(task, model, repository)
        return await self.press_start()

    async def open(self, session_id: str) -> None:
        await self.page.goto(f"{self.base_url}/sessions/{session_id}")

    async def phase(self, *names: str, patience: float = PATIENCE) -> None:
        """Waits until the header says one of these."""
        pattern = re.compile(f"^({'|'.join(names)})$")
        await expect(self.part("status-phase")).to_have_attribute("data-phase", pattern, timeout=patience * 1000)

    async def say(self, text: str) -> None:
        await self.part("composer").fill(text)
        await self.part("composer").press("Enter")

    async def hold(self, method: str) -> list[Route]:
        """The page's calls of this method wait here until somebody continues them."""
        held: list[Route] = []

        def keep(route: Route) -> None:
            held.append(route)

        await self.page.route(f"**/{method}", keep)
        return held

    async def cards(self) -> list[Card]:
        """Thoughts, answers, commands and diffs, from top to bottom."""
        found: list[dict[str, Any]] = await self.page.evaluate(_CARDS)
        return [Card(**{name: flat(value) for name, value in one.items()}) for one in found]

    async def unfold(self) -> None:
        """The whole conversation is there, and nothing to unfold stays folded."""
        while await self.part("earlier").count():
            await self.page.get_by_role("log").evaluate("log => log.scrollTop = 0")
            await self.page.wait_for_timeout(20)
        for button in await self.page.get_by_role("button", name=re.compile("^Show all")).all():
            await button.click()


def flat(value: Any) -> Any:
    """A text without its layout; anything else as it is."""
    return " ".join(value.split()) if isinstance(value, str) else value


def grown(lengths: Sequence[int]) -> int:
    """In how many frames a text was longer than in the frame before."""
    return sum(later > earlier for earlier, later in zip([0, *lengths], lengths, strict=False))


def cards_of(events: Sequence[dict[str, Any]]) -> list[Card]:
    """What the page has to show for a log, as the REST rows give it (the protos' JSON)."""
    ended = {e["itemId"]: e for e in events if "textCompleted" in e or "commandCompleted" in e}
    cards = []
    for event in events:
        end = ended.get(event.get("itemId", ""), {})
        if "textStarted" in event and end and (text := end["textCompleted"].get("text", "")):
            is_answer = end["textCompleted"]["channel"] == "CHANNEL_MESSAGE"
            cards.append(Card("answer" if is_answer else "thought", end["seq"], flat(text)))
        elif "commandStarted" in event and end:
            cards.append(_command(event["commandStarted"], end))
        elif edit := event.get("fileEdited"):
            counts = f"+{edit.get('added', 0)} −{edit.get('removed', 0)}"
            cards.append(Card("diff-card", event["seq"], "", edit["path"], counts))
        elif closing := flat(event.get("turnCompleted", {}).get("summary", "")):
            said = [card.text for card in cards if card.kind == "answer"]
            # What has just been answered is not said again; the summary of a long answer is its beginning.
            cards += [] if said and said[-1].startswith(closing) else [Card("answer", event["seq"], closing)]
    return cards


def _command(started: dict[str, Any], end: dict[str, Any]) -> Card:
    completed = end["commandCompleted"]
    words = {"REASON_STOPPED": "stopped", "REASON_TIMEOUT": "timed out"}
    badge = words.get(completed["reason"], f"exit {completed.get('exitCode', 0)}")
    output = base64.b64decode(completed.get("head", "")).decode()
    return Card("command", end["seq"], flat(output), flat(started["command"]), badge)
