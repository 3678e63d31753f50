"""The limits on the conversations of a person and a channel, for every way of opening one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.relay.intake import limits
from bridge.slack.views import blocks
from tests.e2e.front import to_all
from tests.e2e.world import ACCOUNT, ANA, BEN, CHANNEL, World, is_card, world_of
from tests.relay.here import bridge_here

sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
postgresql_only = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


@pytest.fixture
async def stage(database_url: str, encryption_key: str) -> AsyncIterator[World]:
    """Both stand-ins; the bridges are the test's to start."""
    async with world_of(database_url, encryption_key, redelivery_delays=(0.2,) * 200) as world:
        yield world


async def ask(world: World, *, user: str = ANA, channel: str = CHANNEL) -> str:
    """Type `/lp connect`; gives what the person is told."""
    answer = await world.slack.command(user, channel, f"connect {ACCOUNT}")
    assert (answer.status, answer.response is not None) == (200, True)
    assert answer.response is not None
    assert answer.response["response_type"] == "ephemeral"
    return str(answer.response["text"])


def cards(world: World, channel: str = CHANNEL) -> int:
    return sum(is_card(m) and "bot_id" in m for m in world.slack.messages(channel))


async def test_a_person_has_so_many_open_and_is_told_what_to_do(stage: World) -> None:
    async with bridge_here(stage, BRIDGE_OPEN_PER_PERSON="2"):
        thread = await stage.connect()
        await stage.connect(channel="C0GENERAL")  # counted wherever it is
        told = await ask(stage)
        assert "2 conversations open" in told
        assert "`/lp list`" in told
        assert "Opening" in await ask(stage, user=BEN)

        await thread.press(blocks.END)
        await thread.card_shows(blocks.AGAIN)
        await stage.connect()
        await thread.press(blocks.AGAIN)  # the button counts as the command does
        last = stage.slack.ephemerals(CHANNEL, ANA)[-1]
        assert "2 conversations open" in str(last["text"])
        await stage.until(lambda: cards(stage) == 3)


@sqlite_only
async def test_a_channel_has_so_many_open(stage: World) -> None:
    async with bridge_here(stage, BRIDGE_OPEN_PER_CHANNEL="2"):
        await stage.connect()
        await stage.connect(user=BEN)
        assert "2 open conversations" in await ask(stage)
        assert "2 open conversations" in await ask(stage, user=BEN)
        assert "Opening" in await ask(stage, channel="C0GENERAL")


@sqlite_only
async def test_a_person_opens_so_many_a_minute(
    stage: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bridge_here(stage, BRIDGE_CONNECTS_PER_MINUTE="2"):
        for _ in range(2):
            thread = await stage.connect()
            await thread.press(blocks.END)  # that it is over does not help
            await thread.card_shows(blocks.AGAIN)
        told = await ask(stage)
        assert "2 conversations within a minute" in told
        assert "wait a minute" in told
        await thread.press(blocks.AGAIN)
        assert "wait a minute" in str(stage.slack.ephemerals(CHANNEL, ANA)[-1]["text"])
        assert "Opening" in await ask(stage, user=BEN)
        monkeypatch.setattr(limits, "MINUTE_MS", 0)  # the minute is over
        assert "Opening" in await ask(stage)


async def test_many_at_once_are_no_way_round(stage: World) -> None:
    async with bridge_here(stage, BRIDGE_OPEN_PER_PERSON="3"):
        told = await asyncio.gather(*(ask(stage) for _ in range(12)))
        assert sum("Opening" in text for text in told) == 3
        await stage.until(lambda: cards(stage) == 3)


@postgresql_only
async def test_many_at_once_at_several_workers_are_no_way_round(stage: World) -> None:
    """Each worker would count before it sees the other's uncommitted session."""
    async with (
        bridge_here(stage, BRIDGE_WORKER_ID="first", BRIDGE_OPEN_PER_PERSON="3") as first,
        bridge_here(stage, BRIDGE_WORKER_ID="second", BRIDGE_OPEN_PER_PERSON="3") as second,
    ):

        async def one(number: int) -> str:
            stage.slack.events_url = (first, second)[number % 2]
            return await ask(stage)

        told = await asyncio.gather(*(one(number) for number in range(16)))
        assert sum("Opening" in text for text in told) == 3
        await stage.until(lambda: cards(stage) == 3)


@postgresql_only
async def test_the_same_command_at_two_workers_is_one_and_no_refusal(stage: World) -> None:
    async with (
        bridge_here(stage, BRIDGE_WORKER_ID="first", BRIDGE_OPEN_PER_PERSON="1") as first,
        bridge_here(stage, BRIDGE_WORKER_ID="second", BRIDGE_OPEN_PER_PERSON="1") as second,
    ):
        assert first is not None
        assert second is not None
        ports = [int(url.split(":")[2].split("/")[0]) for url in (first, second)]
        async with to_all(ports) as url:
            stage.slack.events_url = url
            assert "Opening" in await ask(stage)
            stage.slack.events_url = first
            assert "a conversation open" in await ask(stage)
        await stage.until(lambda: cards(stage) == 1)


@sqlite_only
async def test_a_command_that_comes_again_is_the_same_one(stage: World) -> None:
    async with bridge_here(stage, BRIDGE_OPEN_PER_PERSON="1", BRIDGE_CONNECTS_PER_MINUTE="1"):
        for _ in range(2):
            answer = await stage.slack.command(
                ANA, CHANNEL, f"connect {ACCOUNT}", trigger_id="1.2.same"
            )
            assert "Opening" in str(answer.response)
        await stage.until(lambda: cards(stage) == 1)


@sqlite_only
async def test_there_are_limits_where_nothing_is_set(stage: World) -> None:
    for name in list(stage.env):
        if name.startswith(("BRIDGE_OPEN", "BRIDGE_CONNECTS")):
            del stage.env[name]
    async with bridge_here(stage):
        told = [await ask(stage) for _ in range(6)]
        assert [("Opening" in text) for text in told] == [True] * 5 + [False]
