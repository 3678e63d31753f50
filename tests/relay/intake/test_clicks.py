"""A button works only in its own thread, and only for people of the workspace."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.slack.views import blocks
from lp_sandbox.slack.model import Message, User
from tests.e2e.world import ANA, BEN, CHANNEL, Thread, World

sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
GUEST = "U0GUEST"


def forge(world: World, channel: str, thread_ts: str | None, *buttons: dict[str, Any]) -> str:
    """Post buttons of the bridge in a place where it posts none; returns the message's ts."""
    app = world.slack.workspace.app
    row = blocks.actions(*buttons) | {"block_id": "b1"}
    message = Message(
        ts=world.slack.workspace.next_ts(channel),
        channel=channel,
        team=world.slack.team.id,
        user=app.user_id,
        bot_id=app.bot_id,
        app_id=app.id,
        text="press",
        blocks=[row],
        thread_ts=thread_ts,
    )
    return world.slack.workspace.post(message).ts


def end_button(session: str) -> dict[str, Any]:
    return blocks.button("End", blocks.END, session)


def guest(world: World, channel: str = CHANNEL) -> str:
    """Somebody of another company, in a channel that both share."""
    world.slack.workspace.users[GUEST] = User(GUEST, "eve", "Eve", "Eve", team="T0OTHER")
    world.slack.workspace.channel(channel).members.add(GUEST)
    return GUEST


def session_of(thread: Thread) -> str:
    """The session that a card's button names."""
    [row] = [block for block in thread.card["blocks"] if block["type"] == "actions"]
    return str(row["elements"][0]["value"])


def whispered(world: World, user: str, channel: str = CHANNEL) -> list[str]:
    return [str(message["text"]) for message in world.slack.ephemerals(channel, user)]


@pytest.mark.parametrize("where", ["another channel", "the channel itself", "another thread"])
async def test_a_conversation_is_ended_from_its_own_thread_only(world: World, where: str) -> None:
    thread, conversation = await world.talking()
    await world.connect(channel="C0GENERAL", user=BEN)  # its thread is nobody else's business
    elsewhere = await world.connect(user=BEN)
    forged = {
        "another channel": ("C0GENERAL", None),
        "the channel itself": (CHANNEL, None),
        "another thread": (CHANNEL, elsewhere.ts),
    }
    channel, thread_ts = forged[where]
    ts = forge(world, channel, thread_ts, end_button(session_of(thread)))
    assert (await world.slack.click(BEN, channel, ts, blocks.END)).status == 200
    [told] = whispered(world, BEN, channel)[-1:]
    assert "no longer known" in told
    await thread.say("still there?")
    await world.until(lambda: "still there?" in str(world.liveperson.transcript(conversation.id)))
    assert conversation.state == "OPEN"

    await thread.press(blocks.END, user=BEN)
    await world.until(lambda: conversation.state == "CLOSE")


@sqlite_only
async def test_it_is_ended_from_any_message_of_its_thread(world: World) -> None:
    thread, conversation = await world.talking()
    ts = forge(world, CHANNEL, thread.ts, end_button(session_of(thread)))
    await thread.press(blocks.END, on=ts)
    await world.until(lambda: conversation.state == "CLOSE")


@sqlite_only
async def test_people_of_another_workspace_cannot_end_it(world: World) -> None:
    thread, conversation = await world.talking()
    await thread.press(blocks.END, user=guest(world))
    [told] = whispered(world, GUEST)
    assert "of the workspace" in told
    await thread.say("<@U0BRIDGE> end", user=GUEST)
    await thread.shows("Only people of the workspace")
    await thread.say("still there?")
    await world.until(lambda: "still there?" in str(world.liveperson.transcript(conversation.id)))
    assert conversation.state == "OPEN"
    await thread.say("<@U0BRIDGE> end", user=BEN)
    await world.until(lambda: conversation.state == "CLOSE")


@sqlite_only
async def test_start_again_is_for_its_own_account_and_thread(world: World) -> None:
    thread, conversation = await world.talking()
    again = blocks.again_button("12345678")
    await world.liveperson.close(conversation.id)
    await thread.card_shows(blocks.AGAIN)
    refused = [
        (CHANNEL, forge(world, CHANNEL, None, again)),
        ("C0GENERAL", forge(world, "C0GENERAL", None, again)),
        (CHANNEL, forge(world, CHANNEL, thread.ts, blocks.again_button("87654321"))),
    ]
    for channel, ts in refused:
        assert (await world.slack.click(ANA, channel, ts, blocks.AGAIN)).status == 200
        assert "no longer known" in whispered(world, ANA, channel)[-1]
    await thread.press(blocks.AGAIN, user=guest(world))
    assert "of the workspace" in whispered(world, GUEST)[-1]
    assert len(world.liveperson.conversations) == 1

    await thread.press(blocks.AGAIN)
    await world.until(lambda: len(world.liveperson.conversations) == 2)
    assert "Opening a conversation" in whispered(world, ANA)[-1]
