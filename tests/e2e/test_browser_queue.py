"""Messages that wait, in a person's hands: written, changed, moved, withdrawn, steered; pause and stop beside them."""

import threading
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.fakes.model_server import ModelServer, Say
from tests.grounds.page_user import PageUser, cards_of
from tests.grounds.product import StartProduct
from tests.grounds.rest import Rest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


class Busy:
    """A model that runs one short command after the other until it may finish; then it repeats what it was told."""

    def __init__(self) -> None:
        self.finish = threading.Event()

    def __call__(self, messages: list[dict[str, Any]]) -> Say:
        if self.finish.is_set():
            return Say(f"Heard: {said(messages)[-1]}")
        number = sum(message["role"] == "tool" for message in messages)
        return Say(calls=[("run_command", {"command": f"sleep 0.3; echo step {number}"})])


def said(messages: list[dict[str, Any]]) -> list[str]:
    return [str(message["content"]) for message in messages if message["role"] == "user"]


def environment(model: ModelServer) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": f"{model.url}/v1",
        "OPENAI_API_KEY": "sk-test",
        "DEFAULT_MODEL": "openai/gpt-5",
        "TITLE_MODEL": "none",
        "SANDBOX_BACKEND": "bubblewrap",
        "MAX_ITERATIONS": "500",
    }


def chip(user: PageUser, text: str) -> Locator:
    return user.part("queue-chip").filter(has_text=text)


async def waiting(user: PageUser, *texts: str) -> None:
    await expect(user.part("queue-text")).to_have_text(list(texts))


def messages(user: PageUser) -> Locator:
    return user.page.locator('[data-testid=message][data-role="user"]')


async def test_the_queue_in_a_persons_hands(start_product: StartProduct, page: Page) -> None:
    worker = Busy()
    with ModelServer(worker) as model:
        product = start_product(env=environment(model))
        user = PageUser(page, product.base_url)
        await user.sign_in()
        session_id = await user.start("Keep busy.")
        await user.part("command-exit").first.wait_for()
        await write_change_and_move(user)
        await steer(user, model)
        await pause_and_go_on(user)
        await too_late_to_withdraw(user, worker)
        await user.phase("completed")
        log = Rest(product).get(f"/sessions/{session_id}/events?limit=1000").body["events"]
        heard = [event["userMessage"]["text"] for event in log if "userMessage" in event]
    assert heard == ["Keep busy.", "Read this now.", "Steer.", "third", "zwei"]
    await user.unfold()
    await expect(messages(user)).to_have_text(heard)
    assert await user.cards() == cards_of(log)


async def write_change_and_move(user: PageUser) -> None:
    for text in ("first", "second", "third", "Read this now."):
        await user.say(text)
    await waiting(user, "first", "second", "third", "Read this now.")

    await chip(user, "second").get_by_role("button", name="Edit").click()
    await user.part("queue-edit").fill("zwei")
    await user.part("queue-edit").press("Enter")
    await waiting(user, "first", "zwei", "third", "Read this now.")
    await user.part("queue-text").first.click()
    await user.part("queue-edit").fill("never mind")
    await user.part("queue-edit").press("Escape")
    await waiting(user, "first", "zwei", "third", "Read this now.")

    await chip(user, "third").get_by_role("button", name="Move up").focus()
    await user.page.keyboard.press("Enter")
    await waiting(user, "first", "third", "zwei", "Read this now.")
    await expect(chip(user, "third").get_by_role("button", name="Move up")).to_be_focused()
    await drag(user, chip(user, "first"), chip(user, "Read this now."))
    await waiting(user, "third", "zwei", "Read this now.", "first")

    await user.page.reload()
    await waiting(user, "third", "zwei", "Read this now.", "first")
    await chip(user, "first").get_by_role("button", name="Withdraw").click()
    await waiting(user, "third", "zwei", "Read this now.")


