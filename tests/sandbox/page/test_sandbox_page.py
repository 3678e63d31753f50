"""What the page does without a bridge: the wire, the domains, the stream, text that is not HTML."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from lp_sandbox.server import Sandbox
from tests.sandbox.page.browser import OpenPage


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(scripted=False) as started:
        yield started


def record(sandbox: Sandbox, number: int, *, conversation: str | None = None) -> None:
    sandbox.wire.record(
        "liveperson", "in", "ums", f"frame {number}", {"n": number}, conversation=conversation
    )


async def titles(page: Page) -> list[str]:
    return [text.split("{")[0] for text in await page.locator(".frame-title").all_inner_texts()]


async def test_the_wire_pauses_filters_clears_and_opens(
    sandbox: Sandbox, open_page: OpenPage
) -> None:
    page = await open_page(sandbox.page_url)
    record(sandbox, 1)
    sandbox.wire.record("slack", "out", "events", "message", {"event": {"text": "gist of it"}})
    frames = page.locator(".frame")
    await expect(frames).to_have_count(2)
    await expect(frames.last).to_contain_text("gist of it")
    await frames.first.locator("summary").click()
    await expect(frames.first.locator("pre")).to_have_text('{\n  "n": 1\n}')

    await page.select_option("#wire-side", "slack")
    await expect(frames).to_have_count(1)
    await page.select_option("#wire-side", "")
    await page.click("#wire-pause")
    record(sandbox, 2)
    await expect(page.locator("#wire-count")).to_contain_text("1 more waiting")
    await expect(frames).to_have_count(2)
    await page.click("#wire-pause")
    await expect(frames).to_have_count(3)
    await page.click("#wire-clear")
    await expect(frames).to_have_count(0)
    record(sandbox, 3)
    await expect(frames).to_have_count(1)


async def test_the_newest_frame_opens_in_sight_and_stays_there(
    sandbox: Sandbox, open_page: OpenPage
) -> None:
    page = await open_page(sandbox.page_url)
    for number in range(1, 31):
        record(sandbox, number)
    frames = page.locator(".frame")
    await expect(frames).to_have_count(30)
    await frames.last.locator("summary").click()
    await expect(frames.last.locator("pre")).to_be_in_viewport(ratio=0.95)
    for number in range(31, 41):
        record(sandbox, number)
    await expect(frames).to_have_count(40)
    await expect(frames.nth(29).locator("pre")).to_be_in_viewport(ratio=0.95)
    await expect(page.locator("#wire-end")).to_be_visible()

    await frames.nth(29).locator("summary").click()
    await page.click("#wire-end")
    record(sandbox, 41)
    await expect(frames.last).to_be_in_viewport()
    await expect(frames.last).to_contain_text("frame 41")


async def test_a_page_that_comes_back_misses_nothing_and_shows_nothing_twice(
    sandbox: Sandbox, open_page: OpenPage
) -> None:
    page = await open_page(sandbox.page_url)
    record(sandbox, 1)
    await expect(page.locator(".frame")).to_have_count(1)
    sandbox.page.hang_up()
    record(sandbox, 2)
    await sandbox.slack.say("U0ANA", "C0SUPPORT", "said while nobody listened")
    await expect(page.locator("#channel-messages")).to_contain_text("said while nobody listened")
    await expect(page.locator(".frame", has_text="frame 2")).to_have_count(1)
    record(sandbox, 3)
    await expect(page.locator(".frame", has_text="frame 3")).to_have_count(1)
    shown = [title for title in await titles(page) if title.startswith("frame")]
    assert shown == ["frame 1", "frame 2", "frame 3"]


async def test_nothing_that_is_said_becomes_html(sandbox: Sandbox, open_page: OpenPage) -> None:
    page = await open_page(sandbox.page_url)
    attack = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    await sandbox.slack.say("U0ANA", "C0SUPPORT", sandbox.slack.typed(attack))
    await expect(page.locator("#channel-messages")).to_contain_text(attack)
    await sandbox.slack.say("U0ANA", "C0SUPPORT", "<javascript:alert(1)|press me>")
    await expect(page.locator("#channel-messages")).to_contain_text("press me")
    sandbox.wire.record("slack", "in", "web api", attack, {"text": attack, attack: attack})
    row = page.locator(".frame", has_text="web api")
    await row.locator("summary").click()
    await expect(row.locator("pre")).to_have_text(
        json.dumps({"text": attack, attack: attack}, indent=2)
    )
    assert await page.locator("img, #channel-messages a").count() == 0
    assert "owned" not in await page.title()


async def test_mrkdwn_is_shown_as_slack_shows_it(sandbox: Sandbox, open_page: OpenPage) -> None:
    page = await open_page(sandbox.page_url)
    rendered = await page.evaluate(
        """async () => {
          const { mrkdwn } = await import("./mrkdwn.js");
          const show = (text) => {
            const holder = document.createElement("div");
            holder.append(...mrkdwn(text));
            return holder.innerHTML;
          };
          return [
            "a *b* _i_ ~s~ `c*d*`", "2*3*4 snake_case_name", "<@U0ANA> in <#C0SUPPORT|x>",
            "&lt;b&gt; &amp;amp;", "<https://a.example/?a=1&amp;b=2|see>", "&gt; quoted\\nnot",
          ].map(show);
        }"""
    )
    anchor = (
        '<a href="https://a.example/?a=1&amp;b=2" target="_blank" rel="noreferrer noopener">see</a>'
    )
    assert rendered == [
        "a <b>b</b> <i>i</i> <s>s</s> <code>c*d*</code>",
        "2*3*4 snake_case_name",
        '<span class="mention">@Ana</span> in <span class="mention">#x</span>',
        "&lt;b&gt; &amp;amp;",
        anchor,
        "<blockquote>quoted\n</blockquote>not",
    ]


async def test_domains_can_be_looked_up_on_the_page(sandbox: Sandbox, open_page: OpenPage) -> None:
    page = await open_page(sandbox.page_url)
    await page.get_by_role("button", name="Retrieve domains").click()
    row = page.locator("#domains-table tr", has_text="asyncMessagingEnt")
    await expect(row.locator("td")).to_have_text(sandbox.liveperson.base_url.split("//")[1])
    await page.keyboard.press("Escape")
    for account, says in (("9", "does not know"), ("seven", "1 to 20 digits")):
        await page.fill("#domains-account", account)
        await page.press("#domains-account", "Enter")
        await expect(page.locator("#domains-note")).to_contain_text(says)
        await page.keyboard.press("Escape")


async def test_slack_refuses_what_slack_refuses(sandbox: Sandbox, open_page: OpenPage) -> None:
    page = await open_page(sandbox.page_url)
    await page.select_option("#channel-select", label="# archived (archived)")
    await page.fill("#composer", "hello?")
    await page.press("#composer", "Enter")
    await expect(page.locator("#channel-error")).to_contain_text("archived")
    await expect(page.locator("#composer")).to_have_value("hello?")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_has_contrast(sandbox: Sandbox, open_page: OpenPage, scheme: str) -> None:
    page = await open_page(sandbox.page_url)
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    ratios = await page.evaluate(
        """() => {
          const style = getComputedStyle(document.documentElement);
          const settings = { willReadFrequently: true };
          const canvas = document.createElement("canvas").getContext("2d", settings);
          const light = (name) => {
            canvas.fillStyle = style.getPropertyValue(name);
            canvas.fillRect(0, 0, 1, 1);
            const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
              .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const pairs = [];
          const inks = ["ink", "soft", "slack", "lp", "bridge", "good", "bad", "warn"];
          for (const ink of inks.map((name) => `--${name}`))
            for (const ground of ["--panel", "--sunk"]) pairs.push([ink, ground]);
          pairs.push(["--lp", "--lp-wash"], ["--slack", "--slack-wash"]);
          pairs.push(["--on-colour", "--bridge"]);
          return Object.fromEntries(pairs.map(([a, b]) => {
            const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
            return [`${a} on ${b}`, (x + 0.05) / (y + 0.05)];
          }));
        }"""
    )
    too_weak = {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < 4.5}
    assert not too_weak
