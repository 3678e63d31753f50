"""Messages by apps stay in Slack; messages of a person that an app posted are relayed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from lp_sandbox.slack.model import Message, User
from tests.e2e.world import ANA, BEN, CHANNEL, Thread, World, said, world_of
from tests.relay.here import bridge_here

sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
POLL = "U0POLL"
NOTICE = "Messages by apps and workflows"


@pytest.fixture(params=["http", "socket mode"])
async def world(
    database_url: str, encryption_key: str, request: pytest.FixtureRequest
) -> AsyncIterator[World]:
    """A bridge that Slack reaches either way."""
    async with (
        world_of(database_url, encryption_key, redelivery_delays=(0.2,) * 200) as world,
        bridge_here(world, socket_mode=request.param == "socket mode"),
    ):
        world.slack.workspace.users[POLL] = User(POLL, "poll", "Simple Poll", "", is_bot=True)
        yield world


async def post(thread: Thread, text: str, **how: Any) -> str:
    """Something writes into the thread, as `how` says; gives the ts once it is acknowledged."""
    slack = thread.world.slack
    fields: dict[str, Any] = {"user": None, **how}
    message = Message(
        ts=slack.workspace.next_ts(thread.channel),
        channel=thread.channel,
        team=slack.team.id,
        text=text,
        thread_ts=thread.ts,
        **fields,
    )
    slack.workspace.post(message)
    assert await slack.delivered(message.ts, thread.channel)
    return message.ts


async def notices(thread: Thread) -> int:
    """How often the thread says it, once everything is posted that was to be posted by now."""
    before = len(thread.texts)
    await thread.say("<@U0BRIDGE> status")
    await thread.world.until(
        lambda: any("🟢" in t or "⚪" in t for t in thread.texts[before + 1 :])
    )
    return sum(NOTICE in text for text in thread.texts)


AS_A_PERSON = {"bot_id": "B0HELPER", "app_id": "A0HELPER", "bot_profile": {"id": "B0HELPER"}}


@sqlite_only
async def test_a_person_who_writes_through_an_app_is_passed_on(world: World) -> None:
    thread, conversation = await world.talking()
    await post(thread, "by way of my calendar", user=ANA, **AS_A_PERSON)
    await post(thread, "mine too", user=BEN, **AS_A_PERSON)
    await world.until(lambda: len(said(world, conversation)) == 2)
    assert said(world, conversation) == ["by way of my calendar", "Ben: mine too"]
    assert await notices(thread) == 0


APPS: dict[str, dict[str, Any]] = {
    "a webhook": {"subtype": "bot_message", "bot_id": "B0HOOK", "username": "Ana"},
    "a workflow": {"subtype": "bot_message", "bot_id": "B0FLOW", "app_id": "A0FLOW"},
    "a person's name on a bot's message": {"subtype": "bot_message", "user": ANA, "bot_id": "B1"},
    "an app's bot": {"user": POLL, **AS_A_PERSON},
    "a bot without a user": {"bot_id": "B0HELPER"},
    "somebody Slack does not know": {"user": "U0NOWHERE", **AS_A_PERSON},
}


@sqlite_only
@pytest.mark.parametrize("kind", APPS)
async def test_apps_stay_out_and_the_thread_says_so_once(world: World, kind: str) -> None:
    thread, conversation = await world.talking()
    await post(thread, "12 % have voted", **APPS[kind])
    await thread.shows(NOTICE)
    for number in range(3):
        await post(thread, f"{number} % have voted", **APPS[kind])
    await thread.say("what do you think?")
    await world.until(lambda: said(world, conversation) == ["what do you think?"])
    assert await notices(thread) == 1


async def test_a_process_that_has_not_said_it_does_not_say_it_again(
    database_url: str, encryption_key: str
) -> None:
    async with world_of(database_url, encryption_key) as world:
        async with bridge_here(world):
            thread, conversation = await world.talking()
            await post(thread, "one", **APPS["a webhook"])
            await thread.shows(NOTICE)
        async with bridge_here(world):
            await post(thread, "two", **APPS["a webhook"])
            await thread.say("what do you think?")
            await world.until(lambda: said(world, conversation) == ["what do you think?"])
            assert await notices(thread) == 1


@sqlite_only
async def test_slackbot_is_nobody(world: World) -> None:
    thread, conversation = await world.talking()
    await post(thread, "Reminder: Ben: I approve", user="USLACKBOT")
    await post(thread, "Reminder", user="USLACKBOT", bot_id="B01")
    await post(thread, "Reminder", user="USLACKBOT", bot_id="B01", subtype="bot_message")
    await thread.say("hello")
    await world.until(lambda: said(world, conversation) == ["hello"])
    assert await notices(thread) == 0


@sqlite_only
async def test_what_the_bridge_posts_does_not_come_back(world: World) -> None:
    """The bridge's own posts are not relayed, under an agent's name, its own, or only an app id."""
    thread, conversation = await world.talking()
    await world.liveperson.say(conversation.id, "good morning")
    await thread.shows("good morning")
    app = world.slack.workspace.app
    await post(thread, "as the bridge", user=app.user_id, bot_id=app.bot_id, app_id=app.id)
    await post(thread, "as Maria", subtype="bot_message", bot_id=app.bot_id, username="Maria")
    await post(thread, "by app", subtype="bot_message", bot_id="B0OTHER", app_id=app.id)
    await thread.say("hello")
    await world.until(lambda: said(world, conversation) == ["hello"])
    assert await notices(thread) == 0


@sqlite_only
@pytest.mark.parametrize("fault", ["server_error", "rate_limit", "drop"])
async def test_while_slack_does_not_say_who_it_is_the_message_is_kept_by_slack(
    world: World, fault: str
) -> None:
    thread, conversation = await world.talking()
    world.slack.faults.apply(fault, method="users.info", times=2)
    await post(thread, "by way of my calendar", user=BEN, **AS_A_PERSON)
    await world.until(lambda: len(said(world, conversation)) == 1)
    assert said(world, conversation)[0].endswith(": by way of my calendar")


@sqlite_only
async def test_when_it_is_over_nobody_need_know(world: World) -> None:
    thread, conversation = await world.talking()
    await world.liveperson.close(conversation.id)
    await thread.card_shows("lp_again")
    ts = await post(thread, "12 % have voted", **APPS["a webhook"])
    late = await thread.say("one more thing")
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, late))
    assert await notices(thread) == 0
    assert world.slack.reactions(CHANNEL, ts) == {}
