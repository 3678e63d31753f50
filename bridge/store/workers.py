"""Queries about workers: which are alive, who owns which session, and which sessions are free.

The cost of a search for free sessions grows with the free sessions and the owners, not with all
sessions: `ix_sessions_owner` finds an owner's sessions, and each worker tells how many it
runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy import text as sql_text

from bridge.ids import SessionId, WorkerId
from bridge.store.connection import Transaction
from bridge.store.models import SESSIONS, WANTED, WORKERS
from bridge.store.sessions import now_ms
from bridge.store.statement import Statement, among

# No table, no lock.
_CLOCK = Statement(lambda _: select(func.extract("epoch", func.clock_timestamp())))


async def database_now(transaction: Transaction) -> int:
    """Milliseconds since 1970 by the clock that all workers share."""
    if transaction.dialect.name != "postgresql":
        return now_ms()
    return int(await _CLOCK.value(transaction) * 1000)


# By the primary key. Locks the worker's row. Run again by the same process, it changes the times.
_BEAT = Statement(
    lambda insert: (
        insert(WORKERS)
        .values(
            id=bindparam("id"),
            started_at=bindparam("now"),
            heartbeat_at=bindparam("now"),
            capacity=bindparam("capacity"),
            running=bindparam("running"),
            incarnation=bindparam("incarnation"),
        )
        .on_conflict_do_update(
            index_elements=[WORKERS.c.id],
            set_={
                "heartbeat_at": bindparam("now"),
                "capacity": bindparam("capacity"),
                "running": bindparam("running"),
                "incarnation": bindparam("incarnation"),
            },
            where=or_(
                WORKERS.c.incarnation == bindparam("incarnation"),
                WORKERS.c.heartbeat_at <= bindparam("silent", type_=BigInteger),
            ),
        )
        .returning(WORKERS.c.id)
    )
)
# By the primary key, without a lock.
_HEARTBEAT_AT = Statement(
    lambda _: select(WORKERS.c.heartbeat_at).where(WORKERS.c.id == bindparam("worker"))
)


async def beat(
    transaction: Transaction,
    worker: WorkerId,
    incarnation: str,
    *,
    capacity: int,
    lease_ms: int,
    running: int | None = None,
) -> int | None:
    """Make a heartbeat for this process of a worker; returns None if it was made.

    `running` is how many sessions it runs; with None, others have to count them.

    Guarantee: of several processes of one name only one gets None, until it has made no heartbeat
    for a lease. The others get the time of the last heartbeat.
    """
    now = await database_now(transaction)
    said = await _BEAT.first(
        transaction,
        id=worker,
        now=now,
        silent=now - lease_ms,
        capacity=capacity,
        running=running,
        incarnation=incarnation,
    )
    if said is not None:
        return None
    return int(await _HEARTBEAT_AT.value(transaction, worker=worker))


# By the primary key. Locks the worker's row; run again, it sets the same number.
_RUNNING = Statement(
    lambda _: (
        update(WORKERS)
        .where(WORKERS.c.id == bindparam("worker"))
        .values(running=bindparam("count"))
    )
)


async def note_running(transaction: Transaction, worker: WorkerId, running: int) -> None:
    """Store how many sessions a worker runs now, between two heartbeats.

    Call it after a claim or a release, so that each session is counted once: as free or as owned.
    """
    await _RUNNING.change(transaction, worker=worker, count=running)


# By the primary key. Locks the worker's row; run again, it finds nothing.
_RESIGN = Statement(
    lambda _: delete(WORKERS).where(
        WORKERS.c.id == bindparam("worker"), WORKERS.c.incarnation == bindparam("incarnation")
    )
)


async def resign(transaction: Transaction, worker: WorkerId, incarnation: str) -> None:
    """Remove a worker, unless another process has its name now: its sessions become free."""
    await _RESIGN.change(transaction, worker=worker, incarnation=incarnation)


# Run again, it is refused: names are random.
_PROBE = Statement(
    lambda _: insert(WORKERS).values(
        id=bindparam("worker"), started_at=0, heartbeat_at=0, capacity=0, running=0
    )
)


async def write_probe(transaction: Transaction, worker: WorkerId) -> None:
    """Write a worker's row that has no effect, to see whether the database takes writes."""
    await _PROBE.change(transaction, worker=worker)


