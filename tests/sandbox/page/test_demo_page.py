"""The demo, used by a person in Chromium: the real bridge between both stand-ins."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from lp_sandbox.demo import Demo
from lp_sandbox.liveperson import StoredEvent
from tests.sandbox.page.browser import Keep, OpenPage

pytestmark = pytest.mark.timeout(180)


def thread(page: Page) -> Locator:
    return page.locator("#thread-messages")


def talk(page: Page) -> Locator:
    return page.locator("#talk-events")


async def connect(page: Page) -> None:
    """Press the example button, greet, and wait for the scripted agent's answer in the thread."""
    await page.click("#example")
    await greet(page, "Telecom")


async def greet(page: Page, brand: str) -> None:
    """Write the first message, which calls the agent, and wait for what it says."""
    await expect(thread(page)).to_contain_text(f"Sandbox {brand}")
    await expect(thread(page)).to_contain_text("Write your first message")
    await reply(page, "Good morning")
    await expect(thread(page)).to_contain_text(f"this is Maria from Sandbox {brand}")
    await expect(thread(page)).to_contain_text("What can I do for you?")


async def reply(page: Page, text: str) -> None:
    await page.fill("#thread-composer", text)
    await page.press("#thread-composer", "Enter")


async def command(page: Page, text: str) -> None:
    await page.fill("#composer", text)
    await page.press("#composer", "Enter")


async def sideways(page: Page) -> int:
    """How many pixels the page is too wide."""
    width: int = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return width


@pytest.mark.parametrize("width", [1280, 800])
async def test_the_first_minute_shows_a_whole_conversation(
    demo: Demo, open_page: OpenPage, keep: Keep, width: int
) -> None:
    page = await open_page(demo.sandbox.page_url, width)
    await expect(page.locator("#bridge-word")).to_have_text("Bridge running")
    await expect(page.locator("#composer")).to_be_focused()
    await keep(page, "empty")

    await page.keyboard.press("Enter")  # the command stands there ready
    await expect(thread(page)).to_contain_text("Sandbox Telecom")
    await expect(thread(page)).to_contain_text("Write your first message")
    await page.click("#thread-chips button >> nth=0")
    await expect(thread(page)).to_contain_text("this is Maria from Sandbox Telecom")
    await expect(thread(page)).to_contain_text("I have just measured your line")
    await expect(talk(page)).to_contain_text("My internet is slow")

    frames = page.locator("#frames .frame")
    await expect(frames.filter(has_text="ms.PublishEvent").first).to_be_visible()
    await expect(frames.filter(has_text="chat.postMessage").first).to_be_attached()
    await keep(page, "lively")
    assert await sideways(page) <= 0

    # The filter knows which thread is which conversation's.
    await page.select_option("#wire-conversation", index=1)
    await expect(frames.filter(has_text="auth.test")).to_have_count(0)
    await expect(frames.filter(has_text="ms.PublishEvent").first).to_be_attached()
    await expect(frames.filter(has_text="chat.postMessage").first).to_be_attached()


async def test_a_person_takes_over_answers_and_closes(
    demo: Demo, open_page: OpenPage, keep: Keep
) -> None:
    page = await open_page(demo.sandbox.page_url)
    await connect(page)
    await page.click("text=Take over")
    await page.fill("#agent-composer", "Here is a person: <b>bold?</b> & <!channel> *stars*")
    await page.press("#agent-composer", "Enter")
    answer = thread(page).locator(".message", has_text="Here is a person")
    await expect(answer).to_contain_text("<b>bold?</b> & <!channel> *stars*")
    await expect(answer.locator("b", has_text="stars")).to_have_count(0)

    await reply(page, "Is the *script* silent? :wave:")
    await expect(talk(page)).to_contain_text("Is the *script* silent?")
    await page.click("#talk-actions button.danger")
    await expect(thread(page)).to_contain_text("Start again")
    await expect(page.locator("#talk-state")).to_contain_text("Closed by the agent")
    said = [event.text for event in _events(demo) if event.role != "CONSUMER" and event.text]
    assert len(said) == 3, "the script went on after a person had taken over"
    await keep(page, "closed")

    await page.click("#thread-messages .message >> nth=0 >> text=Start again")
    await expect(page.locator(".conversation")).to_have_count(2)


