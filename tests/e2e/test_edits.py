"""Edits and deletions while the bridge is killed: told once, and what was taken back stays back."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.relay.shared.crashpoints import EDITS
from tests.e2e.warm import Warm
from tests.e2e.world import ANA, CHANNEL, Thread, World, said, world_of

pytestmark = [
    pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True),
    pytest.mark.timeout(180),
]
PUBLISHING = ("publish.before", "publish.answered", "publish.noted")


@pytest.fixture
async def stage(database_url: str, encryption_key: str, warm: Warm) -> AsyncIterator[World]:
    """Both stand-ins; one worker's name, so that it takes its own sessions up at once."""
    patience = (0.2,) * 200
    async with world_of(database_url, encryption_key, warm=warm, redelivery_delays=patience) as one:
        one.env["BRIDGE_WORKER_ID"] = "the-only-one"
        yield one


async def begin(world: World) -> tuple[Thread, Any]:
    """A talk, and no bridge."""
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    await thread.say("hello")
    await world.until(lambda: said(world, conversation) == ["hello"])
    await bridge.stop()
    return thread, conversation


async def dies(world: World, point: str) -> None:
    """The bridge is killed at its point."""
    process = world.bridges[-1].process
    assert process is not None
    assert await process.wait() == -signal.SIGKILL


async def test_a_correction_is_told_once_wherever_the_bridge_is_killed(stage: World) -> None:
    world = stage
    thread, conversation = await begin(world)
    ts = thread.replies[-1]["ts"]
    expected = ["hello"]
    for number, point in enumerate((*EDITS, *PUBLISHING)):
        await world.bridge(BRIDGE_TEST_CRASH_AT=point)
        await world.slack.edit(ANA, CHANNEL, ts, f"hello {number}")
        await dies(world, point)
        bridge = await world.bridge()
        expected.append(f"Correction: hello {number}")
        await world.until(lambda: len(said(world, conversation)) >= len(expected), 30)
        assert said(world, conversation) == expected, point
        assert bridge.errors() == []
        await bridge.stop()


@pytest.mark.parametrize("point", EDITS)
async def test_what_was_taken_back_stays_back_wherever_the_bridge_is_killed(
    stage: World, point: str
) -> None:
    world = stage
    thread, conversation = await begin(world)
    world.liveperson.faults.hold_http("ums", seconds=600, times=None)
    await world.bridge(BRIDGE_TEST_CRASH_AT=point)
    secret = await thread.say("a secret")
    await world.slack.delete(CHANNEL, secret, wait=point == "edit.settled")
    if point == "edit.settled":  # that needs a connection
        world.liveperson.faults.release_http()
        world.liveperson.faults.clear()
    await dies(world, point)
    world.liveperson.faults.release_http()
    world.liveperson.faults.clear()
    await world.bridge()
    await thread.say("bye")
    await world.until(lambda: "bye" in said(world, conversation), 30)
    assert said(world, conversation) == ["hello", "bye"]


async def test_the_second_of_two_messages_by_one_gesture_comes_after_a_restart(
    stage: World,
) -> None:
    world = stage
    thread, conversation = await begin(world)
    bridge = await world.bridge()
    await thread.say("once", gesture="one")
    await world.until(lambda: said(world, conversation) == ["hello", "once"])
    await bridge.kill()
    await world.bridge()
    await thread.say("once", gesture="one")
    await thread.say("bye")
    await world.until(lambda: "bye" in said(world, conversation), 30)
    assert said(world, conversation) == ["hello", "once", "bye"]


async def test_an_edit_while_the_bridge_was_away_for_long(stage: World) -> None:
    """Slack has given up delivering it; the thread is read, and tells what its messages say now."""
    world = stage
    thread, conversation = await begin(world)
    ts = thread.replies[-1]["ts"]
    world.slack.faults.lose_events()
    await world.slack.edit(ANA, CHANNEL, ts, "hello again")
    await world.bridge()
    await world.until(lambda: len(said(world, conversation)) == 2, 30)
    assert said(world, conversation) == ["hello", "Correction: hello again"]
