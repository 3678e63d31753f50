"""What people press, say to the bridge or react with: how soon an answer is wanted, and READ."""

from __future__ import annotations

import pytest

from tests.e2e.world import ANA, BEN, CHANNEL, World

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

BOT = "<@U0BRIDGE>"


async def test_urgent_by_the_card_and_back_by_a_word(world: World) -> None:
    thread, conversation = await world.talking()
    await thread.press("lp_urgent")
    await thread.shows("marked as urgent")
    assert (conversation.ttr, conversation.ttr_seconds) == ("URGENT", 300)
    await thread.card_shows("Back to normal")
    await thread.say(f"{BOT} urgent", user=BEN)
    await thread.shows("is marked as urgent already")
    await thread.say(f"{BOT} normal", user=BEN)
    await thread.shows("back to normal: no answer")
    assert conversation.ttr == "NORMAL"
    await thread.card_shows("Mark as urgent")
    await thread.press("lp_urgent")
    await thread.card_shows("⏫ Urgent")
    await thread.press("lp_normal")
    await thread.card_shows("Mark as urgent")
    assert conversation.ttr == "NORMAL"


async def test_an_urgency_pressed_twice_is_asked_for_twice_at_most_and_told_once(
    world: World,
) -> None:
    thread, conversation = await world.talking()
    ts = world.slack.workspace.next_ts(CHANNEL)
    for _ in range(2):  # Slack delivers it again
        await world.slack.click(ANA, CHANNEL, thread.ts, "lp_urgent", action_ts=ts)
    await thread.card_shows("⏫ Urgent")
    await thread.say("done")
    await world.until(lambda: any(e.text == "done" for e in conversation.main.events))
    sent = [e for e in world.wire.entries() if e.title == "cm.UpdateConversationField"]
    assert len([each for each in sent if each.direction == "in"]) == 1
    assert sum("marked as urgent" in text for text in thread.texts) == 1


async def test_what_is_over_cannot_be_marked(world: World) -> None:
    thread, conversation = await world.talking()
    await world.liveperson.end(conversation.id)
    await thread.shows("To talk again")
    await thread.say(f"{BOT} urgent")
    await thread.shows("Only an open conversation")
    assert "lp_urgent" not in thread.card_text()


async def test_who_reacts_to_what_the_agent_said_has_read_it(world: World) -> None:
    thread, conversation = await world.talking()
    first = await world.liveperson.say(conversation.id, "look at this")
    shown = await thread.shows("look at this")

    def told(status: str) -> set[int]:
        return {
            number
            for event in conversation.main.events
            if event.role == "CONSUMER" and event.event.get("status") == status
            for number in event.event["sequenceList"]
        }

    await world.until(lambda: first in told("ACCEPT"))
    assert told("READ") == set()
    message = world.slack.workspace.message(CHANNEL, shown["ts"])
    world.slack.workspace.react(message, "heart", user=BEN)
    await world.until(lambda: told("READ") == {first})