async def drag(user: PageUser, what: Locator, to: Locator) -> None:
    grip, target = await what.get_by_test_id("queue-grip").bounding_box(), await to.bounding_box()
    assert grip is not None
    assert target is not None
    mouse = user.page.mouse
    await mouse.move(grip["x"] + 5, grip["y"] + 10)
    await mouse.down()
    await mouse.move(grip["x"] + 5, target["y"] + target["height"] - 2, steps=8)
    await mouse.up()


async def steer(user: PageUser, model: ModelServer) -> None:
    """What is to be read now is read in this turn; the others go on waiting."""
    await chip(user, "Read this now.").get_by_test_id("queue-when").click()
    await waiting(user, "third", "zwei")
    await expect(messages(user).filter(has_text="Read this now.")).to_have_count(1)
    await user.part("when-now").check(force=True)
    await user.say("Steer.")
    await expect(messages(user).filter(has_text="Steer.")).to_have_count(1)
    await waiting(user, "third", "zwei")
    await expect(user.part("turn")).to_have_count(0)
    while said(model.requests[-1].body["messages"])[-1] != "Steer.":
        await user.page.wait_for_timeout(50)
    await user.part("when-after").check(force=True)


async def pause_and_go_on(user: PageUser) -> None:
    await user.part("pause").click()
    await user.phase("paused")
    await expect(user.part("pause")).to_have_count(0)
    await user.page.reload()
    await user.phase("paused")
    await expect(user.part("run-note")).to_contain_text("2 messages wait")
    done = await user.part("command-exit").count()
    await user.part("resume").click()
    await user.phase("running")
    await expect(user.part("command-exit")).not_to_have_count(done)
    await expect(user.part("turn")).to_have_count(0)


async def too_late_to_withdraw(user: PageUser, worker: Busy) -> None:
    """The log decides: a withdrawal that comes after the message was taken is refused, in words."""
    held = await user.hold("CancelQueuedMessage")
    await chip(user, "third").get_by_role("button", name="Withdraw").click()
    worker.finish.set()
    await expect(user.part("answer").filter(has_text="Heard: third")).to_have_count(1)
    await held[0].continue_()
    await expect(user.part("queue-note")).to_have_text("The agent already has this message.")
    await expect(messages(user).filter(has_text="third")).to_have_count(1)


async def test_a_stopped_session_goes_on_with_its_queue(start_product: StartProduct, page: Page) -> None:
    worker = Busy()
    with ModelServer(worker) as model:
        product = start_product(env=environment(model))
        user = PageUser(page, product.base_url)
        await user.sign_in()
        await user.start("Keep busy.")
        await user.part("command-exit").first.wait_for()
        await user.say("Then this.")
        await waiting(user, "Then this.")
        await user.part("stop").click()
        await user.phase("stopped")
        await expect(user.part("run-note")).to_contain_text("one message waits")
        await page.reload()
        await waiting(user, "Then this.")
        worker.finish.set()
        await user.part("resume").click()
        await expect(user.part("answer").last).to_contain_text("Heard: Then this.")
        await user.phase("completed")
        await expect(user.part("queue-chip")).to_have_count(0)
        await expect(user.part("run-note")).to_have_count(0)


async def test_words_that_came_too_late_can_be_kept(start_product: StartProduct, page: Page) -> None:
    worker = Busy()
    with ModelServer(worker) as model:
        user = PageUser(page, start_product(env=environment(model)).base_url)
        await user.sign_in()
        await user.start("Keep busy.")
        await user.part("command-exit").first.wait_for()
        await user.say("Then this.")
        await user.part("queue-text").click()
        await user.part("queue-edit").fill("Then this, but otherwise.")
        worker.finish.set()
        await expect(user.part("queue-note")).to_contain_text("The agent took this message while you were changing it.")
        await page.get_by_role("button", name="Keep my words").click()
        await expect(user.part("composer")).to_have_value("Then this, but otherwise.")
        await expect(user.part("queue-note")).to_have_count(0)
        await user.phase("completed")
