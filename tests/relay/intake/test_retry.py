"""What was not delivered can be sent again, once, while the conversation is open."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.world import BEN, CHANNEL, Thread, World, said

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def failed(world: World, *texts: str) -> tuple[Thread, Any, list[str]]:
    """A talk in which LivePerson has refused these messages."""
    thread, conversation = await world.talking()
    stamps = []
    for text in texts:
        world.liveperson.faults.refuse_request("ms.PublishEvent", 400)
        stamps.append(ts := await thread.say(text))
        await world.until(lambda ts=ts: "warning" in reactions(world, ts))  # type: ignore[misc]
        await thread.shows("was not delivered")
    return thread, conversation, stamps


def reactions(world: World, ts: str) -> dict[str, list[str]]:
    return world.slack.workspace.reactions(CHANNEL, ts)


async def test_the_button_sends_it_again_once(world: World) -> None:
    thread, conversation, (ts,) = await failed(world, "hello")
    shown = await thread.shows("was not delivered")
    await thread.press("lp_retry", on=shown["ts"], user=BEN)
    await thread.press("lp_retry", on=shown["ts"])
    await thread.say("bye")
    await world.until(lambda: len(said(world, conversation)) >= 2)
    assert said(world, conversation) == ["hello", "bye"]
    await world.until(lambda: not reactions(world, ts))
    private = world.slack.ephemerals(CHANNEL, "U0ANA")
    assert "sent again already" in private[-1]["text"]


async def test_the_word_sends_all_of_them_again_in_order(world: World) -> None:
    thread, conversation, _ = await failed(world, "one", "two")
    await thread.say("<@U0BRIDGE> retry")
    await world.until(lambda: said(world, conversation) == ["one", "two"])
    await thread.say("<@U0BRIDGE> retry")
    await thread.shows("nothing to send again")
    assert said(world, conversation) == ["one", "two"]


async def test_what_fails_again_can_be_sent_again_again(world: World) -> None:
    thread, conversation, (ts,) = await failed(world, "hello")
    world.liveperson.faults.refuse_request("ms.PublishEvent", 400)
    await thread.say("<@U0BRIDGE> retry")
    await world.until(lambda: len([t for t in thread.texts if "was not delivered" in t]) == 2)
    await world.until(lambda: "warning" in reactions(world, ts))
    await thread.press("lp_retry", on=thread.replies[-1]["ts"])
    await world.until(lambda: said(world, conversation) == ["hello"])


async def test_it_is_sent_again_in_its_newest_words(world: World) -> None:
    thread, conversation, stamps = await failed(world, "frist", "secret")
    await world.slack.edit("U0ANA", CHANNEL, stamps[0], "first", wait=True)
    await world.slack.delete(CHANNEL, stamps[1], wait=True)
    await thread.say("hello")
    await world.until(lambda: said(world, conversation) == ["hello"])
    await thread.say("<@U0BRIDGE> retry")
    await thread.say("bye")
    await world.until(lambda: "bye" in said(world, conversation))
    assert said(world, conversation) == ["hello", "first", "bye"]


async def test_nothing_is_sent_again_when_the_conversation_is_over(world: World) -> None:
    thread, conversation, _ = await failed(world, "hello")
    await world.liveperson.close(conversation.id)
    await thread.shows("ended the conversation")
    shown = await thread.shows("was not delivered")
    await thread.press("lp_retry", on=shown["ts"])
    private = world.slack.ephemerals(CHANNEL, "U0ANA")
    assert "conversation is over" in private[-1]["text"]
    assert said(world, conversation) == []
