"""Several threads of one channel, and what waits for one leaves as one post: whatever dies then."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import pytest
from sqlalchemy import select

from bridge.store.database import open_database
from bridge.store.models import OUTBOX
from tests.chaos.hasty import HASTE
from tests.e2e.world import ACCOUNT, Bridge, Thread, World, world_of
from tests.posts import keys_of, said_in

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

THREADS = 4
LINES = [f"down {number}" for number in range(9)]
ALONE = 8
"""So many posts go at once, each by itself (`tests.chaos.hasty`)."""


def hasty(world: World, **env: str) -> Bridge:
    """A bridge that posts several times a second, so that the test is short."""
    env = {**world.env, HASTE: "1", "BRIDGE_WORKER_ID": "the-only-one", **env}
    bridge = Bridge(env, argv=(sys.executable, "-m", "tests.chaos.hasty", "serve"))
    world.bridges.append(bridge)
    return bridge


async def talking(world: World) -> list[Thread]:
    """Threads whose agents have joined."""
    threads = []
    for number in range(THREADS):
        thread = await world.connect(ACCOUNT)
        await world.until(lambda number=number: len(world.liveperson.conversations) == number + 1)  # type: ignore[misc]
        await world.liveperson.accept(list(world.liveperson.conversations)[-1])
        await thread.shows("joined")
        threads.append(thread)
    return threads


def posts_of(thread: Thread) -> list[dict[str, Any]]:
    """The posts below the card, as Slack has them."""
    return thread.world.slack.thread(thread.channel, thread.ts)[1:]


def lines(thread: Thread) -> list[str]:
    shown = [text for post in posts_of(thread) for _, text in said_in(post)]
    return [text for text in shown if text.startswith("down")]


@pytest.mark.parametrize("fault", [None, "lost_answer", "drop"])
@pytest.mark.parametrize("point", ["post.before", "post.answered", "post.noted"])
async def test_posts_of_several_are_there_once_and_in_order_after_a_kill(
    database_url: str, encryption_key: str, point: str, fault: str | None
) -> None:
    async with world_of(database_url, encryption_key) as world:
        bridge = hasty(world)
        await bridge.start()
        world.route(bridge)
        threads = await talking(world)
        await bridge.kill()
        for conversation in list(world.liveperson.conversations):
            for line in LINES:
                await world.liveperson.say(conversation, line)
        dying = hasty(world, BRIDGE_TEST_CRASH_AT=f"{point}:{ALONE + 3}")
        await dying.start()
        world.route(dying)
        if fault is not None:
            await world.until(lambda: sum(len(lines(thread)) for thread in threads) >= ALONE)
            world.slack.faults.apply(fault, method="chat.postMessage", times=2)
        assert dying.process is not None
        async with asyncio.timeout(30):
            assert await dying.process.wait() == -signal.SIGKILL
        last = hasty(world)
        await last.start()
        world.route(last)
        await world.until(lambda: all(len(lines(t)) >= len(LINES) for t in threads), 40)
        async with open_database(database_url, keys=[encryption_key]) as database:
            query = select(OUTBOX.c.id).where(OUTBOX.c.state != "posted")
            while True:
                async with database.read() as connection:
                    if not list(await connection.execute(query)):
                        break
                await asyncio.sleep(0.05)
        assert [lines(thread) for thread in threads] == [LINES] * THREADS
        posts = [keys_of(post) for thread in threads for post in posts_of(thread)]
        keys = [key for post in posts for key in post]
        assert len(keys) == len(set(keys))
        assert max(len(post) for post in posts) > 1, "several in one post: that is what is tried"
        assert last.errors() == []
