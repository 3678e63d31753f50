"""Workers that take messages of one session at once do not wait for each other in a circle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from bridge.ids import SessionId
from bridge.store import sessions
from bridge.store.connection import Transaction
from bridge.store.database import Database, open_database
from lp_sandbox.slack.model import Message
from tests.e2e.world import ANA, Thread, World

pytestmark = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)

MESSAGES: dict[str, dict[str, Any]] = {
    "with a file": {"user": ANA, "files": [{"name": "plan.pdf"}], "subtype": "file_share"},
    "of an app": {"user": None, "bot_id": "B0HOOK", "subtype": "bot_message"},
}


@pytest.fixture
async def other(world: World) -> AsyncIterator[Database]:
    """The connections of another worker."""
    keys = [world.env["BRIDGE_ENCRYPTION_KEYS"]]
    async with open_database(world.env["DATABASE_URL"], keys=keys) as opened:
        yield opened


async def session_of(database: Database) -> SessionId:
    async with database.read() as transaction:
        found = await transaction.execute(text("SELECT id FROM sessions"))
        return SessionId(found.scalar_one())


async def post(thread: Thread, what: dict[str, Any]) -> str:
    slack = thread.world.slack
    ts = slack.workspace.next_ts(thread.channel)
    where: dict[str, Any] = {
        "channel": thread.channel,
        "team": slack.team.id,
        "thread_ts": thread.ts,
    }
    slack.workspace.post(Message(ts=ts, text="look", **where, **what))
    return ts


@pytest.mark.parametrize("kind", MESSAGES)
async def test_what_is_answered_in_a_live_thread_shares_its_session(
    world: World, other: Database, kind: str
) -> None:
    """Each of two workers that hold the session would wait for the other, if it changed the row."""
    thread, _ = await world.talking()
    session = await session_of(other)
    holding, may_commit = asyncio.Event(), asyncio.Event()

    async def hold(transaction: Transaction) -> None:
        await sessions.lock_live(transaction, session)
        holding.set()
        await may_commit.wait()

    holder = asyncio.create_task(other.at_once(hold, deadline=60))
    await holding.wait()
    ts = await post(thread, MESSAGES[kind])
    try:
        async with asyncio.timeout(5):
            assert await world.slack.delivered(ts, thread.channel)
    finally:
        may_commit.set()
        await holder
    await thread.shows("passed on")


async def test_who_answers_in_a_closed_thread_has_its_session_alone(
    world: World, other: Database
) -> None:
    thread, conversation = await world.talking()
    await world.liveperson.close(conversation.id)
    await thread.shows("ended")
    session = await session_of(other)

    async def answer(transaction: Transaction) -> bool:
        held = await sessions.lock_live(transaction, session)
        await sessions.call_for_attention(transaction, session)
        return held.live

    async def first(transaction: Transaction) -> bool:
        held = await sessions.lock_live(transaction, session)
        second = asyncio.create_task(other.at_once(answer, deadline=30))
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while not (await transaction.execute(waiting)).scalar():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        await sessions.call_for_attention(transaction, session)
        seconds.append(second)
        return held.live

    seconds: list[asyncio.Task[bool]] = []
    assert not await other.at_once(first, deadline=30)
    assert not await seconds[0]