async def test_a_person_can_accept_as_an_agent(demo: Demo, open_page: OpenPage) -> None:
    page = await open_page(demo.sandbox.page_url)
    await page.click("#script-switch")
    await expect(page.locator("#script-switch")).to_have_attribute("aria-checked", "false")
    await page.click("#example")
    await expect(page.locator(".conversation")).to_be_visible()
    await expect(page.locator(".conversation.ringing")).to_have_count(0)  # nobody has written
    await reply(page, "Is anybody there?")
    await expect(page.locator(".conversation.ringing")).to_be_visible()
    await page.select_option("#agent-select", label="Tom")
    await page.click("text=Accept")
    await page.fill("#agent-composer", "Tom speaking")
    await page.press("#agent-composer", "Enter")
    message = thread(page).locator(".message", has_text="Tom speaking")
    await expect(message.locator(".byline b")).to_have_text("Tom (agent)")


async def test_the_cards_button_ends_the_conversation(demo: Demo, open_page: OpenPage) -> None:
    page = await open_page(demo.sandbox.page_url)
    await connect(page)
    await page.click("#thread-messages [data-action=lp_end]")
    await expect(page.locator("#talk-state")).to_contain_text("Closed by the consumer")
    await expect(thread(page).locator("[data-action=lp_end]")).to_have_count(0)
    await reply(page, "Is anybody there?")
    await expect(thread(page).locator("[data-action=lp_again]").last).to_be_visible()


async def test_what_is_broken_heals(demo: Demo, open_page: OpenPage, keep: Keep) -> None:
    page = await open_page(demo.sandbox.page_url)
    await connect(page)
    line = page.locator("#break-line")
    names = ["drop_socket", "expire_token", "liveperson_503", "slack_429", "kill_bridge"]
    for number, name in enumerate(names, start=1):
        await page.click(f"[data-break={name}]")
        await expect(line).not_to_have_attribute("data-state", "well")  # some heal at once
        await reply(page, f"{name} hurts, where is my invoice?")
        await keep(page, name)
        await expect(talk(page)).to_contain_text(f"{name} hurts", timeout=45_000)
        answers = thread(page).get_by_text("it is paid")
        await expect(answers).to_have_count(number, timeout=45_000)
        await expect(line).to_have_attribute("data-state", "healed", timeout=45_000)
    await expect(page.locator("#bridge-word")).to_have_text("Bridge running")
    events = [event for event in _events(demo) if event.role == "CONSUMER" and event.is_content]
    texts = [event.text for event in events]
    assert texts[1:] == [f"{name} hurts, where is my invoice?" for name in names]


async def test_what_cannot_heal_is_said(demo: Demo, open_page: OpenPage, keep: Keep) -> None:
    page = await open_page(demo.sandbox.page_url)
    await connect(page)
    await command(page, "/lp connect bank")
    await greet(page, "Bank")
    await reply(page, "Is my money safe?")
    await expect(talk(page)).to_contain_text("Is my money safe?")
    await page.click("[data-break=expire_token]")
    line = page.locator("#break-line")
    await expect(line).to_have_attribute("data-state", "lost", timeout=45_000)
    await expect(line).to_contain_text("Fresh token, new socket after")
    await expect(line).to_contain_text("Not healed: Sandbox Bank (a signed-up consumer gets no")
    await expect(thread(page).locator("[data-action=lp_end]")).to_have_count(0, timeout=45_000)
    await keep(page, "lost")


async def test_the_agents_desk_follows_a_new_conversation(demo: Demo, open_page: OpenPage) -> None:
    page = await open_page(demo.sandbox.page_url)
    await connect(page)
    title = page.locator("#talk-title")
    await expect(title).to_have_text("Sandbox Telecom, no. 1")
    await command(page, "/lp connect bank")
    await expect(title).to_have_text("Sandbox Bank, no. 2")
    await greet(page, "Bank")
    await expect(talk(page)).to_contain_text("this is Maria from Sandbox Bank")

    await page.fill("#agent-composer", "I am about to say")
    await command(page, "/lp connect telecom")
    await expect(page.locator(".conversation")).to_have_count(3)
    await greet(page, "Telecom")
    await expect(title).to_have_text("Sandbox Bank, no. 2")
    await page.fill("#agent-composer", "")
    await page.click(".conversation >> nth=-1")
    chosen = await title.inner_text()
    await reply(page, "Hello again")
    await expect(page.locator("#frames")).to_contain_text("Hello again")
    await expect(title).to_have_text(chosen)  # only what is new is followed


