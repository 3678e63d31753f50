"""A person who is themselves to LivePerson has one conversation with an account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.slack.views import blocks
from tests import keys
from tests.e2e.world import ACCOUNT, ANA, BEN, CHANNEL, SIGNUP_ACCOUNT, World, world_of
from tests.relay.here import bridge_here
from tests.relay.intake.test_limits import ask, cards

sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
postgresql_only = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


@pytest.fixture
async def stage(database_url: str, encryption_key: str, tmp_path: Path) -> AsyncIterator[World]:
    """Both stand-ins, and an account whose people are themselves."""
    async with world_of(database_url, encryption_key, redelivery_delays=(0.2,) * 200) as world:
        keys.trusting(world.liveperson, ACCOUNT)
        keys.key_file(tmp_path)
        config = tmp_path / "bridge.toml"
        config.write_text(
            f'[accounts.{ACCOUNT}]\nauth = "authenticated"\nissuer = "{keys.ISSUER}"\n'
            'private_key = "liveperson.pem"\n'
        )
        world.env["BRIDGE_CONFIG"] = str(config)
        yield world


@sqlite_only
async def test_the_thread_that_is_open_is_named(stage: World) -> None:
    async with bridge_here(stage):
        thread, conversation = await stage.talking()
        told = await ask(stage, channel="C0GENERAL")
        link = f"https://sandbox.slack.com/archives/{CHANNEL}/p{thread.ts.replace('.', '')}"
        assert "open already" in told
        assert link in told
        assert len(stage.liveperson.conversations) == cards(stage) == 1

        await stage.connect(user=BEN)  # somebody else
        await stage.connect(SIGNUP_ACCOUNT, channel="C0GENERAL")  # another account, in a way of
        # its own: there each conversation has a consumer of its own
        await stage.connect(SIGNUP_ACCOUNT, channel="C0GENERAL")

        await thread.say("so long")
        await thread.press(blocks.END)
        await thread.card_shows(blocks.AGAIN)
        await thread.press(blocks.AGAIN)
        again = await stage.until(
            lambda: [
                each
                for each in stage.liveperson.conversations.values()
                if each.consumer_id == conversation.consumer_id and each.stage == "OPEN"
            ]
        )
        assert len(again) == 1


async def test_two_commands_at_once_open_one(stage: World) -> None:
    async with bridge_here(stage):
        told = await asyncio.gather(*(ask(stage) for _ in range(6)))
        assert sum("Opening" in text for text in told) == 1
        assert sum("open already" in text for text in told) == 5
        await stage.until(lambda: cards(stage) == 1)


@postgresql_only
async def test_two_commands_at_once_at_two_workers_open_one(stage: World) -> None:
    async with (
        bridge_here(stage, BRIDGE_WORKER_ID="first") as first,
        bridge_here(stage, BRIDGE_WORKER_ID="second") as second,
    ):

        async def one(number: int) -> str:
            stage.slack.events_url = (first, second)[number % 2]
            return await ask(stage)

        told = await asyncio.gather(*(one(number) for number in range(8)))
        assert sum("Opening" in text for text in told) == 1
        await stage.until(lambda: cards(stage) == 1)


@sqlite_only
async def test_a_command_that_comes_again_is_the_same_one(stage: World) -> None:
    async with bridge_here(stage):
        for _ in range(2):
            answer = await stage.slack.command(
                ANA, CHANNEL, f"connect {ACCOUNT}", trigger_id="1.2.same"
            )
            assert "Opening" in str(answer.response)
        await stage.until(lambda: cards(stage) == 1)
