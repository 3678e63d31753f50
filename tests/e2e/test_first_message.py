"""A conversation that begins with a message: whatever dies, there is one, and it is said once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lp_sandbox.slack.surfaces import filled
from tests.e2e.pressing import elements
from tests.e2e.warm import Warm
from tests.e2e.world import ANA, BEN, CHANNEL, Thread, World, is_card, said, world_of

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

PATIENCE = 30.0


@pytest.fixture
async def world(database_url: str, encryption_key: str, warm: Warm) -> AsyncIterator[World]:
    """Both stand-ins, and bridges that start at once."""
    async with world_of(database_url, encryption_key, warm=warm) as world:
        world.env["BRIDGE_WORKER_ID"] = "the-only-one"
        yield world


async def submit(world: World, user: str = ANA, **given: str | None) -> Any:
    view = world.slack.view(user)
    return await world.slack.submit(user, view["id"], filled(view, **given))


async def told_once(world: World, channel: str, text: str, *, user: str = ANA) -> Thread:
    """The agent has it once, and the thread shows it once, first; then the talk goes on."""
    cards = await world.until(lambda: [m for m in world.slack.messages(channel) if is_card(m)])
    assert len(cards) == 1
    thread = Thread(world, channel, cards[0]["ts"])
    await thread.say("the last word", user=user)
    conversation = await world.until(world.conversation, PATIENCE)
    await world.until(lambda: "the last word" in said(world, conversation), PATIENCE)
    assert said(world, conversation) == [text, "the last word"]
    assert len(world.liveperson.conversations) == 1

    def shows() -> list[int]:
        return [
            n for n, m in enumerate(thread.replies) if {"type": "text", "text": text} in words(m)
        ]

    await world.until(shows, PATIENCE)
    [place] = shows()
    assert not any("bot_id" in each for each in thread.replies[:place]), "it comes first of ours"
    assert not any("not delivered" in shown for shown in thread.texts)
    return thread


def words(message: dict[str, Any]) -> list[dict[str, Any]]:
    return elements(message.get("blocks"))


POINTS = [
    "session.committed",
    "card.answered",
    "card.noted",
    "open.before",
    "open.answered",
    "open.noted",
    "publish.before",
    "publish.answered",
    "publish.noted",
    "post.before",
    "post.answered",
    "post.noted",
]


@pytest.mark.parametrize("point", POINTS)
async def test_a_first_message_survives_a_kill(world: World, point: str) -> None:
    dying = await world.bridge(BRIDGE_TEST_CRASH_AT=point)
    await world.slack.command(ANA, CHANNEL, "connect 12345678 My order is late")
    assert dying.process is not None
    assert await dying.process.wait() == -signal.SIGKILL
    await world.bridge()
    await told_once(world, CHANNEL, "My order is late")


async def test_a_dialog_submitted_again_after_a_kill_opens_one_conversation(world: World) -> None:
    bridge = await world.bridge()
    await world.slack.command(ANA, CHANNEL, "connect")
    await bridge.stop()
    dying = await world.bridge(BRIDGE_TEST_CRASH_AT="session.committed", BRIDGE_ACCOUNTS="12345678")
    answer = await submit(world, lp_number="12345678", lp_first="My order\nis late & :tada:")
    assert answer.status == 0, "Slack tells the person that it did not work"
    assert dying.process is not None
    await dying.process.wait()
    await world.bridge()
    assert (await submit(world, lp_number="12345678", lp_first="another text")).errors == {}
    await told_once(world, CHANNEL, "My order\nis late & 🎉")


async def test_a_conversation_in_a_direct_message_is_a_thread_there(world: World) -> None:
    await world.bridge()
    await world.slack.command(BEN, CHANNEL, "connect")
    await submit(world, BEN, lp_number="12345678", lp_first="psst", lp_place="direct")
    thread = await told_once(world, "D0BEN", "psst", user=BEN)
    outside = await world.slack.say(BEN, "D0BEN", "outside of the thread", wait=True)
    told = await world.until(
        lambda: [m for m in world.slack.messages("D0BEN") if "not passed on" in m["text"]]
    )
    assert f"/archives/D0BEN/p{thread.ts.replace('.', '')}" in str(told[0]["blocks"])
    assert outside not in {m.get("thread_ts") for m in world.slack.messages("D0BEN")}
    assert world.slack.messages(CHANNEL) == []


async def test_a_message_is_asked_about_and_the_home_shows_it_until_it_is_ended(
    world: World,
) -> None:
    await world.bridge()
    ts = await world.slack.say(BEN, CHANNEL, "The printer is <https://a.example|on fire>")
    assert (await world.slack.shortcut(ANA, "lp_ask", CHANNEL, ts)).status == 200
    view = world.slack.view(ANA)
    words = filled(view)["lp_first"]["lp_first"]["value"]
    assert words == "> The printer is on fire (https://a.example)\n— Ben\n"
    await submit(world, lp_number="12345678", lp_first=f"{words}What now?")
    conversation = await world.until(world.conversation)
    await world.until(lambda: said(world, conversation))
    assert said(world, conversation) == [f"{words}What now?"]

    async def shows(text: str) -> None:
        for _ in range(100):
            if text in str(await world.slack.open_home(ANA)):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"no {text!r} in the home: {world.slack.workspace.homes[ANA]}")

    await shows("Waiting for an agent")
    await world.slack.press_home(ANA, "lp_home_end")
    await world.until(lambda: conversation.state == "CLOSE")
    await shows("Ended lately")
    assert "The conversation has ended" in str(world.slack.workspace.homes[ANA])
    assert "You have no open conversation" in str(await world.slack.open_home(BEN))
    assert "Ended lately" not in str(world.slack.workspace.homes[BEN])


async def test_where_nobody_invited_the_bridge_there_is_one_answer_and_nothing_else(
    world: World,
) -> None:
    await world.bridge()
    answer = await world.slack.command(ANA, "C0NOBOT", "connect 12345678 hello")
    assert "`/invite @LP Bridge`" in str(answer.response)
    slip = await world.slack.command(ANA, CHANNEL, "connect 12345679 hello")
    assert "does not know the account" in str(slip.response)
    assert len(world.slack.ephemerals("C0NOBOT", ANA)) == 1
    assert len(world.slack.ephemerals(CHANNEL, ANA)) == 1
    assert world.slack.messages(CHANNEL) == []
    assert world.slack.messages("D0ANA") == []
    assert not world.liveperson.conversations
