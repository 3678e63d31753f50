"""An item that is not ready holds up only the items behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from bridge.ids import TeamId
from bridge.slack.web.directory import Directory
from bridge.store.database import open_database
from bridge.store.models import SESSIONS
from tests.e2e.world import CHANNEL, Thread, World, said, world_of
from tests.relay.here import bridge_here

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

SLOW = "hello <@U0BEN>"
SLOW_PLAIN = "hello @Ben"


class Gate:
    """Names that Slack tells when the test lets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = asyncio.Event()
        self.asking = 0
        """How many wait for names."""
        real = Directory.resolve

        async def resolve(
            directory: Directory,
            team: TeamId,
            users: Iterable[str] = (),
            channels: Iterable[str] = (),
            **more: Any,
        ) -> None:
            wanted = list(users)
            if "U0BEN" in wanted:
                self.asking += 1
                try:
                    await self.open.wait()
                finally:
                    self.asking -= 1
            await real(directory, team, wanted, channels, **more)

        monkeypatch.setattr(Directory, "resolve", resolve)


async def another(world: World) -> tuple[Thread, Any]:
    """A thread of its own, with a conversation of its own."""
    before = world.conversation()
    thread = await world.connect()
    conversation = await world.until(
        lambda: (found := world.conversation()) is not before and found
    )
    return thread, conversation


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Closed."""
    return Gate(monkeypatch)


@pytest.fixture
async def stage(database_url: str, encryption_key: str) -> AsyncIterator[World]:
    """Both stand-ins; the bridges are the test's to start."""
    async with world_of(database_url, encryption_key, redelivery_delays=(0.2,) * 200) as world:
        yield world


async def test_nothing_of_the_session_overtakes_it_and_everything_else_goes_on(
    gate: Gate, world: World
) -> None:
    thread, conversation = await world.talking()
    other, elsewhere = await another(world)
    await thread.say("first")
    await thread.say(SLOW)
    await thread.say("last")
    await world.until(lambda: gate.asking == 1)
    await world.until(lambda: said(world, conversation) == ["first"])
    await other.say("quick")
    await world.until(lambda: said(world, elsewhere) == ["quick"])
    await world.liveperson.say(conversation.id, "still there?")
    await thread.shows("still there?")
    assert said(world, conversation) == ["first"]
    gate.open.set()
    await world.until(lambda: said(world, conversation) == ["first", SLOW_PLAIN, "last"])


async def test_it_is_made_ready_while_what_is_before_it_is_on_its_way(
    gate: Gate, world: World
) -> None:
    thread, conversation = await world.talking()
    world.liveperson.faults.slow_answer("ms.PublishEvent", seconds=600)
    await thread.say("first")
    await world.until(lambda: said(world, conversation) == ["first"])
    await thread.say(SLOW)
    await world.until(lambda: gate.asking == 1)


async def test_many_that_are_slow_at_once_hold_up_no_others(gate: Gate, world: World) -> None:
    talks = [await another(world) for _ in range(18)]
    for thread, _ in talks[:-1]:
        await thread.say(SLOW)
    await world.until(lambda: gate.asking == 16)
    thread, conversation = talks[-1]
    await thread.say("quick")
    await world.until(lambda: said(world, conversation) == ["quick"])
    assert gate.asking == 16, "no more at once"
    gate.open.set()
    for _, slow in talks[:-1]:
        await world.until(lambda slow=slow: said(world, slow) == [SLOW_PLAIN])  # type: ignore[misc]


async def test_the_agent_can_end_the_conversation_meanwhile(gate: Gate, world: World) -> None:
    thread, conversation = await world.talking()
    slow = await thread.say(SLOW)
    await world.until(lambda: gate.asking == 1)
    await world.liveperson.close(conversation.id)
    await thread.card_shows("lp_again")
    await thread.shows("not delivered")
    assert gate.asking == 0, "it was broken off"
    assert "warning" in world.slack.reactions(CHANNEL, slow)


async def test_it_is_made_ready_again_after_a_broken_connection(gate: Gate, world: World) -> None:
    thread, conversation = await world.talking()
    await thread.say(SLOW)
    await world.until(lambda: gate.asking == 1)
    world.liveperson.faults.drop_sockets()
    await world.until(lambda: gate.asking == 0)
    await world.until(lambda: gate.asking == 1)
    gate.open.set()
    await world.until(lambda: said(world, conversation) == [SLOW_PLAIN])


async def test_a_hand_over_waits_for_nothing_slow_and_the_next_owner_does_it(
    gate: Gate, stage: World
) -> None:
    async with bridge_here(stage):
        thread, conversation = await stage.talking()
        await thread.say(SLOW)
        await stage.until(lambda: gate.asking == 1)
    assert gate.asking == 0
    gate.open.set()
    async with bridge_here(stage):
        await thread.say("last")
        await stage.until(lambda: said(stage, conversation) == [SLOW_PLAIN, "last"], 30)


async def test_who_has_lost_the_session_meanwhile_sends_nothing(
    gate: Gate, world: World, encryption_key: str
) -> None:
    thread, conversation = await world.talking()
    await thread.say(SLOW)
    await world.until(lambda: gate.asking == 1)
    async with open_database(world.env["DATABASE_URL"], keys=[encryption_key]) as database:
        await database.writer.run(
            lambda connection: connection.execute(
                update(SESSIONS).values(epoch=SESSIONS.c.epoch + 1, owner="another")
            )
        )
    with capture_logs() as logs:
        gate.open.set()
        await world.until(lambda: any(each["event"] == "session.let_go" for each in logs))
    assert said(world, conversation) == []
