"""What a person does in the midst of a run: stop, queue a message, answer a question; and how a start fails."""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.fakes.model_server import ModelServer, Say
from tests.grounds.page_user import PageUser, cards_of
from tests.grounds.product import Product, StartProduct
from tests.grounds.rest import Rest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]
STUBBORN = "trap '' INT TERM; echo before; sleep {n} & echo more; sleep {n}; echo after"
QUESTION = ("ask_user", {"question": "Which colour shall it be?", "options": ["Red", "Green"]})


def script(messages: list[dict[str, Any]]) -> Say:
    """Runs what the last message of the person asks for; then repeats what it was told."""
    last = next(i for i, message in reversed(list(enumerate(messages))) if message["role"] == "user")
    asked, done = str(messages[last]["content"]), messages[last + 1 :]
    if "RUN " in asked and not done:
        return Say("It runs.", calls=[("run_command", {"command": asked.split("RUN ", 1)[1].strip()})])
    if "ASK" in asked and not done:
        return Say("I ask.", calls=[QUESTION])
    heard = str(done[-1]["content"]) if done else asked
    return Say(f"Heard: {heard[-60:]}")


def sleepers(seconds: str) -> list[int]:
    """Processes of a sandbox that sleep so long."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().split(b"\0")[:2] == [b"sleep", seconds.encode()]:
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


async def test_in_the_midst_of_a_run(start_product: StartProduct, page: Page) -> None:
    with ModelServer(script) as model:
        env = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": "sk-test", "DEFAULT_MODEL": "openai/gpt-5"}
        product = start_product(env=env | {"SANDBOX_BACKEND": "bubblewrap"})
        user = PageUser(page, product.base_url)
        await user.sign_in()
        session_id = await stop_a_stubborn_command(user)
        await queue_a_message(user)
        await answer_a_question(user)
        log = Rest(product).get(f"/sessions/{session_id}/events?limit=1000").body["events"]
        assert await user.cards() == cards_of(log)


async def stop_a_stubborn_command(user: PageUser) -> str:
    seconds = f"1000.{time.time_ns() % 10**9}"
    session_id = await user.start("RUN " + STUBBORN.format(n=seconds))
    await expect(user.part("command-output")).to_contain_text("more")
    assert len(sleepers(seconds)) == 2
    await user.part("stop").click()
    await expect(user.part("command-exit")).to_have_text("stopped", timeout=10_000)
    await user.phase("stopped")
    assert sleepers(seconds) == []
    await expect(user.part("command-output")).to_have_text("before\nmore")
    await expect(user.part("stop")).to_have_count(0)
    await expect(user.part("turn").last).to_contain_text("Stopped")
    return session_id


async def queue_a_message(user: PageUser) -> None:
    own = user.page.locator('[data-testid=message][data-role="user"]')
    await user.say("RUN for n in 1 2 3 4 5 6; do echo tick; sleep 0.5; done")
    await expect(user.part("command-output").last).to_contain_text("tick")
    await user.say("And then this.")
    await expect(user.part("queue-text")).to_have_text("And then this.")
    await expect(own.filter(has_text="And then this.")).to_have_count(0)
    await expect(user.part("command-exit").last).to_have_text("exit 0")
    await expect(user.part("answer").last).to_contain_text("Heard: And then this.")
    await expect(user.part("queue-chip")).to_have_count(0)
    await expect(own.filter(has_text="And then this.")).to_have_count(1)
    await user.phase("completed")


async def answer_a_question(user: PageUser) -> None:
    await user.say("ASK")
    card = user.part("question")
    await expect(card).to_contain_text("Which colour shall it be?")
    await user.phase("waiting_user")
    await user.page.reload()
    await card.get_by_role("button", name="Green").click()
    await expect(user.part("question-answer")).to_have_text("Green")
    await expect(user.part("answer").last).to_contain_text("The person chose: Green")
    await user.phase("completed")
    await expect(card.get_by_role("button")).to_have_count(0)


async def test_a_repository_that_breaks_and_goes_away(start_product: StartProduct, page: Page) -> None:
    product = start_product(env={"SANDBOX_BACKEND": "bubblewrap"})
    repository = product.data_dir / "repos/lucid/teatime.git"
    user = PageUser(page, product.base_url)
    await user.sign_in()
    await user.fill_in("Whatever.", repository="lucid/teatime")
    # It is still there, but cannot be cloned.
    shutil.rmtree(repository / "objects/pack", ignore_errors=True)
    for loose in repository.glob("objects/??"):
        shutil.rmtree(loose)
    await user.press_start()
    await clone_failed(user, product)

    await user.fill_in("Whatever.", repository="lucid/teatime")
    shutil.rmtree(repository)
    await user.part("start-session").click()
    await expect(page.locator("form").get_by_role("alert")).to_contain_text("This repository does not exist")
    await expect(user.part("task-input")).to_have_value("Whatever.")
    assert len(Rest(product).get("/sessions").body["sessions"]) == 1


async def clone_failed(user: PageUser, product: Product) -> None:
    page = user.page
    await user.phase("failed")
    await expect(user.part("error-card")).to_have_count(1)
    said = await user.part("error-card").inner_text()
    assert "repository" in said
    assert "Traceback" not in said
    assert str(product.data_dir) not in await page.locator("body").inner_text()
    await expect(user.part("stop")).to_have_count(0)
    await page.reload()
    await expect(user.part("error-card")).to_have_count(1)
