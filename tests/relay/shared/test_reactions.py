"""Reactions that show how far a message has come: the newest state, a modest pace, no backlog."""

from __future__ import annotations

import asyncio

import pytest

from bridge.ids import MessageTs
from bridge.relay.shared import reactions as module
from bridge.relay.shared.reactions import Reactions
from bridge.slack.web.pace import Allowance
from tests.relay.bench import CHANNEL, TEAM, Bench

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def messages(bench: Bench, count: int) -> list[MessageTs]:
    return [MessageTs(await bench.slack.say("U0ANA", CHANNEL, f"{n}")) for n in range(count)]


def put(bench: Bench) -> list[tuple[str, str]]:
    found = [entry.body["arguments"] for entry in bench.asked("reactions.add")]
    return [(each["timestamp"], each["name"]) for each in found]


async def test_a_newer_state_takes_the_place_of_the_one_that_waits(bench: Bench) -> None:
    first, second = await messages(bench, 2)
    reactions = Reactions(Allowance(6_000, 1))
    for ts, name in ((first, "eyes"), (second, "heart"), (second, "eyes")):
        reactions.want(bench.deps.sender, TEAM, CHANNEL, ts, name)
    await bench.until(lambda: put(bench) == [(first, "eyes"), (second, "eyes")])


async def test_when_too_many_wait_the_oldest_are_left_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING", 3)
    stamps = await messages(bench, 8)
    reactions = Reactions(Allowance(6_000, 1))
    for ts in stamps:
        reactions.want(bench.deps.sender, TEAM, CHANNEL, ts, "eyes")
    await bench.until(lambda: len(put(bench)) == 3)
    await asyncio.sleep(0.05)
    assert [ts for ts, _ in put(bench)] == stamps[-3:]


async def test_a_name_that_slack_does_not_know_is_not_tried_again(bench: Bench) -> None:
    first, second = await messages(bench, 2)
    reactions = Reactions()
    reactions.want(bench.deps.sender, TEAM, CHANNEL, first, "no_such_emoji_at_all")
    await bench.until(lambda: bench.asked("reactions.add"))
    await asyncio.sleep(0.05)
    reactions.want(bench.deps.sender, TEAM, CHANNEL, second, "no_such_emoji_at_all")
    reactions.want(bench.deps.sender, TEAM, CHANNEL, second, "eyes")
    await bench.until(lambda: len(put(bench)) == 2)
    assert put(bench)[1] == (second, "eyes")


async def test_a_workspace_that_is_to_wait_keeps_no_message_waiting(bench: Bench) -> None:
    (ts,) = await messages(bench, 1)
    bench.slack.faults.rate_limit("reactions.add", retry_after=30)
    reactions = Reactions()
    reactions.want(bench.deps.sender, TEAM, CHANNEL, ts, "eyes")
    await bench.until(lambda: bench.asked("reactions.add"))
    await reactions.stop()
    assert len(put(bench)) == 1, "it is left out"
