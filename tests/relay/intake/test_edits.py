"""Messages that people edit and delete: what was taken back does not go out, and what the agent has
is corrected once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.e2e.world import ANA, BEN, CHANNEL, Thread, World, said
from tests.relay.intake.waits import down, down_after_next_publish, up

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def edit(thread: Thread, ts: str, text: str, *, user: str = ANA) -> None:
    await thread.world.slack.edit(user, CHANNEL, ts, text, wait=True)


async def delete(thread: Thread, ts: str) -> None:
    await thread.world.slack.delete(CHANNEL, ts, wait=True)


async def hears(world: World, conversation: Any, *texts: str) -> None:
    """The agent has got exactly this."""
    try:
        await world.until(lambda: len(said(world, conversation)) >= len(texts))
    finally:
        assert said(world, conversation) == list(texts)


async def test_the_agent_is_told_once_what_a_message_says_now(world: World) -> None:
    thread, conversation = await world.talking()
    world.slack.faults.redeliver(times=4)
    ts = await thread.say("I have 2 modems")
    await edit(thread, ts, "I have 3 modems")
    await thread.say("bye")
    await hears(world, conversation, "I have 2 modems", "Correction: I have 3 modems", "bye")


async def test_the_agent_is_told_that_a_message_was_withdrawn(world: World) -> None:
    thread, conversation = await world.talking()
    ts = await thread.say("my password is hunter2")
    await delete(thread, ts)
    await thread.say("bye")
    told = "(A message was withdrawn: “my password is hunter2”)"
    await hears(world, conversation, "my password is hunter2", told, "bye")


async def test_what_changes_no_word_tells_nothing(world: World) -> None:
    thread, conversation = await world.talking()
    ts = await thread.say("see <https://example.com> please")
    await world.slack.unfurl(CHANNEL, ts)
    await world.slack.notice_language(CHANNEL, ts)
    await edit(thread, ts, "see <https://example.com> *please*")
    world.slack.workspace.manners.tells_previous = False
    await world.slack.unfurl(CHANNEL, ts)
    await thread.say("bye")
    await hears(world, conversation, "see https://example.com please", "bye")


@pytest.mark.parametrize("exact_seconds", [True, False])
async def test_each_edit_is_told_against_the_one_before_it(
    exact_seconds: bool, world: World
) -> None:
    world.slack.workspace.manners.edited_in_seconds = exact_seconds
    thread, conversation = await world.talking()
    ts = await thread.say("one")
    await edit(thread, ts, "two")
    await world.until(lambda: "Correction: two" in said(world, conversation))
    await edit(thread, ts, "one")
    await thread.say("bye")
    await hears(world, conversation, "one", "Correction: two", "Correction: one", "bye")


async def test_another_person_is_named_in_a_correction(world: World) -> None:
    thread, conversation = await world.talking()
    ts = await thread.say("hello", user=BEN)
    await hears(world, conversation, "Ben: hello")
    await edit(thread, ts, "hello there", user=BEN)
    await world.until(lambda: len(said(world, conversation)) == 2)
    await delete(thread, ts)
    await hears(
        world,
        conversation,
        "Ben: hello",
        "Ben: Correction: hello there",
        "Ben: (A message was withdrawn: “hello there”)",
    )


async def test_what_is_edited_while_it_waits_goes_out_in_its_new_words(world: World) -> None:
    thread, conversation = await world.talking()
    await down(world)
    ts = await thread.say("frist")
    await thread.say("second")
    await edit(thread, ts, "first")
    await edit(thread, ts, "first of all")
    up(world)
    await hears(world, conversation, "first of all", "second")


async def test_what_is_deleted_while_it_waits_does_not_go_out(world: World) -> None:
    thread, conversation = await world.talking()
    await down(world)
    secret = await thread.say("my password is hunter2")
    await thread.say("hello")
    await delete(thread, secret)
    up(world)
    await thread.say("bye")
    await hears(world, conversation, "hello", "bye")


async def test_a_long_message_that_waits_may_become_longer_or_shorter(world: World) -> None:
    thread, conversation = await world.talking()
    await down(world)
    short = await thread.say("short")
    long = await thread.say("b" * 12_000)
    await edit(thread, short, "a" * 12_000)
    await edit(thread, long, "not long")
    up(world)
    await world.until(lambda: "not long" in said(world, conversation))
    assert "".join(said(world, conversation)) == "a" * 12_000 + "not long"


async def test_what_is_in_doubt_is_corrected_once_its_fate_is_known(world: World) -> None:
    thread, conversation = await world.talking()
    down_after_next_publish(world)
    ts = await thread.say("in doubt")
    await world.until(lambda: said(world, conversation) == ["in doubt"])
    await edit(thread, ts, "certain")
    up(world)
    await thread.say("bye")
    await hears(world, conversation, "in doubt", "Correction: certain", "bye")


async def test_an_edit_while_the_message_is_on_its_way(world: World) -> None:
    thread, conversation = await world.talking()
    world.liveperson.faults.slow_answer("ms.PublishEvent", seconds=0.5)
    ts = await thread.say("on its way")
    await world.until(lambda: said(world, conversation) == ["on its way"])
    await edit(thread, ts, "arrived")
    await thread.say("bye")
    await hears(world, conversation, "on its way", "Correction: arrived", "bye")


async def test_a_note_stays_inside_until_it_is_none_any_more(world: World) -> None:
    thread, conversation = await world.talking()
    ts = await thread.say("// do we know this one?")
    await edit(thread, ts, "// do we know this customer?")
    await thread.say("hello")
    await hears(world, conversation, "hello")
    await edit(thread, ts, "do you know this customer?")
    await hears(world, conversation, "hello", "do you know this customer?")
    await world.until(lambda: not world.slack.workspace.reactions(CHANNEL, ts))


async def test_a_message_that_is_made_a_note_is_withdrawn(world: World) -> None:
    thread, conversation = await world.talking()
    ts = await thread.say("she is annoying")
    await edit(thread, ts, "// she is annoying")
    await hears(
        world, conversation, "she is annoying", "(A message was withdrawn: “she is annoying”)"
    )
    await world.until(lambda: "lock" in world.slack.workspace.reactions(CHANNEL, ts))
    await edit(thread, ts, "// she is so annoying")
    await edit(thread, ts, "she is kind")
    await world.until(lambda: said(world, conversation)[2:] == ["Correction: she is kind"])


async def test_a_change_that_comes_before_its_message(world: World) -> None:
    """Slack delivers again what was not taken, later than what came after it."""
    thread, conversation = await world.talking()
    for act in ("edit", "delete"):
        world.slack.faults.shuffle(2)
        ts = await world.slack.say(ANA, CHANNEL, f"to be {act}ed", thread_ts=thread.ts)
        if act == "edit":
            await edit(thread, ts, "edited first")
        else:
            await delete(thread, ts)
        assert await world.slack.delivered(ts, CHANNEL)
    await thread.say("bye")
    await hears(world, conversation, "edited first", "bye")


async def test_nothing_is_told_of_a_thread_that_is_over(world: World) -> None:
    thread, conversation = await world.talking()
    ts = await thread.say("hello")
    await world.until(lambda: said(world, conversation) == ["hello"])
    await world.liveperson.close(conversation.id)
    await thread.shows("How was this conversation?")  # the last that belongs to the end
    before = thread.texts
    await edit(thread, ts, "hello again")
    await delete(thread, ts)
    await asyncio.sleep(0.2)
    assert [text for text in thread.texts if text in before] == thread.texts
    assert said(world, conversation) == ["hello"]


async def test_nothing_is_posted_below_a_first_message_that_is_gone(world: World) -> None:
    """Slack might show it in the channel itself."""
    thread, conversation = await world.talking()
    await world.slack.delete(CHANNEL, thread.ts, wait=True)
    before = len(world.slack.messages(CHANNEL))
    await world.liveperson.say(conversation.id, "are you still there?")
    await world.until(lambda: conversation.state == "CLOSE")
    private = [message["text"] for message in world.slack.messages("D0ANA")]
    assert len(private) == 1
    assert "could not go on" in private[0]
    assert len(world.slack.messages(CHANNEL)) == before


async def test_what_waits_and_is_withdrawn_is_nobodys_loss_at_the_end(world: World) -> None:
    thread, conversation = await world.talking()
    await down(world)
    secret = await thread.say("my password is hunter2")
    lost = await thread.say("hello?")
    await delete(thread, secret)
    await world.liveperson.close(conversation.id)
    up(world)
    await thread.shows("was not delivered")
    assert said(world, conversation) == []
    await world.until(lambda: world.slack.workspace.reactions(CHANNEL, lost))


@pytest.mark.parametrize("at_once", [True, False])
async def test_one_gesture_that_comes_as_two_messages_is_relayed_once(
    at_once: bool, world: World
) -> None:
    thread, conversation = await world.talking()
    first = await thread.say("hello", gesture="one")
    if not at_once:
        await world.until(lambda: said(world, conversation) == ["hello"])
    second = await thread.say("hello", gesture="one")
    await thread.say("hello", gesture="another")
    await hears(world, conversation, "hello", "hello")
    for ts in (second, first):
        await edit(thread, ts, "hello you")
    await thread.say("bye")
    await hears(world, conversation, "hello", "hello", "Correction: hello you", "bye")
