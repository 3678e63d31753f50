"""Queries about workers: who lives, and who owns which session."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy import insert as sql_insert
from sqlalchemy.dialects import postgresql, sqlite

from bridge.ids import SessionId, WorkerId
from bridge.store.connection import Transaction
from bridge.store.models import SESSIONS, WANTED, WORKERS
from bridge.store.sessions import now_ms


async def database_now(connection: Transaction) -> int:
    """Milliseconds since 1970 by the clock that all workers share."""
    if connection.dialect.name != "postgresql":
        return now_ms()
    seconds = await connection.execute(select(func.extract("epoch", func.clock_timestamp())))
    return int(seconds.scalar_one() * 1000)


async def beat(
    connection: Transaction, worker: WorkerId, incarnation: str, *, capacity: int, lease_ms: int
) -> int | None:
    """Say that a worker lives, as this process; None: it is said.

    Guarantee: of several processes of one name only one gets None, until its heart has been silent
    for a lease. The others are told when it beat last.
    """
    now = await database_now(connection)
    values = {"heartbeat_at": now, "capacity": capacity, "incarnation": incarnation}
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    mine = or_(WORKERS.c.incarnation == incarnation, WORKERS.c.heartbeat_at <= now - lease_ms)
    said = await connection.execute(
        insert(WORKERS)
        .values(id=worker, started_at=now, **values)
        .on_conflict_do_update(index_elements=[WORKERS.c.id], set_=values, where=mine)
        .returning(WORKERS.c.id)
    )
    if said.first() is not None:
        return None
    found = await connection.execute(select(WORKERS.c.heartbeat_at).where(WORKERS.c.id == worker))
    return int(found.scalar_one())


async def resign(connection: Transaction, worker: WorkerId, incarnation: str) -> None:
    """Remove a worker, so that what it owned is free; not another process of its name."""
    mine = (WORKERS.c.id == worker, WORKERS.c.incarnation == incarnation)
    await connection.execute(delete(WORKERS).where(*mine))


async def pretend(connection: Transaction, worker: WorkerId) -> None:
    """Write a row that counts for nothing: whether the database takes writes shows then."""
    await connection.execute(
        sql_insert(WORKERS).values(id=worker, started_at=0, heartbeat_at=0, capacity=0)
    )


async def forget(connection: Transaction, *, only: Sequence[WorkerId] | None = None) -> None:
    """Remove workers, so that what they owned is free: those in `only`, or all."""
    statement = delete(WORKERS)
    if only is not None:
        statement = statement.where(WORKERS.c.id.in_(only))
    await connection.execute(statement)


async def forget_dead(connection: Transaction, *, lease_ms: int) -> None:
    """Remove workers that have been silent for a hundred leases; nothing is theirs any more."""
    long_ago = await database_now(connection) - 100 * lease_ms
    await connection.execute(delete(WORKERS).where(WORKERS.c.heartbeat_at < long_ago))


async def demand(connection: Transaction, *, lease_ms: int) -> tuple[int, list[int]]:
    """How many sessions want an owner or have one, and what each living worker can run."""
    alive = WORKERS.c.heartbeat_at > await database_now(connection) - lease_ms
    wanted = await connection.execute(select(func.count()).select_from(SESSIONS).where(WANTED))
    capacities = await connection.execute(select(WORKERS.c.capacity).where(alive))
    return int(wanted.scalar_one()), [row.capacity for row in capacities]


async def claim(
    connection: Transaction, worker: WorkerId, *, lease_ms: int, limit: int
) -> dict[SessionId, int]:
    """Take sessions that want an owner and have none whose heart beats; newest activity first.

    Returns their ids and new epochs, in that order.

    Guarantee: a session is handed to one worker only, and each claim raises its epoch. Works side
    by side (`SKIP LOCKED`): who finds a session being claimed passes over it.
    """
    alive = select(WORKERS.c.id).where(
        WORKERS.c.heartbeat_at > await database_now(connection) - lease_ms
    )
    free = (
        select(SESSIONS.c.id)
        .where(WANTED, or_(SESSIONS.c.owner.is_(None), SESSIONS.c.owner.not_in(alive)))
        .order_by(SESSIONS.c.active_at.desc())
        .limit(limit)
        .with_for_update(skip_locked=True, of=SESSIONS)
    )
    ids = [row.id for row in await connection.execute(free)]
    if not ids:
        return {}
    found = await connection.execute(
        update(SESSIONS)
        .where(SESSIONS.c.id.in_(ids))
        .values(owner=worker, epoch=SESSIONS.c.epoch + 1)
        .returning(SESSIONS.c.id, SESSIONS.c.epoch)
    )
    epochs = {row.id: row.epoch for row in found}
    return {session: epochs[session] for session in ids if session in epochs}


async def count_owned(connection: Transaction, worker: WorkerId) -> int:
    """How many sessions a worker holds."""
    mine = select(func.count()).select_from(SESSIONS).where(WANTED, SESSIONS.c.owner == worker)
    return int((await connection.execute(mine)).scalar_one())


async def owned_by(connection: Transaction, worker: WorkerId) -> dict[SessionId, int]:
    """The sessions that a worker holds, and their epochs."""
    found = await connection.execute(
        select(SESSIONS.c.id, SESSIONS.c.epoch).where(WANTED, SESSIONS.c.owner == worker)
    )
    return {row.id: row.epoch for row in found}


async def release(connection: Transaction, session: SessionId, epoch: int) -> None:
    """Let another worker have the session at once; nothing happens if it is no longer ours."""
    await connection.execute(
        update(SESSIONS)
        .where(SESSIONS.c.id == session, SESSIONS.c.epoch == epoch)
        .values(owner=None)
    )


async def release_all(connection: Transaction, worker: WorkerId) -> None:
    """Let go of everything that a former process of this worker's name held when it died."""
    await connection.execute(
        update(SESSIONS).where(WANTED, SESSIONS.c.owner == worker).values(owner=None)
    )