# Locks the rows that go; run again, they find nothing. The table has a row for each worker.
_FORGET = Statement(lambda _: delete(WORKERS).where(WORKERS.c.id == bindparam("worker")))
_FORGET_ALL = Statement(lambda _: delete(WORKERS))
_FORGET_SILENT = Statement(
    lambda _: delete(WORKERS).where(WORKERS.c.heartbeat_at < bindparam("before"))
)


async def forget(transaction: Transaction, *, only: Sequence[WorkerId] | None = None) -> None:
    """Remove the workers in `only`, or all: their sessions become free."""
    if only is None:
        await _FORGET_ALL.change(transaction)
    else:
        await _FORGET.run_many(transaction, [{"worker": worker} for worker in only])


async def forget_dead(transaction: Transaction, *, lease_ms: int) -> None:
    """Remove workers without a heartbeat for a hundred leases; they own nothing any more."""
    now = await database_now(transaction)
    await _FORGET_SILENT.change(transaction, before=now - 100 * lease_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """How many sessions there are to run, and how many each worker can run."""

    elsewhere: int
    """Sessions that other living workers run, by their last heartbeats."""
    free: int
    """Sessions that need an owner and have none alive."""
    capacities: list[int]
    """How many sessions each living worker can run."""


_OWNED = select(func.count()).select_from(SESSIONS).where(WANTED)


# By a partial index: as many steps as there are sessions. No lock. Not for what is asked regularly.
_ALL_WANTED = Statement(lambda _: _OWNED)


async def count_wanted(transaction: Transaction) -> int:
    """How many sessions need an owner or have one, counted one by one."""
    return int(await _ALL_WANTED.value(transaction))


_ALIVE = select(WORKERS.c.id).where(WORKERS.c.heartbeat_at > bindparam("since"))


def _owners() -> CTE:
    """The names of all owners of sessions, whether they are alive or not.

    Each step looks the next name up in `ix_sessions_owner`, so it costs as many look-ups as there
    are owners. A name in no row of `workers` is found too: its worker has resigned.
    """
    lowest = select(func.min(SESSIONS.c.owner).label("name"))
    found = lowest.where(WANTED, SESSIONS.c.owner > "").cte("owners", recursive=True)
    following = select(func.min(SESSIONS.c.owner)).where(WANTED, SESSIONS.c.owner > found.c.name)
    return found.union_all(
        select(following.scalar_subquery()).where(found.c.name.is_not(None)),
    )


def _dead(*more: Select[Any]) -> Select[Any]:
    owners = _owners()
    counts = [each.where(SESSIONS.c.owner == owners.c.name).scalar_subquery() for each in more]
    return select(owners.c.name, *counts).where(
        owners.c.name.is_not(None), owners.c.name.not_in(_ALIVE)
    )


# A row for each worker. One of an earlier version says no count: its sessions are counted, by
# `ix_sessions_owner`. No lock.
_LIVING = Statement(
    lambda _: select(
        WORKERS.c.id,
        WORKERS.c.capacity,
        func.coalesce(
            WORKERS.c.running, _OWNED.where(SESSIONS.c.owner == WORKERS.c.id).scalar_subquery()
        ),
    ).where(WORKERS.c.heartbeat_at > bindparam("since"))
)
# By `ix_sessions_owner`: as many steps as sessions are free, and one for each owner. No lock.
_FREE = Statement(lambda _: _OWNED.where(SESSIONS.c.owner.is_(None)))
_DEAD = Statement(lambda _: _dead(_OWNED))


async def demand(transaction: Transaction, worker: WorkerId, *, lease_ms: int) -> Demand:
    """How many sessions other than those of `worker` there are to run, and each worker's capacity.

    The numbers of other workers are as old as their last heartbeat, claim or release.
    """
    since = await database_now(transaction) - lease_ms
    living = await _LIVING.run(transaction, since=since)
    free = await _FREE.value(transaction)
    return Demand(
        elsewhere=sum(count for name, _, count in living if name != worker),
        free=free + sum(count for _, count in await _DEAD.run(transaction, since=since)),
        capacities=[capacity for _, capacity, _ in living],
    )


_NEWEST = (
    select(SESSIONS.c.id)
    .where(WANTED)
    # One owner at a time, but without its name here PostgreSQL would sort what nobody owns.
    .order_by(SESSIONS.c.owner.desc(), SESSIONS.c.active_at.desc())
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True, of=SESSIONS)
)
# By `ix_sessions_owner`, whose second column is the order: as many steps as rows are found or
# passed over. Locks what it finds; passes over what somebody else has locked. Run again, the same.
_TAKE_FREE = Statement(lambda _: _NEWEST.where(SESSIONS.c.owner.is_(None)))
_TAKE_OF = Statement(lambda _: _NEWEST.where(SESSIONS.c.owner == bindparam("owner")))
# By `ix_sessions_owner`, a step for each owner. No lock.
_DEAD_OWNERS = Statement(lambda _: _dead())
# By the primary key, of rows that are locked. Not to be run twice: it raises the epoch.
_CLAIM = Statement(
    lambda _: (
        update(SESSIONS)
        .where(among(SESSIONS.c.id, "ids"))
        .values(owner=bindparam("worker"), epoch=SESSIONS.c.epoch + 1)
        .returning(SESSIONS.c.id, SESSIONS.c.epoch)
    )
)


