"""A demo with the real bridge, and pages of real Chromium that must not complain."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import ConsoleMessage, Page, ViewportSize, async_playwright

from lp_sandbox.agent import Pace
from lp_sandbox.demo import Demo
from tests.sandbox.page.browser import Keep, OpenPage

ARTIFACTS = Path(__file__).parents[3] / "artifacts"
CHROMIUM = shutil.which("chromium")
QUICK = Pace(accept=0.3, answer=0.15)


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    """Everything that `lp-bridge demo` starts, with an agent who is quick."""
    async with Demo(tmp_path, pace=QUICK) as started:
        yield started


@pytest.fixture
async def open_page() -> AsyncIterator[OpenPage]:
    """Open a page at an address; at the end, none may have logged an error."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine (apt install chromium)")
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        # What the page itself does must be clean; that a stopped server refuses is no mistake.
        if message.type in {"error", "warning"} and "ERR_CONNECTION_REFUSED" not in message.text:
            complaints.append(message.text)

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)

        async def open_(url: str, width: int = 1280, height: int = 860) -> Page:
            viewport: ViewportSize = {"width": width, "height": height}
            context = await browser.new_context(viewport=viewport)
            context.set_default_timeout(15_000)
            page = await context.new_page()
            page.on("console", on_console)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await page.goto(url)
            await page.wait_for_selector("html[data-ready]")
            return page

        yield open_
        await browser.close()
    assert complaints == []


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Keep:
    """Keep a picture of a page among the test's artefacts."""

    async def keep_(page: Page, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        test = re.sub(r"\W+", "-", request.node.name)
        await page.screenshot(path=ARTIFACTS / f"{test}-{name}.png")

    return keep_
