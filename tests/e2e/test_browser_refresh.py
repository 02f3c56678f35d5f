"""A browser that is refreshed, or cut off, at random moments of a run ends with the log: nothing twice or lost."""

import random
import threading
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.fakes.model_server import ModelServer, Say
from tests.grounds.length import rounds
from tests.grounds.page_user import Card, PageUser, cards_of, flat
from tests.grounds.product import Product, StartProduct
from tests.grounds.rest import Rest
from tests.grounds.wire import Wire, wire_to

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
REFRESHES = rounds(20, 50)
CUTS = 3
# The last of them fall into the closing answer.
IN_THE_ANSWER = 10
SEED = 20261122


class Worker:
    """A model that thinks aloud, runs commands and edits files until it is told to close with a long answer, which is
    slow until it is told to hurry: a run is never over too early, however busy the machine is."""

    def __init__(self) -> None:
        self.finish = threading.Event()
        self.hurry = threading.Event()

    def __call__(self, messages: list[dict[str, Any]]) -> Say:
        number = sum(message["role"] == "tool" for message in messages)
        if self.finish.is_set():
            return Say(
                pieces=[f"closing-{n} " for n in range(1500)], delay=lambda: 0.0 if self.hurry.is_set() else 0.03
            )
        thought = [f"thought-{number}-{n} " for n in range(30)]
        return Say(pieces=thought, calls=[self._call(number)], delay=0.03)

    def _call(self, number: int) -> tuple[str, dict[str, Any]]:
        if number % 3 == 1:
            lines = "".join(f"line {n}\n" for n in range(number))
            return "edit_file", {"command": "create", "path": f"notes-{number}.txt", "content": lines}
        command = f"for n in $(seq 8); do echo tick {number}-$n; sleep 0.1; done"
        return "run_command", {"command": command + (f"; echo {number} > made-{number}.txt" if number % 3 else "")}


def environment(model: ModelServer) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": f"{model.url}/v1",
        "OPENAI_API_KEY": "sk-test",
        "DEFAULT_MODEL": "openai/gpt-5",
        "SANDBOX_BACKEND": "bubblewrap",
        "MAX_ITERATIONS": "500",
    }


async def test_refreshes_at_random_moments(start_product: StartProduct, page: Page) -> None:
    rng, worker = random.Random(SEED), Worker()
    with ModelServer(worker) as model:
        product = start_product(env=environment(model))
        user = PageUser(page, product.base_url)
        await user.sign_in()
        session_id = await user.start("Keep busy.")
        snapshots: list[list[Card]] = []
        for number in range(REFRESHES):
            if number == REFRESHES - IN_THE_ANSWER:
                worker.finish.set()
                await expect(page.get_by_role("log")).to_contain_text("closing-0", timeout=20_000)
            await page.wait_for_timeout(rng.uniform(0, 700))
            snapshots.append(await user.cards())
            await page.reload(wait_until="commit")
            await page.wait_for_timeout(rng.uniform(100, 400))
            snapshots.append(await user.cards())
        await expect(user.part("status-phase")).to_have_attribute("data-phase", "running", timeout=20_000)
        worker.hurry.set()
        await check_end(user, product, session_id, snapshots)


async def test_cut_off_three_times(start_product: StartProduct, page: Page) -> None:
    worker = Worker()
    with ModelServer(worker) as model:
        product = start_product(env=environment(model))
        async with wire_to(product.port) as wire:
            user = PageUser(page, wire.base_url)
            await user.sign_in()
            session_id = await user.start("Keep busy.")
            await user.part("thought").first.wait_for()
            snapshots: list[list[Card]] = []
            for number in range(CUTS):
                if number == CUTS - 1:
                    worker.finish.set()
                    await expect(page.get_by_role("log")).to_contain_text("closing-0", timeout=20_000)
                snapshots += await cut_off(user, wire, random.Random(SEED + number))
            await expect(user.part("status-phase")).to_have_attribute("data-phase", "running", timeout=20_000)
            worker.hurry.set()
            await check_end(user, product, session_id, snapshots)


async def cut_off(user: PageUser, wire: Wire, rng: random.Random) -> list[list[Card]]:
    """The network goes away, and comes back; what the page showed before, meanwhile and right after."""
    page, state = user.page, user.part("connection-state")
    await page.wait_for_timeout(rng.uniform(0, 700))
    before = await user.cards()
    # A browser that is told to be offline keeps its open socket, silent: the wire ends that.
    wire.cut()
    await expect(state).not_to_have_attribute("data-state", "live")
    await page.context.set_offline(True)
    await page.wait_for_timeout(rng.uniform(500, 2000))
    meanwhile = await user.cards()
    wire.mend()
    await page.context.set_offline(False)
    await expect(state).to_have_attribute("data-state", "live", timeout=20_000)
    await page.wait_for_timeout(rng.uniform(0, 300))
    return [before, meanwhile, await user.cards()]


async def check_end(user: PageUser, product: Product, session_id: str, snapshots: list[list[Card]]) -> None:
    await user.phase("completed", patience=40)
    await user.unfold()
    log = Rest(product).get(f"/sessions/{session_id}/events?limit=1000").body["events"]
    truth = cards_of(log)
    assert await user.cards() == truth
    assert {"thought", "answer", "command", "diff-card"} == {card.kind for card in truth}
    for number, shown in enumerate(snapshots):
        assert is_part(shown, truth), f"snapshot {number} is no part of the truth: {shown[-2:]}"
    in_progress = sum(bool(shown) and shown[-1].seq == 0 for shown in snapshots)
    assert in_progress > len(snapshots) / 4, "too few moments were in the midst of something"


def is_part(shown: list[Card], truth: list[Card]) -> bool:
    """A page that has just been opened begins with the last events."""
    return any(is_beginning(shown, truth[at:]) for at in range(len(truth) + 1))


def is_beginning(shown: list[Card], truth: list[Card]) -> bool:
    """Completed cards as they are in the log; one in progress with a beginning of its text, and only as the last."""
    if len(shown) > len(truth):
        return False
    for place, (card, true) in enumerate(zip(shown, truth, strict=False)):
        if card.seq == 0:
            # Only its end tells whether a text was a thought or the answer.
            kind = "thought" if true.kind == "answer" else true.kind
            begun = replace(true, kind=kind, seq=0, text=card.text, note="")
            return place == len(shown) - 1 and card == begun and true.text.startswith(flat(card.text))
        if card != true:
            return False
    return True
