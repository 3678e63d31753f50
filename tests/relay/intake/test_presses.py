"""What is pressed in a card: once, in its own thread, and what the agent gets of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lp_sandbox.liveperson.cards import gallery_card
from tests.e2e.pressing import button, card, elements, heard, says, sent
from tests.e2e.world import ACCOUNT, ANA, BEN, CHANNEL, Thread, World
from tests.relay.intake import test_clicks
from tests.relay.intake.test_clicks import guest

sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

NOTE = {"type": "Answer", "id": "a1", "n": 1.5}
"""Metadata of a type that LivePerson's schemas do not know."""


def whispered(world: World, user: str) -> list[str]:
    """What only this person was told of buttons."""
    told = test_clicks.whispered(world, user)
    return [text for text in told if "Opening a conversation" not in text]


SURE = {
    "type": "ContentEvent",
    "contentType": "text/plain",
    "message": "Are you sure?",
    "quickReplies": {
        "type": "quickReplies",
        "replies": [
            {
                "type": "button",
                "title": title,
                "click": {
                    "actions": [{"type": "publishText", "text": f"{title}, I am"}],
                    "metadata": [{"type": "Answer", "questionId": "q", "id": title}],
                },
            }
            for title in ("Yes", "No")
        ],
    },
}


async def come(world: World, conversation: Any, wanted: list[tuple[str, Any, Any]]) -> None:
    """Say a last word; then all of this must have come, once, in order."""
    await world.until(lambda: len(heard(world, conversation)) >= len(wanted))
    assert heard(world, conversation) == wanted


async def test_a_press_is_an_action_and_a_text_and_the_card_says_who(world: World) -> None:
    thread, conversation = await world.talking()
    metadata = [{"type": "Answer", "id": "a1", "n": 1.5}, {"type": "BotResponse"}]
    both = card(button("Yes", says("Yes, please"), metadata=metadata), button("No", says("No")))
    asked = await sent(world, thread, conversation, both)
    await asked.press("Yes")
    await come(
        world,
        conversation,
        [("ACTION", [asked.sequence], metadata), ("text", "Yes, please", metadata)],
    )
    await asked.shows(f"<@{ANA}> chose", '"Yes"', '"No"')
    with pytest.raises(LookupError):
        asked.action("Yes")
    await asked.press("No")
    assert [text for kind, text, _ in heard(world, conversation) if kind == "text"] != []
    await world.until(lambda: len(heard(world, conversation)) == 4)
    assert whispered(world, ANA) == []


async def test_of_all_who_press_at_once_one_is_first(world: World) -> None:
    thread, conversation = await world.talking()
    asked = await sent(world, thread, conversation, card(button("Yes", says("Yes"))))
    action, value = asked.action("Yes")
    people = [ANA, BEN, ANA, BEN]
    results = await asyncio.gather(
        *(world.slack.click(each, CHANNEL, asked.ts, action, value) for each in people)
    )
    assert {result.status for result in results} == {200}
    await thread.say("the last word")
    await world.until(lambda: "the last word" in str(heard(world, conversation)))
    kinds = [kind for kind, _, _ in heard(world, conversation)]
    assert kinds == ["ACTION", "text", "text"]
    refused = whispered(world, ANA) + whispered(world, BEN)
    assert len(refused) == 3
    assert all("pressed this already" in told for told in refused)


@sqlite_only
async def test_a_click_that_slack_delivers_again_is_the_same(world: World) -> None:
    thread, conversation = await world.talking()
    asked = await sent(
        world, thread, conversation, card(button("Yes", says("Yes")), button("No", says("No")))
    )
    action, value = asked.action("Yes")
    stamp = world.slack.workspace.next_ts(CHANNEL)
    async with asyncio.TaskGroup() as both:
        for _ in range(2):
            both.create_task(
                world.slack.click(ANA, CHANNEL, asked.ts, action, value, action_ts=stamp)
            )
    await thread.say("the last word")
    await world.until(lambda: "the last word" in str(heard(world, conversation)))
    assert len(heard(world, conversation)) == 3
    assert whispered(world, ANA) == []


