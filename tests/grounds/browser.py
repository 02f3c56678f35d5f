"""A real Chromium, the distribution's own, built without windows; the one with windows where that is not there."""

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

# Several browsers share two cores with everything else.
expect.set_options(timeout=20_000)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser of this test's own."""
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert program, "Chromium is missing: install Debian's package chromium-headless-shell"
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield running
        finally:
            await running.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """An empty tab at desktop size; errors that the page throws fail the test."""
    # A spinner that turns is drawn sixty times a second, here by the processor: that is what most of a test would take.
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    tab = await context.new_page()
    thrown: list[str] = []
    tab.on("pageerror", lambda error: thrown.append(str(error)))
    yield tab
    await context.close()
    assert not thrown, f"the page threw: {thrown}"
