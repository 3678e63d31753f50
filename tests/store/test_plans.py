"""Finished rows cost nothing: queries of the hot path find only waiting rows, live sessions."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Connection, text

from bridge.ids import ChannelId, SessionId, TeamId, UserId, WorkerId
from bridge.store import inbox, outbox, people, presence, workers
from bridge.store.database import Database

ROWS, LIVE = 20_000, 2_000

QUERIES: dict[str, tuple[str, Callable[[Any], Awaitable[object]]]] = {
    "waiting for LivePerson": ("ix_inbox_waiting", lambda c: inbox.waiting(c, SessionId("s1"))),
    "waiting for Slack": ("ix_outbox_waiting", lambda c: outbox.waiting(c, SessionId("s1"))),
    "the poll": ("_waiting", lambda c: inbox.sessions_waiting(c, WorkerId("w"), before=9)),
    "what wants an owner": (
        "ix_sessions_",
        lambda c: workers.demand(c, WorkerId("w"), lease_ms=1000),
    ),
    "what a person has opened": (
        "ix_sessions_opener",
        lambda c: people.count_opened(c, TeamId("T"), UserId("U"), ROWS),
    ),
    "what a person has open": (
        "ix_sessions_person",
        lambda c: people.count_open_of(c, TeamId("T"), UserId("U")),
    ),
    "what a channel has open": (
        "ix_sessions_open",
        lambda c: people.count_open_in(c, TeamId("T"), ChannelId("C")),
    ),
    "what goes on in a channel": (
        "ix_sessions_open",
        lambda c: people.open_in(c, TeamId("T"), ChannelId("C")),
    ),
    "threads to be read": (
        "ix_sessions_unheard",
        lambda c: presence.marked_threads(c, WorkerId("w"), lease_ms=1000, limit=20),
    ),
    "what a worker owns": ("ix_sessions_", lambda c: workers.owned_by(c, WorkerId("w"))),
}
"""What is asked, and (a part of) the name of the index that must answer it."""


def fill(connection: Connection) -> None:
    """Old sessions with old rows; one that lives, and some of other people, elsewhere."""
    numbers = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) "
        if connection.dialect.name == "sqlite"
        else ""
    )
    source = "n" if numbers else "generate_series(1, :rows) AS n(i)"
    false, true = ("0", "1") if numbers else ("false", "true")
    columns = "id, request_key, team_id, channel_id, opener_id, account, state, live, attention"
    here, there = "'C', 'U'", "'D' || i, 'V' || i"
    kinds = (("old", false, here, ROWS), ("s", true, here, 1), ("other", true, there, LIVE))
    for name, live, place, count in kinds:
        connection.execute(
            text(
                f"INSERT INTO sessions ({columns}, owner, epoch, created_at, active_at) {numbers}"
                f"SELECT '{name}' || i, '{name}' || i, 'T', {place}, '1', 'closed', {live}, "
                f"{false}, 'w', 1, i, i FROM {source}"
            ),
            {"rows": count},
        )
    connection.execute(
        text(
            "INSERT INTO inbox (session_id, team_id, channel_id, message_ts, kind, part, user_id, "
            f"payload, state, created_at) {numbers} SELECT CASE WHEN i % 2 = 0 THEN 's1' ELSE "
            "'old' || i END, 'T', 'C', 'm' || i, 'text', 0, 'U', '{}', 'sent', 1 "
            f"FROM {source}"
        ),
        {"rows": ROWS},
    )
    connection.execute(
        text(
            "INSERT INTO outbox (session_id, dialog_id, sequence, part, kind, payload, state, "
            f"created_at) {numbers} SELECT CASE WHEN i % 2 = 0 THEN 's1' ELSE 'old' || i END, "
            f"'d', i, 0, 'agent', '', 'posted', 1 FROM {source}"
        ),
        {"rows": ROWS},
    )
    if not numbers:  # as PostgreSQL does by itself, and SQLite does not
        connection.execute(text("ANALYZE"))


async def plans(database: Database, query: Any) -> str:
    """How the database runs what `query` asks."""
    asked: list[tuple[str, Any]] = []

    def note(statement: str, parameters: Any, **_: Any) -> Any:
        asked.append((statement, parameters))
        return execute(statement, parameters)

    explain = "EXPLAIN " if database.is_postgresql else "EXPLAIN QUERY PLAN "
    lines: list[str] = []
    async with database.read() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        execute = driver.execute
        driver.execute = note
        try:
            await query(connection)
        finally:
            driver.execute = execute
        for statement, parameters in asked:
            if statement.startswith(("SELECT", "WITH")) and "FROM" in statement:
                found = await execute(explain + statement, parameters)
                lines += [str(row[-1]) for row in await found.fetchall()]
    return "\n".join(lines)


@pytest.mark.parametrize("name", QUERIES)
async def test_what_is_done_is_not_walked_through(database: Database, name: str) -> None:
    index, query = QUERIES[name]
    await database.writer.run(lambda connection: connection.run_sync(fill))

    found = await plans(database, query)

    assert index in found, found
    for table in ("sessions", "inbox", "outbox"):
        assert f"Seq Scan on {table}" not in found, found
        assert f"SCAN {table}\n" not in f"{found}\n", found


POLLS: dict[str, Callable[[Any], Awaitable[object]]] = {
    "ix_inbox_waiting": lambda c: inbox.sessions_waiting(c, WorkerId("w"), before=9),
    "ix_outbox_waiting": lambda c: outbox.sessions_waiting(c, WorkerId("w"), before=9),
}


@pytest.mark.parametrize("index", POLLS)
async def test_the_poll_costs_what_waits_and_not_what_lives(database: Database, index: str) -> None:
    """It runs each two seconds: to look into each session in turn would stop the bridge."""
    await database.writer.run(lambda connection: connection.run_sync(fill))

    found = await plans(database, POLLS[index])

    assert index in found, found
    assert "ix_sessions_owner" not in found, found
    assert "ix_sessions_wanted" not in found, found


SEARCHES: dict[str, Callable[[Any], Awaitable[object]]] = {
    "demand": lambda c: workers.demand(c, WorkerId("w"), lease_ms=1000),
    "claim": lambda c: workers.claim(c, WorkerId("w"), lease_ms=1000, limit=20),
}


@pytest.mark.parametrize("way", SEARCHES)
async def test_the_search_for_free_sessions_costs_what_is_free(
    database: Database, way: str
) -> None:
    """It runs each two seconds in each worker: owned sessions are looked up by their owner only."""
    await database.writer.run(lambda connection: connection.run_sync(fill))

    found = await plans(database, SEARCHES[way])

    lines = found.splitlines()
    reads = [line for line in lines if re.search("(Scan|SEARCH|SCAN).* sessions", line)]
    assert reads, found
    for line in reads:
        assert "ix_sessions_owner" in line or "Bitmap Heap Scan" in line, found
    by_owner = [line for line in lines if re.search(r"Index Cond: .*owner|\(owner[=>]", line)]
    assert len(by_owner) == len(reads), found
    assert "Sort" not in found, found
    assert "TEMP B-TREE" not in found, found
