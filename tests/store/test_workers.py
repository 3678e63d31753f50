"""A worker's name belongs to one process at a time."""

from __future__ import annotations

from sqlalchemy import select, update

from bridge.ids import WorkerId
from bridge.store import workers
from bridge.store.connection import Transaction
from bridge.store.database import Database
from bridge.store.models import WORKERS

NAME = WorkerId("twin")
LEASE_MS = 60_000


async def beat(database: Database, incarnation: str) -> int | None:
    return await database.writer.run(
        lambda it: workers.beat(it, NAME, incarnation, capacity=1, lease_ms=LEASE_MS)
    )


async def holder(database: Database) -> list[str | None]:
    async with database.read() as connection:
        return [row.incarnation for row in await connection.execute(select(WORKERS))]


async def test_second_process_is_told_when_the_first_beat_last(database: Database) -> None:
    assert await beat(database, "first") is None
    last = await beat(database, "second")
    assert last is not None
    assert await beat(database, "second") == last
    assert await holder(database) == ["first"]
    assert await beat(database, "first") is None


async def test_name_is_free_when_the_heart_was_silent_for_a_lease(database: Database) -> None:
    await beat(database, "first")
    silent = WORKERS.c.heartbeat_at - LEASE_MS - 1

    async def time_passes(connection: Transaction) -> None:
        await connection.execute(update(WORKERS).values(heartbeat_at=silent))

    await database.writer.run(time_passes)
    assert await beat(database, "second") is None
    assert await beat(database, "first") is not None, "it has a successor now"
    assert await holder(database) == ["second"]


async def test_process_of_an_older_version_holds_its_name_too(database: Database) -> None:
    await beat(database, "first")

    async def older(connection: Transaction) -> None:
        await connection.execute(update(WORKERS).values(incarnation=None))

    await database.writer.run(older)
    assert await beat(database, "second") is not None


async def test_who_resigns_takes_nobody_elses_row(database: Database) -> None:
    await beat(database, "first")
    await database.writer.run(lambda it: workers.resign(it, NAME, "second"))
    assert await holder(database) == ["first"]
    await database.writer.run(lambda it: workers.resign(it, NAME, "first"))
    assert await holder(database) == []
