"""Measure what the supervisor's queries cost on a real PostgreSQL, by the CPU time they take.

    python -m benchmarks.database_costs --sessions 200000            # print
    python -m benchmarks.database_costs --sessions 200000 --write    # and note in costs.json

The queries are those of `bridge.store`. CPU time comes from `/proc/<pid>/schedstat` (Linux), so a
busy machine disturbs it less than a clock. The server has room for all rows in its buffers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg
from cryptography.fernet import Fernet
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.ids import SessionId, WorkerId
from bridge.store import inbox, outbox, sessions, workers
from bridge.store.database import Database, open_database
from bridge.store.migrate import upgrade
from bridge.store.wakeups import Wakeups
from tests.postgres import Postgres, running_postgres

FILE = Path(__file__).with_name("costs.json")
"""The costs with which `benchmarks.scale` calculates."""
LEASE_MS = 15_000
PER_WORKER = 10_000
LISTENERS, NOTES = 20, 500
FILL = """
INSERT INTO sessions (id, request_key, team_id, channel_id, thread_ts, opener_id, account, state,
    live, conversation_id, consumer_id, credentials, owner, epoch, attention, created_at, active_at,
    card_shown)
SELECT md5(i::text), 'k' || md5(i::text), 'T1', 'C' || i / 20, i || '.1', 'U1', '12345678',
    'ACTIVE', true, md5('a' || i), md5('b' || i),
    (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 34) j),
    'w' || i % {workers}, 1, false, {now}, {now} - (random() * 3600000)::bigint, md5(i::text)
FROM generate_series(1, {sessions}) i
"""
"""Rows of the usual size: credentials have about 1,100 characters."""
WAITING = """
INSERT INTO inbox (session_id, team_id, channel_id, message_ts, kind, part, user_id, payload,
    state, created_at)
SELECT md5(i::text), 'T1', 'C1', i || '.2', 'text', 0, 'U1',
    '{{"source":"some words","text":"some words"}}', 'waiting', {now}