async def test_quick_replies_go_with_a_press(world: World) -> None:
    thread, conversation = await world.talking()
    asked = await sent(world, thread, conversation, SURE)
    yes, no = asked.action("Yes"), asked.action("No")
    first, second = await asyncio.gather(
        world.slack.click(ANA, CHANNEL, asked.ts, *yes),
        world.slack.click(BEN, CHANNEL, asked.ts, *no),
    )
    assert (first.status, second.status) == (200, 200)
    await asked.shows("chose")
    assert len([kind for kind, _, _ in heard(world, conversation) if kind == "ACTION"]) <= 1
    await world.until(lambda: len(heard(world, conversation)) == 2)
    for label in ("Yes", "No"):
        with pytest.raises(LookupError):
            asked.action(label)


async def test_quick_replies_go_with_whatever_the_person_says(world: World) -> None:
    thread, conversation = await world.talking()
    asked = await sent(world, thread, conversation, SURE)
    again = await sent(world, thread, conversation, SURE)
    yes = asked.action("Yes")
    await thread.say("// a note among colleagues")
    await thread.say("Yes")
    await world.until(lambda: "Yes" not in asked.shown + again.shown)
    assert "Are you sure?" in asked.shown
    await world.until(lambda: heard(world, conversation) == [("text", "Yes", [])])
    # Somebody had the message on the screen before it changed.
    world.slack.workspace.message(CHANNEL, asked.ts).blocks = forged(*yes)
    await world.slack.click(BEN, CHANNEL, asked.ts, *yes)
    assert "something was said since" in whispered(world, BEN)[0]
    later = await sent(world, thread, conversation, SURE)
    await thread.say("No")
    await world.until(lambda: "Yes" not in later.shown)


def forged(action: str, value: str) -> list[dict[str, Any]]:
    text = {"type": "plain_text", "text": "press"}
    element = {"type": "button", "text": text, "action_id": action, "value": value}
    return [{"type": "actions", "block_id": "b", "elements": [element]}]


@sqlite_only
async def test_a_link_is_told_of_each_time_and_stays(world: World) -> None:
    thread, conversation = await world.talking()
    link = {"type": "link", "uri": "https://example.com/"}
    asked = await sent(world, thread, conversation, card(button("Look", link, metadata=[NOTE])))
    for _ in range(2):
        await asked.press("Look")
    await come(world, conversation, [("ACTION", [asked.sequence], [NOTE])] * 2)
    assert asked.action("Look")
    assert whispered(world, ANA) == []


async def test_whoever_else_presses_is_named_as_in_texts(world: World) -> None:
    thread, conversation = await world.talking()
    asked = await sent(
        world, thread, conversation, card(button("Yes", says("Yes")), button("No", says("No")))
    )
    await asked.press("Yes", user=BEN)
    await world.until(lambda: len(heard(world, conversation)) == 2)
    await asked.press("No")
    await world.until(lambda: len(heard(world, conversation)) == 4)
    assert [said for kind, said, _ in heard(world, conversation) if kind == "text"] == [
        "Ben: Yes",
        "Ana: No",
    ]


@sqlite_only
async def test_several_texts_of_one_press_leave_in_order(world: World) -> None:
    thread, conversation = await world.talking()
    long = "word " * 990
    asked = await sent(
        world,
        thread,
        conversation,
        card(button("Go", says(long), says("two"), metadata=[NOTE])),
    )
    await asked.press("Go", user=BEN)
    await world.until(
        lambda: heard(world, conversation)[-1:] and heard(world, conversation)[-1][1] == "Ben: two"
    )
    assert all(along == [NOTE] for _, _, along in heard(world, conversation))


@sqlite_only
async def test_a_checklist_is_submitted_and_leaves_its_header(world: World) -> None:
    thread, conversation = await world.talking()
    asked = await sent(world, thread, conversation, gallery_card("checklist").event)
    boxes = next(
        each for each in elements(asked.message["blocks"]) if each.get("type") == "checkboxes"
    )
    submit = next(
        each
        for each in elements(asked.message["blocks"])
        if str(each.get("action_id")).startswith("lp_submit")
    )
    await asked.press(submit["text"]["text"])
    [told] = whispered(world, ANA)
    assert "Choose something first" in told
    assert heard(world, conversation) == []
    values = {
        "b": {boxes["action_id"]: {"type": "checkboxes", "selected_options": boxes["options"][:2]}}
    }
    await asked.press(submit["text"]["text"], values=values)
    await world.until(lambda: len(heard(world, conversation)) == 2)
    (kind, _, _), (_, said, _) = heard(world, conversation)
    assert kind == "ACTION"
    assert ", " in said
    await asked.shows("chose")
    assert "checkboxes" not in asked.shown


