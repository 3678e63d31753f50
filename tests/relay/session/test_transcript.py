"""The transcript: a text file in the thread, for whoever asks."""

from __future__ import annotations

import pytest

from bridge.slack.views import blocks
from tests.e2e.world import ACCOUNT, ANA, BEN, CHANNEL, Thread, World, said

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


def files(world: World, thread: Thread) -> list[dict[str, object]]:
    """The files that the bridge has put into a thread."""
    return [
        file
        for message in world.slack.thread(CHANNEL, thread.ts)[1:]
        for file in message.get("files") or ()
    ]


async def read(world: World, thread: Thread, number: int = 0) -> str:
    """The text of a file in the thread."""
    await world.until(lambda: len(files(world, thread)) > number)
    stored = world.slack.workspace.files.by_id[str(files(world, thread)[number]["id"])]
    assert stored.data is not None
    return stored.data.decode("utf-8-sig")


async def test_a_word_puts_what_was_said_into_the_thread(world: World) -> None:
    thread, conversation = await world.talking()
    await thread.say("My order is late :wave:")
    await thread.say("// he is always late")
    await thread.say("Mine, too", user=BEN)
    await world.until(lambda: len(said(world, conversation)) == 2)
    await world.liveperson.say(conversation.id, "Sorry <b>!</b>\nTomorrow.")
    await thread.shows("Sorry")
    bot = world.slack.workspace.app.user_id
    await thread.say(f"<@{bot}> transcript")
    text = await read(world, thread)
    lines = text.splitlines()
    assert ACCOUNT in lines[0]
    assert "by Ana" in lines[1]
    assert any(line.endswith("Ana: My order is late 👋") for line in lines)
    assert any(line.endswith("Ben: Ben: Mine, too") or "Ben: Mine, too" in line for line in lines)
    assert "Maria (agent): Sorry" in text
    assert "Tomorrow." in text
    assert "always late" not in text
    assert "transcript" not in text
    assert said(world, conversation)[-1] == "Ben: Mine, too", "the word is not for the agent"


async def test_the_cards_button_serves_after_the_end_once_a_click(world: World) -> None:
    thread, conversation = await world.talking()
    await world.liveperson.say(conversation.id, "Goodbye")
    await thread.shows("Goodbye")
    await world.liveperson.close(conversation.id)
    await thread.card_shows(blocks.TRANSCRIPT)
    for _ in range(2):  # the same click, delivered twice
        await world.slack.click(
            ANA, CHANNEL, thread.ts, blocks.TRANSCRIPT, action_ts="1700000000.000001"
        )
    text = await read(world, thread)
    assert "Maria (agent): Goodbye" in text
    assert "ended the conversation" in text
    await world.slack.click(ANA, CHANNEL, thread.ts, blocks.TRANSCRIPT)
    await read(world, thread, 1)
    assert len(files(world, thread)) == 2
