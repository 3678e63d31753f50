"""Slack refuses a thread while the bridge dies or stops: the next process continues the wait."""

from __future__ import annotations

import time

import pytest

from tests.e2e.world import CHANNEL, World

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_a_hold_outlives_the_process(world: World, how: str) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    world.slack.faults.refuse("chat.*", "restricted_action", times=10_000, channel=CHANNEL)
    lines = [f"down {number}" for number in range(3)]
    await world.liveperson.say(conversation.id, lines[0])
    await bridge.logged("slack.hold_told", 30)
    began = time.monotonic()
    await (bridge.kill() if how == "killed" else bridge.stop())
    if how == "stopped":
        assert time.monotonic() - began < 4  # it was only waiting
        assert bridge.errors() == []
    await world.liveperson.say(conversation.id, lines[1])
    await world.restart(bridge)
    await world.liveperson.say(conversation.id, lines[2])
    await bridge.logged("slack.holds")
    world.slack.faults.clear()
    await thread.shows(lines[2], timeout=60)
    await thread.shows("Slack did not let the bridge write here")
    assert [text for text in thread.texts if text.startswith("down")] == lines
    assert sum("Slack did not let" in text for text in thread.texts) == 1
    assert len(world.slack.messages("D0ANA")) == 1
    assert conversation.state == "OPEN"