async def test_a_date_is_asked_for_in_a_dialog(world: World) -> None:
    thread, conversation = await world.talking()
    asked = await sent(world, thread, conversation, gallery_card("date-range").event)
    opens = next(
        each
        for each in elements(asked.message["blocks"])
        if str(each.get("action_id")).startswith("lp_open")
    )
    await asked.press(opens["text"]["text"])
    [view] = world.slack.workspace.views.values()
    pickers = [each for each in elements(view["blocks"]) if each.get("type") == "datepicker"]
    assert len(pickers) == 2

    def picked(*days: str) -> dict[str, Any]:
        return {
            f"lp_choice:{at}": {picker["action_id"]: {"type": "datepicker", "selected_date": day}}
            for at, (picker, day) in enumerate(zip(pickers, days, strict=True))
        }

    refused = await world.slack.submit(ANA, view["id"], picked("2001-01-02", "2001-01-01"))
    assert refused.errors
    assert heard(world, conversation) == []
    day = "2027-01-05"
    taken = await world.slack.submit(ANA, view["id"], picked(day, day))
    assert (taken.status, taken.errors, taken.shown) == (200, {}, None)
    await world.until(lambda: len(heard(world, conversation)) == 2)
    assert [kind for kind, _, _ in heard(world, conversation)] == ["ACTION", "text"]
    await asked.shows("chose")


async def test_a_card_is_for_its_own_thread_and_people_and_time(world: World) -> None:
    thread, conversation = await world.talking()
    asked = await sent(world, thread, conversation, card(button("Yes", says("Yes"))))
    yes = asked.action("Yes")
    elsewhere = await world.connect(user=BEN)
    message = world.slack.workspace.message(CHANNEL, elsewhere.ts)
    message.blocks = forged(*yes)
    await world.slack.click(BEN, CHANNEL, elsewhere.ts, *yes)
    assert "does nothing any more" in whispered(world, BEN)[-1]
    await asked.press("Yes", user=guest(world))
    assert "of the workspace" in whispered(world, "U0GUEST")[-1]
    for nonsense in ("nonsense", f"{yes[1]}9", "1-0000000000000000:0"):
        world.slack.workspace.message(CHANNEL, elsewhere.ts).blocks = forged(yes[0], nonsense)
        await world.slack.click(BEN, CHANNEL, elsewhere.ts, yes[0], nonsense)
    assert heard(world, conversation) == []
    await world.liveperson.close(conversation.id)
    await thread.shows("Start again")
    await asked.press("Yes")
    assert "is over" in whispered(world, ANA)[-1]


async def test_a_survey_is_answered_with_its_buttons_and_the_talks_are_over(world: World) -> None:
    world.liveperson.accounts[ACCOUNT].survey = True
    thread, conversation = await world.talking()
    await thread.say("hello")
    asked = await sent(world, thread, conversation, card(button("Yes", says("Yes"))))
    await world.liveperson.close(conversation.id)
    survey = await world.until(lambda: conversation.survey)
    for wanted in ("How would you rate", "Was your question resolved"):
        await thread.shows(wanted)
        question = open_question(thread)
        assert question is not None
        await world.slack.click(ANA, CHANNEL, *question)
    await thread.shows("The survey is complete")
    await asked.press("Yes")
    assert "is over" in whispered(world, ANA)[-1]
    found = [event for event in survey.events if event.role == "CONSUMER"]
    kinds = [event.event.get("status", "text") for event in found]
    assert [kind for kind in kinds if kind != "ACCEPT"][:4] == ["ACTION", "text"] * 2
    assert [kind for kind, _, _ in heard(world, conversation)] == ["text"]


def open_question(thread: Thread) -> tuple[str, str, str] | None:
    """The newest message that has quick replies, and the first of them."""
    for message in reversed(thread.replies):
        for block in message.get("blocks") or ():
            if str(block.get("block_id")).startswith("lp:q") and "elements" in block:
                first = block["elements"][0]
                return message["ts"], first["action_id"], first["value"]
    return None
