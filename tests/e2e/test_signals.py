"""What is asked for beside the messages survives a kill: how soon an answer is wanted, a rating."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from bridge.relay.shared.crashpoints import FURTHER
from bridge.store.database import open_database
from bridge.store.models import INBOX
from tests.e2e.warm import Warm
from tests.e2e.world import ANA, CHANNEL, Thread, World, said, world_of

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

FILLED = {"csatRate": 4, "csatResolutionConfirmation": True, "status": "FILLED"}


@pytest.fixture
async def world(database_url: str, encryption_key: str, warm: Warm) -> AsyncIterator[World]:
    """Both stand-ins, and bridges that start at once."""
    async with world_of(database_url, encryption_key, warm=warm) as world:
        world.env["BRIDGE_WORKER_ID"] = "the-only-one"
        yield world


async def dies_at(world: World, point: str, thread: Thread, action: str, on: str) -> None:
    """Have a bridge die of a press at this point."""
    dying = await world.bridge(BRIDGE_TEST_CRASH_AT=point)
    await world.slack.click(ANA, CHANNEL, on, action)
    assert dying.process is not None
    assert await dying.process.wait() == -signal.SIGKILL


async def rating_rows(world: World) -> set[str]:
    """What has become of the answers, once none waits."""
    query = select(INBOX.c.state).where(INBOX.c.kind == "rating")
    url, keys = world.env["DATABASE_URL"], [world.env["BRIDGE_ENCRYPTION_KEYS"]]
    async with asyncio.timeout(15), open_database(url, keys=keys) as database:
        while True:
            async with database.read() as connection:
                found = {row.state for row in await connection.execute(query)}
            if "waiting" not in found:
                return found
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("point", ["inbox.committed", "ttr.answered", "publish.noted"])
async def test_an_urgency_survives_a_kill(world: World, point: str) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    await bridge.stop()
    if point == "inbox.committed":
        point = "close.committed"  # both are stored in one way
    await dies_at(world, point, thread, "lp_urgent", thread.ts)
    await world.bridge()
    await thread.shows("marked as urgent")
    await thread.card_shows("⏫ Urgent")
    await thread.say("the last word")
    await world.until(lambda: said(world, conversation) == ["the last word"])
    assert (conversation.ttr, conversation.ttr_seconds) == ("URGENT", 300)
    assert sum("marked as urgent" in text for text in thread.texts) == 1


@pytest.mark.parametrize("point", [each for each in FURTHER if each.startswith("rating")])
async def test_a_rating_survives_a_kill_and_is_taken_once(world: World, point: str) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    conversation.account.csat = "once"
    await thread.say("hello")
    await world.liveperson.close(conversation.id)
    question = await thread.shows("How was this conversation?")
    await world.slack.click(ANA, CHANNEL, question["ts"], "lp_rate:4")
    await thread.shows("Was your question resolved?")
    await bridge.stop()
    await dies_at(world, point, thread, "lp_rate:yes", question["ts"])
    await world.bridge()
    await world.until(lambda: conversation.csat)
    await thread.shows("Thank you!")
    assert await rating_rows(world) == {"sent"}
    assert {k: v for k, v in conversation.csat.items() if k != "field"} == FILLED
    assert not any("could not be passed on" in text for text in thread.texts)
    assert sum("Rated 4 of 5" in text for text in thread.texts) == 1
