"""Wake-ups reach other connections when, and only when, their transaction is committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.store.database import Database
from bridge.store.wakeups import Wakeups, notify
from tests.postgres import Postgres

only_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


@pytest.fixture
async def heard(database: Database) -> AsyncIterator[asyncio.Queue[str]]:
    queue: asyncio.Queue[str] = asyncio.Queue()
    wakeups = Wakeups(database)
    wakeups.subscribe("sessions", queue.put_nowait)
    wakeups.on_gap(lambda: queue.put_nowait("(gap)"))
    await wakeups.start()
    yield queue
    await wakeups.stop()


async def _next(queue: asyncio.Queue[str]) -> str:
    async with asyncio.timeout(10):
        return await queue.get()


@only_postgresql
async def test_hears_what_was_committed(database: Database, heard: asyncio.Queue[str]) -> None:
    await database.writer.run(lambda connection: notify(connection, "sessions", "one"))

    assert await _next(heard) == "one"


@only_postgresql
async def test_hears_nothing_of_what_was_rolled_back_or_is_for_others(
    database: Database, heard: asyncio.Queue[str]
) -> None:
    async with database.read() as connection:  # always rolled back
        await notify(connection, "sessions", "never")
    await database.writer.run(lambda connection: notify(connection, "others", "not for us"))
    await database.writer.run(lambda connection: notify(connection, "sessions", "last"))

    assert await _next(heard) == "last"


@only_postgresql
async def test_listens_again_after_the_connection_broke_and_says_that_there_was_a_gap(
    database: Database, heard: asyncio.Queue[str], postgres: Postgres
) -> None:
    name = database.url.database
    assert name is not None
    await asyncio.to_thread(postgres.cut_connections, name)

    assert await _next(heard) == "(gap)"
    await database.writer.run(lambda connection: notify(connection, "sessions", "after"))
    assert await _next(heard) == "after"


@only_postgresql
async def test_callback_that_fails_keeps_nothing_from_the_others(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    queue: asyncio.Queue[str] = asyncio.Queue()

    def fail(payload: str) -> None:
        raise ValueError(payload)

    wakeups = Wakeups(database)
    wakeups.subscribe("sessions", fail)
    wakeups.subscribe("sessions", queue.put_nowait)
    await wakeups.start()
    try:
        await database.writer.run(lambda connection: notify(connection, "sessions", "one"))
        assert await _next(queue) == "one"
    finally:
        await wakeups.stop()
    assert "callback failed" in caplog.text


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_sqlite_has_nobody_to_wake(database: Database, heard: asyncio.Queue[str]) -> None:
    await database.writer.run(lambda connection: notify(connection, "sessions", "one"))

    assert heard.empty()
