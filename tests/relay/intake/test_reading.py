"""What people share in a thread reaches the agent in words: tables, forwarded messages, emoji."""

from __future__ import annotations

import pytest

from tests.content.test_from_blocks import FORWARDED, TABLE, rich, text, words
from tests.e2e.world import ANA, CHANNEL, World, said

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def test_a_table_pasted_with_a_question_reaches_the_agent(world: World) -> None:
    thread, conversation = await world.talking()
    await world.slack.say(
        ANA,
        CHANNEL,
        "Is this right?",
        thread_ts=thread.ts,
        blocks=[*rich(words(text("Is this right?"))), TABLE],
    )
    wanted = "Is this right?\nItem | Price\nTea & cake | 4.5"
    await world.until(lambda: said(world, conversation) == [wanted])


async def test_a_forwarded_message_reaches_the_agent(world: World) -> None:
    thread, conversation = await world.talking()
    await world.slack.say(ANA, CHANNEL, "", thread_ts=thread.ts, attachments=[FORWARDED])
    await world.until(lambda: len(said(world, conversation)) == 1)
    assert said(world, conversation)[0].startswith("Forwarded message from Ben <b>\n> It says")
    assert not any("passed on" in shown for shown in thread.texts)


async def test_numbers_between_colons_stay_numbers(world: World) -> None:
    thread, conversation = await world.talking()
    await thread.say("root:x:0:0 :wave: 50:100:50")
    await world.until(lambda: said(world, conversation) == ["root:x:0:0 👋 50:100:50"])