FROM generate_series(1, {rows}) i
"""
"""Every other session has a message waiting, as after an outage of some minutes."""

Query = Callable[[AsyncConnection], Awaitable[Any]]


async def measure(url: str, count: int) -> dict[str, float]:
    """Fill a database with so many live sessions and measure: costs by their names."""
    await upgrade(url)
    async with open_database(url, keys=[Fernet.generate_key().decode()]) as database:
        await fill(database, count)
        async with database.engine.connect() as connection:
            costs = await searches(connection, count)
            costs |= await small_things(connection)
            costs["db_ms_claimed_session"] = await claimed(connection, count, costs)
        costs |= await wakeups(database)
    return costs


def crew_of(count: int) -> int:
    """How many workers so many sessions have."""
    return max(2, count // PER_WORKER)


async def fill(database: Database, count: int) -> None:
    """Workers that live, and their sessions; a twentieth has changed since the last vacuum."""
    now, crew = sessions.now_ms(), crew_of(count)
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for number in range(crew):
            far = {"id": f"w{number}", "now": now, "beat": now + 10**9}
            await connection.execute(
                text(
                    "INSERT INTO workers (id, started_at, heartbeat_at, capacity, running) "
                    "VALUES (:id, :now, :beat, 15000, 10000)"
                ),
                far,
            )
        await connection.execute(text(FILL.format(workers=crew, now=now, sessions=count)))
        await connection.execute(text("VACUUM ANALYZE"))
        await connection.execute(
            text("UPDATE sessions SET active_at = active_at + 1 WHERE random() < 0.05")
        )


async def searches(connection: AsyncConnection, count: int) -> dict[str, float]:
    """The queries that walk over all sessions, and the poll."""
    worker = WorkerId("w0")
    counted, _ = await cpu_ms(connection, 3, lambda c: workers.demand(c, worker, lease_ms=LEASE_MS))
    walked, _ = await cpu_ms(
        connection, 3, lambda c: workers.claim(c, worker, lease_ms=LEASE_MS, limit=200)
    )
    searched, _ = await cpu_ms(connection, 3, lambda c: workers.owned_by(c, worker))

    async def poll(connection: AsyncConnection) -> None:
        before = sessions.now_ms()
        await inbox.sessions_waiting(connection, worker, before=before)
        await outbox.sessions_waiting(connection, worker, before=before)

    nothing, polling = await cpu_ms(connection, 100, poll)
    await connection.execute(text(WAITING.format(now=sessions.now_ms() - 60_000, rows=count // 2)))
    await connection.execute(text("ANALYZE inbox"))
    await connection.commit()
    much, _ = await cpu_ms(connection, 3, poll)
    await connection.execute(text("TRUNCATE inbox"))
    await connection.commit()
    return {
        "db_us_counted_session": counted * 1000 / count,
        "db_us_scanned_session": walked * 1000 / count,
        "db_us_searched_session": searched * 1000 * crew_of(count) / count,
        "db_ms_poll": nothing,
        "db_us_polled_row": (much - nothing) * 1000 / (count // 2),
        "cpu_ms_poll": polling,
    }


async def small_things(connection: AsyncConnection) -> dict[str, float]:
    """A statement by key among others of its transaction, and a commit."""
    name = SessionId((await connection.execute(text("SELECT min(id) FROM sessions"))).scalar_one())

    def fences(count: int) -> Query:
        async def query(connection: AsyncConnection) -> None:
            for _ in range(count):
                await sessions.fence(connection, name, 1)

        return query

    async def write(connection: AsyncConnection) -> None:
        await sessions.change_session(connection, name, 1, active_at=sessions.now_ms())
        await connection.commit()

    one, _ = await cpu_ms(connection, 300, fences(1))
    many, _ = await cpu_ms(connection, 100, fences(21))
    written, _ = await cpu_ms(connection, 300, write)
    statement = (many - one) / 20
    return {"db_ms_per_statement": statement, "db_ms_per_commit": max(0.0, written - statement)}


async def claimed(connection: AsyncConnection, count: int, costs: dict[str, float]) -> float:
    """CPU milliseconds to claim and read one of 200, the walk not counted."""
    dead = text("UPDATE workers SET heartbeat_at = 0 WHERE id <> 'w0'")
    await connection.execute(dead)
    await connection.commit()

    async def claim(connection: AsyncConnection) -> None:
        found = await workers.claim(connection, WorkerId("w0"), lease_ms=LEASE_MS, limit=200)
        await connection.commit()
        names = text("SELECT * FROM sessions WHERE id = ANY(:ids)")
        await connection.execute(names, {"ids": list(found)})

    spent, _ = await cpu_ms(connection, 5, claim)
    walk = 200 * crew_of(count) / (crew_of(count) - 1)
    return max(0.0, spent - walk * costs["db_us_scanned_session"] / 1000) / 200


async def wakeups(database: Database) -> dict[str, float]:
    """What one notification costs the server and a worker, for each that listens."""
    heard = 0
    all_heard = asyncio.Event()

    def hear(payload: str) -> None:
        nonlocal heard
        heard += 1
        if heard == NOTES * LISTENERS:
            all_heard.set()

    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(database.engine.connect())
        begun = time.process_time()
        await send(connection, "nobody listens")
        sending = time.process_time() - begun
        for _ in range(LISTENERS):
            listener = Wakeups(database)
            listener.subscribe("measured", hear)
            await listener.start()
            stack.push_async_callback(listener.stop)
        names = text("SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%wake-ups'")
        pids = list((await connection.execute(names)).scalars())
        await connection.rollback()
        server, begun = spent_ms(pids), time.process_time()
        await send(connection, "measured")
        async with asyncio.timeout(60):
            await all_heard.wait()
        server = spent_ms(pids) - server
        client = time.process_time() - begun - sending
    each = NOTES * LISTENERS
    return {"db_ms_wakeup": server / each, "cpu_ms_wakeup": client * 1000 / each}


async def send(connection: AsyncConnection, channel: str) -> None:
    """Notify again and again, each time in a transaction of its own."""
    for number in range(NOTES):
        payload = {"channel": channel, "payload": f"{number:032}"}
        await connection.execute(text("SELECT pg_notify(:channel, :payload)"), payload)
        await connection.commit()


async def cpu_ms(connection: AsyncConnection, times: int, query: Query) -> tuple[float, float]:
    """CPU milliseconds of one query: the server's, and this process's."""
    pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    await connection.rollback()
    for _ in range(2):  # plans and buffers are warm
        await query(connection)
        await connection.rollback()
    server, client = spent_ms([pid]), time.process_time()
    for _ in range(times):
        await query(connection)
        await connection.rollback()
    used = spent_ms([pid]) - server, (time.process_time() - client) * 1000
    return used[0] / times, used[1] / times


def spent_ms(pids: Iterable[int]) -> float:
    """CPU milliseconds that processes have used so far."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e6


def prepare(postgres: Postgres, megabytes: int) -> None:
    """Give the buffers room for all rows, and allow no parallel query: one process uses the CPU."""
    for setting in (f"shared_buffers = '{megabytes}MB'", "max_parallel_workers_per_gather = 0"):
        postgres.execute(sql.SQL(f"ALTER SYSTEM SET {setting}"))
    postgres.stop()
    postgres.start()


def main() -> None:
    """Print the costs; note them, if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--write", action="store_true", help=f"note them in {FILE.name}")
    options = parser.parse_args()
    with running_postgres() as postgres:
        prepare(postgres, megabytes=256 + options.sessions // 200)
        name = postgres.create()
        with psycopg.connect(postgres.url(name)) as connection:
            version = connection.info.server_version // 10_000
        costs = asyncio.run(measure(postgres.url(name), options.sessions))
    for cost, value in costs.items():
        print(f"{cost:28} {value:10.4f}")
    if options.write:
        known = json.loads(FILE.read_text())
        where = f"benchmarks.database_costs, {options.sessions:,} sessions, PostgreSQL {version}"
        for cost, value in costs.items():
            known[cost] |= {"value": float(f"{value:.3g}"), "measured": where}
        lines = [f"  {json.dumps(key)}: {json.dumps(entry)}" for key, entry in known.items()]
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