async def claim(
    transaction: Transaction, worker: WorkerId, *, lease_ms: int, limit: int
) -> dict[SessionId, int]:
    """Claim sessions that need an owner and have none alive.

    First come those without an owner, then those of each dead worker, the newest activity first.

    Returns their ids and new epochs, in that order.

    Guarantee: only one worker gets a session, and each claim raises its epoch. Several workers can
    claim at the same time, since each skips sessions that another has locked (`SKIP LOCKED`).
    """
    since = await database_now(transaction) - lease_ms
    ids = [row[0] for row in await _TAKE_FREE.run(transaction, limit=limit)]
    if len(ids) < limit:
        for (owner,) in await _DEAD_OWNERS.run(transaction, since=since):
            left = limit - len(ids)
            ids += [row[0] for row in await _TAKE_OF.run(transaction, owner=owner, limit=left)]
            if len(ids) >= limit:
                break
    if not ids:
        return {}
    epochs: dict[SessionId, int] = dict(await _CLAIM.run(transaction, ids=ids, worker=worker))
    return {session: epochs[session] for session in ids if session in epochs}


# By `ix_sessions_owner`: as many steps as the worker has sessions. No lock.
_COUNT_OWNED = Statement(lambda _: _OWNED.where(SESSIONS.c.owner == bindparam("worker")))
_OWNED_BY = Statement(
    lambda _: select(SESSIONS.c.id, SESSIONS.c.epoch).where(
        WANTED, SESSIONS.c.owner == bindparam("worker")
    )
)


async def count_owned(transaction: Transaction, worker: WorkerId) -> int:
    """How many sessions a worker owns."""
    return int(await _COUNT_OWNED.value(transaction, worker=worker))


async def owned_by(transaction: Transaction, worker: WorkerId) -> dict[SessionId, int]:
    """The sessions that a worker owns, and their epochs."""
    return dict(await _OWNED_BY.run(transaction, worker=worker))


# By `ix_sessions_kept`: as many steps as there are such sessions. Run again, it finds none.
_FORGET_KEPT = Statement(
    lambda _: (
        update(SESSIONS)
        .where(
            sql_text("credentials IS NOT NULL AND NOT live"),
            SESSIONS.c.closed_at < bindparam("before"),
        )
        .where(sql_text("NOT attention"))
        .values(credentials=None)
    )
)


async def forget_kept(transaction: Transaction, *, before: int) -> None:
    """Delete the credentials of sessions that ended before a time (ms) and were not rated."""
    await _FORGET_KEPT.change(transaction, before=before)


# By the primary key. Locks the session; run again, it finds nothing to change that matters.
_RELEASE = Statement(
    lambda _: (
        update(SESSIONS)
        .where(SESSIONS.c.id == bindparam("session"), SESSIONS.c.epoch == bindparam("expected"))
        .values(owner=None)
    )
)
# By `ix_sessions_owner`. Locks what the worker owned; run again, it finds nothing.
_RELEASE_ALL = Statement(
    lambda _: (
        update(SESSIONS).where(WANTED, SESSIONS.c.owner == bindparam("worker")).values(owner=None)
    )
)


async def release(transaction: Transaction, session: SessionId, epoch: int) -> None:
    """Free a session so that another worker can claim it, unless its epoch has changed."""
    await _RELEASE.change(transaction, session=session, expected=epoch)


async def release_all(transaction: Transaction, worker: WorkerId) -> None:
    """Free all sessions that a former process of this worker's name owned when it died."""
    await _RELEASE_ALL.change(transaction, worker=worker)
