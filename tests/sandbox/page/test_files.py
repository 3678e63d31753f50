"""Files on the page: both sides send one, and see what the other has sent."""

from __future__ import annotations

from playwright.async_api import expect

from lp_sandbox.demo import Demo
from tests.e2e.files import PDF, picture
from tests.sandbox.page.browser import Keep, OpenPage


async def test_a_file_goes_each_way(demo: Demo, open_page: OpenPage, keep: Keep) -> None:
    page = await open_page(demo.sandbox.page_url)
    await page.fill("#composer", "/lp connect 12345678")
    await page.press("#composer", "Enter")
    await page.wait_for_selector("#thread:not([hidden])")
    await page.fill("#thread-composer", "my router")
    await page.set_input_files(
        "#thread-form input[type=file]",
        {"name": "router.png", "mimeType": "image/png", "buffer": picture(size=(400, 300))},
    )
    came = page.locator("#talk-events .event.consumer .file img")
    await expect(came).to_have_count(1)
    await expect(came).to_have_js_property("naturalWidth", 400)
    await expect(page.locator("#talk-events")).to_contain_text("my router")
    await page.set_input_files(
        "#agent-form input[type=file]",
        {"name": "invoice.pdf", "mimeType": "application/pdf", "buffer": PDF},
    )
    shown = page.locator("#thread-messages .message.from-app .file")
    await expect(shown).to_contain_text("invoice.pdf")
    await keep(page, "files")
