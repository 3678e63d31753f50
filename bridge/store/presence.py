"""Queries about the time that Slack could not reach us, and the threads to be read for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, TextClause, case, func, insert, literal, or_, select, update

from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, WorkerId
from bridge.store.connection import Transaction
from bridge.store.models import INBOX, PRESENCE, SESSIONS, WANTED, WORKERS
from bridge.store.workers import database_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard:
    """A thread in which people may have written what nobody told us."""

    session: SessionId
    team: TeamId
    channel: ChannelId
    thread_ts: MessageTs
    since: int
    """Milliseconds since 1970."""
    live: bool
    """Whether the conversation goes on."""
    gaps: int
    """How many gaps there had been when this was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the fleet's presence."""

    now: int
    """Milliseconds since 1970, by the clock that all workers share; so are all times here."""
    until: int | None
    """Until when it was present; None before the first time."""
    others: bool
    """Whether other workers live, which may have been reachable where this one was not."""


async def extend(connection: Transaction, *, since: int, until: int) -> bool:
    """The caller has been present from `since` to `until`: if that leaves no gap, note it.

    False: there may have been a time when nobody was.
    """
    done = await connection.execute(
        update(PRESENCE).where(PRESENCE.c.until >= since).values(until=until)
    )
    return done.rowcount > 0


async def known(connection: Transaction, worker: WorkerId, *, now: int, lease_ms: int) -> Known:
    """What is known about the fleet `now`, as `worker` sees it."""
    until = (await connection.execute(select(PRESENCE.c.until))).scalar()
    alive = WORKERS.c.heartbeat_at > now - lease_ms
    others = select(WORKERS.c.id).where(alive, WORKERS.c.id != worker).limit(1)
    found = (await connection.execute(others)).first()
    return Known(now=now, until=until, others=found is not None)


async def begin(connection: Transaction) -> None:
    """Note a gap, before the threads are marked: what is being read now was read too early."""
    await connection.execute(update(PRESENCE).values(gaps=PRESENCE.c.gaps + 1))


async def resume(connection: Transaction, before: Known) -> None:
    """The fleet is present again, unless another worker has noted that meanwhile."""
    if before.until is None:
        await connection.execute(insert(PRESENCE).values(id=1, until=before.now, gaps=0))
        return
    await connection.execute(
        update(PRESENCE).where(PRESENCE.c.until == before.until).values(until=before.now)
    )


async def mark(connection: Transaction, since: int, *, limit: int) -> int:
    """Note that open threads are to be read, `limit` of them at most; gives how many were noted."""
    open_threads = (
        select(SESSIONS.c.id)
        .where(WANTED, or_(SESSIONS.c.unheard_since.is_(None), SESSIONS.c.unheard_since > since))
        .limit(limit)
    )
    done = await connection.execute(
        update(SESSIONS).where(SESSIONS.c.id.in_(open_threads)).values(unheard_since=since)
    )
    return done.rowcount


async def mark_thread(
    connection: Transaction, team: TeamId, channel: ChannelId, thread_ts: MessageTs, since: int
) -> None:
    """Note that one thread is to be read, if it is one of ours."""
    await _mark_where(
        connection,
        since,
        SESSIONS.c.team_id == team,
        SESSIONS.c.channel_id == channel,
        SESSIONS.c.thread_ts == thread_ts,
    )


async def mark_session(connection: Transaction, session: SessionId, since: int) -> None:
    """Note that a session's thread is to be read."""
    await _mark_where(connection, since, SESSIONS.c.id == session)


async def mark_channel(
    connection: Transaction, team: TeamId, channel: ChannelId, since: int
) -> None:
    """Note that the open threads of a channel are to be read."""
    await _mark_where(
        connection, since, SESSIONS.c.team_id == team, SESSIONS.c.channel_id == channel, WANTED
    )


async def _mark_where(
    connection: Transaction, since: int, *which: ColumnElement[bool] | TextClause
) -> None:
    """Mark some threads, without a gap of the whole fleet.

    An older mark is kept, yet it changes by a millisecond: what is being read now was read too
    early, and `heard` sees that by the mark.
    """
    mark = SESSIONS.c.unheard_since
    sooner = case((or_(mark.is_(None), mark > since), since), else_=mark - 1)
    await connection.execute(update(SESSIONS).where(*which).values(unheard_since=sooner))


async def workers_alive(connection: Transaction, *, lease_ms: int) -> int:
    """How many workers share Slack's rate."""
    alive = WORKERS.c.heartbeat_at > await database_now(connection) - lease_ms
    counted = await connection.execute(select(func.count()).select_from(WORKERS).where(alive))
    return int(counted.scalar_one())


async def unheard(
    connection: Transaction, worker: WorkerId, *, lease_ms: int, limit: int
) -> list[Unheard]:
    """The threads that `worker` is to read, newest activity first: those of its sessions.

    Those that nobody owns (most of them ended meanwhile) are the first living worker's.
    """
    alive = WORKERS.c.heartbeat_at > await database_now(connection) - lease_ms
    first = select(func.min(WORKERS.c.id)).where(alive).scalar_subquery()
    gaps = int((await connection.execute(select(PRESENCE.c.gaps))).scalar() or 0)
    found = await connection.execute(
        select(
            SESSIONS.c.id,
            SESSIONS.c.team_id,
            SESSIONS.c.channel_id,
            SESSIONS.c.thread_ts,
            SESSIONS.c.unheard_since,
            SESSIONS.c.live,
        )
        .where(
            SESSIONS.c.unheard_since.is_not(None),
            SESSIONS.c.thread_ts.is_not(None),
            or_(
                SESSIONS.c.owner == worker,
                SESSIONS.c.owner.is_(None) & (literal(str(worker)) == first),
            ),
        )
        .order_by(SESSIONS.c.active_at.desc())
        .limit(limit)
    )
    return [
        Unheard(
            session=row.id,
            team=row.team_id,
            channel=row.channel_id,
            thread_ts=row.thread_ts,
            since=row.unheard_since,
            live=row.live,
            gaps=gaps,
        )
        for row in found
    ]


async def taken(connection: Transaction, thread: Unheard, stamps: Sequence[str]) -> set[str]:
    """Which of these messages of a thread have been taken already."""
    found = await connection.execute(
        select(INBOX.c.message_ts).where(
            INBOX.c.message_ts.in_(stamps),
            INBOX.c.session_id == thread.session,
        )
    )
    return {row.message_ts for row in found}


async def still_marked(connection: Transaction, thread: Unheard) -> bool:
    """Whether a thread is still to be read. A write, so that it tells whether there can be one."""
    done = await connection.execute(
        update(SESSIONS)
        .where(SESSIONS.c.id == thread.session, SESSIONS.c.unheard_since.is_not(None))
        .values(unheard_since=SESSIONS.c.unheard_since)
    )
    return done.rowcount > 0


async def heard(connection: Transaction, thread: Unheard) -> bool:
    """The thread has been read, or cannot be; False if it is to be read again.

    Holds the count of gaps until the transaction ends: a gap that is being noted comes before, and
    then the thread stays marked, or after, and then it is marked anew.
    """
    gaps = (await connection.execute(select(PRESENCE.c.gaps).with_for_update(read=True))).scalar()
    if gaps != thread.gaps:
        return False
    done = await connection.execute(
        update(SESSIONS)
        .where(SESSIONS.c.id == thread.session, SESSIONS.c.unheard_since == thread.since)
        .values(unheard_since=None)
    )
    return done.rowcount > 0
