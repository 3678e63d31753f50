"""Files, both ways, while the bridge is killed at every point: each arrives once, in its place."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lp_sandbox.liveperson.manners import ECHOES
from lp_sandbox.slack.files import Attachment
from tests.e2e.files import got, picture, shown
from tests.e2e.warm import Warm
from tests.e2e.world import ANA, CHANNEL, Bridge, Thread, World, world_of

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

PATIENCE = 30.0
PNG, OTHER = picture(), picture(colour="red")


@pytest.fixture
async def world(database_url: str, encryption_key: str, warm: Warm) -> AsyncIterator[World]:
    """Both stand-ins, and bridges that start at once."""
    async with world_of(
        database_url, encryption_key, warm=warm, redelivery_delays=(0.2,) * 200
    ) as world:
        world.env["BRIDGE_WORKER_ID"] = "the-only-one"
        yield world


async def dies(bridge: Bridge) -> None:
    assert bridge.process is not None
    assert await bridge.process.wait() == -signal.SIGKILL


async def talking(world: World) -> tuple[Thread, Any]:
    bridge = await world.bridge()
    found = await world.talking()
    await bridge.stop()
    return found


UP = [
    "inbox.committed",
    "file.put",
    "file.ready",
    "publish.before",
    "publish.answered",
    "publish.noted",
    "publish.before:2",
    "publish.answered:2",
    "file.put:2",
    "file.ready:2",
    "publish.before:3",
    "publish.answered:3",
    "publish.noted:3",
]


@pytest.mark.parametrize("point", UP)
async def test_files_of_a_person_survive_a_kill(world: World, point: str) -> None:
    thread, conversation = await talking(world)
    dying = await world.bridge(BRIDGE_TEST_CRASH_AT=point)
    files = [Attachment("a.png", PNG), Attachment("b.png", OTHER)]
    await world.slack.say(ANA, CHANNEL, "look", thread_ts=thread.ts, files=files)
    await dies(dying)
    await world.bridge()
    await thread.say("the last word")
    await world.until(lambda: "the last word" in got(world, conversation), PATIENCE)
    assert got(world, conversation) == [
        "look",
        ("a.png", "PNG", PNG),
        ("b.png", "PNG", OTHER),
        "the last word",
    ]
    assert not any("not passed on" in text for text in thread.texts)


@pytest.mark.parametrize("lost", ["the answer", "the request", "the answer and the number"])
async def test_a_file_whose_publish_is_in_doubt_arrives_once(world: World, lost: str) -> None:
    thread, conversation = await talking(world)
    await world.bridge()
    if lost == "the answer and the number":
        world.liveperson.manners.unnumbered = 1.0
        world.liveperson.manners.echo_metadata = False
    if lost == "the request":
        world.liveperson.faults.drop_before("ms.PublishEvent")
    else:
        world.liveperson.faults.swallow_answer("ms.PublishEvent", drop=True)
    await thread.say("", files=[Attachment("a.png", PNG), Attachment("b.png", PNG)])
    await thread.say("the last word")
    await world.until(lambda: "the last word" in got(world, conversation), PATIENCE)
    assert got(world, conversation) == [
        ("a.png", "PNG", PNG),
        ("b.png", "PNG", PNG),
        "the last word",
    ]


DOWN = [
    "read.before",
    "read.stored",
    "post.before",
    "file.opened",
    "file.sent",
    "file.shown",
    "post.answered",
    "post.noted",
    "post.before:2",
    "file.opened:2",
    "file.shown:2",
]
SLACKS = {
    "at once": (0.0, 0.0),
    "late": (0.3, 0.3),
}


@pytest.mark.parametrize("point", DOWN)
@pytest.mark.parametrize("slack", SLACKS)
async def test_files_of_an_agent_survive_a_kill(world: World, point: str, slack: str) -> None:
    thread, conversation = await talking(world)
    world.slack.files.shown_after, world.slack.files.shares_after = SLACKS[slack]
    world.slack.files.again = "shares"  # so whoever completes twice is found out
    dying = await world.bridge(BRIDGE_TEST_CRASH_AT=point)
    name = conversation.id
    await world.liveperson.send_file(name, PNG, "the first")
    await world.liveperson.send_file(name, OTHER, "the second")
    await world.liveperson.say(name, "the last word")
    await dies(dying)
    await world.bridge()
    await thread.shows("the last word", timeout=PATIENCE)
    assert shown(world, thread) == [("the first", PNG), ("the second", OTHER)]
    assert thread.texts[-3:] == ["the first", "the second", "the last word"]


@pytest.mark.parametrize("point", ["post.before", "post.answered", "post.noted"])
async def test_the_words_in_place_of_a_file_are_said_once(world: World, point: str) -> None:
    thread, conversation = await talking(world)
    dying = await world.bridge(BRIDGE_TEST_CRASH_AT=point)
    world.liveperson.faults.refuse_request("ms.GenerateURLForDownloadFile", 403)
    name = conversation.id
    await world.liveperson.send_file(name, PNG, "the plan")
    await dies(dying)
    await world.bridge()
    await world.liveperson.say(name, "the last word")
    await thread.shows("the last word", timeout=PATIENCE)
    files = len(shown(world, thread))
    words = sum("could not be shown here" in text for text in thread.texts)
    assert files + words == 1, thread.texts


async def test_a_file_is_recognised_whatever_livepersons_manners_are(world: World) -> None:
    """By its number, its marker or its place."""
    thread, conversation = await talking(world)
    manners = world.liveperson.manners
    manners.unnumbered, manners.echo_seconds = 1.0, 0.3
    wanted: list[Any] = []

    def arrived() -> bool:
        return bool(got(world, conversation) == wanted)

    for echo in ECHOES:
        manners.echo = echo
        bridge = await world.bridge()
        await thread.say("", files=[Attachment(f"{echo}.png", PNG)])
        await thread.say(f"after {echo}")
        wanted += [(f"{echo}.png", "PNG", PNG), f"after {echo}"]
        await world.until(arrived, PATIENCE)
        await bridge.stop()
