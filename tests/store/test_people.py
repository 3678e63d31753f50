"""Who writes in a thread, and how many conversations somebody has, with others at it as well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update

from bridge.ids import ChannelId, SessionId, TeamId, UserId, WorkerId
from bridge.store import people, sessions
from bridge.store.connection import Transaction
from bridge.store.database import Database, open_database
from bridge.store.models import SESSIONS

TEAM, CHANNEL, ANA = TeamId("T"), ChannelId("C"), UserId("U0ANA")
SESSION = SessionId("s0")
postgresql_only = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


async def add(
    database: Database, number: int, *, user: str = ANA, channel: str = CHANNEL, team: str = TEAM
) -> None:
    values = {"id": f"s{number}", "request_key": f"k{number}", "team_id": team}
    values |= {"channel_id": channel, "opener_id": user, "account": "1", "state": "active"}
    await database.writer.run(lambda c: sessions.add_session(c, values, WorkerId("w")))


@pytest.fixture
async def other(database_url: str, encryption_key: str) -> AsyncIterator[Database]:
    """Another worker's connections."""
    async with open_database(database_url, keys=[encryption_key]) as opened:
        yield opened


async def test_that_another_writes_is_remembered(database: Database) -> None:
    await add(database, 0)
    await add(database, 1)
    held = await database.writer.run(lambda c: sessions.lock_live(c, SESSION))
    assert held == (True, "w", False, None)
    for _ in range(2):
        await database.writer.run(lambda c: people.another_writes(c, SESSION))
    async with database.read() as transaction:
        assert await people.several_write(transaction, SESSION)
        assert not await people.several_write(transaction, SessionId("s1"))
        assert not await people.several_write(transaction, SessionId("unknown"))
    assert (await database.writer.run(lambda c: sessions.lock_live(c, SESSION))).several_writers


@postgresql_only
async def test_who_comes_second_sees_what_the_first_has_noted(
    database: Database, other: Database
) -> None:
    """Two workers at once: the opener's message waits for the other's, and is named."""
    await add(database, 0)
    noted, may_commit = asyncio.Event(), asyncio.Event()

    async def first(transaction: Transaction) -> None:
        await people.another_writes(transaction, SESSION)
        noted.set()
        await may_commit.wait()

    ben = asyncio.create_task(database.writer.run(first))
    await noted.wait()
    ana = asyncio.create_task(other.writer.run(lambda c: sessions.lock_live(c, SESSION)))
    done, _ = await asyncio.wait({ana}, timeout=0.3)
    assert not done
    may_commit.set()
    await ben
    assert (await ana).several_writers


async def test_what_is_counted(database: Database) -> None:
    for number in range(4):
        await add(database, number)
    await add(database, 4, channel="C2")
    await add(database, 5, user="U0BEN")
    await add(database, 6, team="T2")
    await database.writer.run(
        lambda c: c.execute(update(SESSIONS).where(SESSIONS.c.id == "s0").values(live=False))
    )
    await database.writer.run(
        lambda c: c.execute(
            update(SESSIONS).where(SESSIONS.c.id.in_(("s0", "s1"))).values(created_at=5)
        )
    )
    async with database.read() as transaction:
        assert await people.count_open_of(transaction, TEAM, ANA) == 4
        assert await people.count_open_in(transaction, TEAM, CHANNEL) == 4
        assert await people.count_opened(transaction, TEAM, ANA, 5) == 3
        assert await people.count_opened(transaction, TEAM, ANA, 4) == 5


@postgresql_only
async def test_sessions_are_opened_one_at_a_time(database: Database, other: Database) -> None:
    holding, may_commit = asyncio.Event(), asyncio.Event()

    async def first(transaction: Transaction) -> None:
        await people.open_one_at_a_time(transaction)
        holding.set()
        await may_commit.wait()

    one = asyncio.create_task(database.writer.run(first))
    await holding.wait()
    two = asyncio.create_task(other.writer.run(people.open_one_at_a_time))
    done, _ = await asyncio.wait({two}, timeout=0.3)
    assert not done
    may_commit.set()
    await asyncio.gather(one, two)
