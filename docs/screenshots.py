"""Make the README's pictures: the running demo in Chromium, into docs/images.

    .venv/bin/python docs/screenshots.py

Needs `chromium` on the PATH.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

from lp_sandbox.demo import Demo

IMAGES = Path(__file__).parent / "images"
SIZE = 1280, 860


async def first_minute(page: Page) -> None:
    """Connect, talk with the script, keep a note among colleagues, and let a second one ring."""
    thread = page.locator("#thread-messages")
    await page.click("#example")
    await expect(thread).to_contain_text("Write your first message")
    await page.click("#thread-chips button >> nth=0")
    await expect(thread).to_contain_text("this is Maria from Sandbox Telecom")
    await expect(thread).to_contain_text("Could you restart the router")
    await page.select_option("#user-select", label="Ben")
    await say(page, "// he never restarts it, ask him twice")
    await expect(thread.locator(".reaction")).to_be_visible()
    await say(page, "It works again, great!")
    await expect(thread).to_contain_text("Gladly. Anything else?")
    await page.select_option("#user-select", label="Ana")


async def say(page: Page, text: str) -> None:
    """Write into the open thread."""
    await page.fill("#thread-composer", text)
    await page.press("#thread-composer", "Enter")


async def gallery(page: Page) -> None:
    """Have the agent send every example, and picture the thread from its first card on."""
    messages = page.locator("#thread-messages .message")
    await page.set_viewport_size({"width": 1500, "height": 1500})
    await page.click("text=Take over")
    first = await messages.count()
    cards = await page.eval_on_selector_all("#card-select option", "all => all.map(it => it.value)")
    for card in filter(None, cards):
        before = await messages.count()
        await page.select_option("#card-select", card)
        await expect(messages.nth(before)).to_be_attached(timeout=15_000)
    await asyncio.sleep(2)  # longer ones come in several messages
    thread = page.locator("#thread-scroll")
    shown, number = first, 0
    while shown < await messages.count():
        number += 1
        await messages.nth(shown).evaluate("it => it.scrollIntoView({block: 'start'})")
        await settled(page)
        await thread.screenshot(path=IMAGES / f"gallery-{number}.png")
        frame = await thread.bounding_box()
        end = frame["y"] + frame["height"] if frame else 0.0
        shown += 1
        while shown < await messages.count():
            box = await messages.nth(shown).bounding_box()
            if box is None or box["y"] + box["height"] > end:
                break
            shown += 1


async def settled(page: Page) -> None:
    """Wait until nothing moves any more."""
    await page.evaluate(
        "Promise.all(document.getAnimations().filter((a) => a.effect.getTiming().iterations === 1)"
        ".map((a) => a.finished))"
    )


async def take(folder: Path) -> None:
    """Take all pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("There is no chromium on the PATH.")
    async with Demo(folder) as demo, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium)
        context = await browser.new_context(
            viewport={"width": SIZE[0], "height": SIZE[1]}, reduced_motion="reduce"
        )
        page = await context.new_page()
        await page.goto(demo.sandbox.page_url)
        await page.wait_for_selector("html[data-ready]")
        await page.screenshot(path=IMAGES / "demo-start.png")
        await first_minute(page)
        await settled(page)
        await page.screenshot(path=IMAGES / "demo.png")
        await page.emulate_media(color_scheme="dark")
        await page.screenshot(path=IMAGES / "demo-dark.png")
        await page.emulate_media(color_scheme="light")
        await page.click("[data-break=kill_bridge]")
        await say(page, "Are you still there?")
        await page.screenshot(path=IMAGES / "demo-broken.png")
        healed = page.locator("#break-line[data-state=healed]")
        await expect(healed).to_be_visible(timeout=30_000)
        await gallery(page)
        await browser.close()


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(take(Path(scratch)))