async def test_nothing_to_break_is_said(demo: Demo, open_page: OpenPage) -> None:
    page = await open_page(demo.sandbox.page_url)
    await page.click("[data-break=drop_socket]")
    await expect(page.locator("#break-line")).to_contain_text("Connect in Slack first")


async def test_the_page_can_be_used_with_the_keyboard_alone(
    demo: Demo, open_page: OpenPage
) -> None:
    page = await open_page(demo.sandbox.page_url)
    keyboard = page.keyboard
    await keyboard.press("Enter")
    await expect(thread(page)).to_contain_text("Write your first message")
    await expect(page.locator("#thread-composer")).to_be_focused()
    await keyboard.type("first line")
    await keyboard.press("Shift+Enter")
    await keyboard.type("second line")
    await keyboard.press("Enter")
    await expect(thread(page)).to_contain_text("second line")
    await expect(talk(page)).to_contain_text("first line\nsecond line", use_inner_text=True)
    await expect(thread(page)).to_contain_text("this is Maria")

    for _ in range(40):
        await keyboard.press("Tab")
        focused = await page.evaluate("document.activeElement.dataset.verb ?? ''")
        outline = await page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
            " || document.activeElement.matches('textarea')"
        )
        assert outline, "a focused control does not show it"
        if focused == "take-over":
            break
    else:
        pytest.fail("the Tab key does not reach the agent's buttons")
    await keyboard.press("Space")
    await expect(page.locator("[data-verb=hand-back]")).to_be_visible()
    await page.locator("#thread-composer").focus()
    await keyboard.press("Escape")
    await expect(page.locator("#thread")).to_be_hidden()
    await expect(page.locator("[data-thread]").first).to_be_focused()
    await keyboard.press("Enter")
    await expect(page.locator("#thread")).to_be_visible()


def _events(demo: Demo) -> list[StoredEvent]:
    return [
        event
        for conversation in demo.sandbox.liveperson.conversations.values()
        for event in conversation.main.events
    ]


async def test_a_card_is_sent_from_the_desk_and_pressed_in_the_thread(
    demo: Demo, open_page: OpenPage
) -> None:
    page = await open_page(demo.sandbox.page_url)
    await connect(page)
    await page.select_option("#card-select", "survey-question")
    await expect(thread(page)).to_contain_text("How likely are you to recommend us")
    await thread(page).get_by_role("button", name="Not at all likely").click()
    await expect(talk(page)).to_contain_text("[pressed a button of #")
    await expect(talk(page)).to_contain_text('"questionId": "q-17"')
    await expect(thread(page)).to_contain_text("chose")
    await expect(thread(page).get_by_role("button", name="Unlikely")).to_have_count(0)


async def test_a_checklist_is_ticked_and_sent_and_cards_can_be_drawn(
    demo: Demo, open_page: OpenPage, keep: Keep
) -> None:
    page = await open_page(demo.sandbox.page_url)
    await connect(page)
    await page.click("text=Take over")
    cards = await page.eval_on_selector_all("#card-select option", "all => all.map(it => it.value)")
    for card in [each for each in cards if each][2::4]:  # the checklist, and one of each kind
        before = await thread(page).locator(".message").count()
        await page.select_option("#card-select", card)
        await expect(thread(page).locator(".message").nth(before)).to_be_attached(timeout=15_000)
        if card == "checklist":
            await thread(page).get_by_label("Tomato").check()
            await thread(page).get_by_label("Sweet pepper").check()
            await thread(page).get_by_role("button", name="Order", exact=True).click()
            await expect(talk(page)).to_contain_text("tomato,")
    await keep(page, "gallery")
    await expect(thread(page).locator(".unknown")).to_have_count(0)
    assert await page.locator("#agent-error").inner_text() == ""
