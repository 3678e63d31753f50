"""Queries about the time that Slack could not reach us, and the threads to be read for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    String,
    TextClause,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    update,
)

from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, WorkerId
from bridge.store.connection import Transaction
from bridge.store.models import INBOX, PRESENCE, SESSIONS, WANTED, WORKERS
from bridge.store.statement import Statement, among
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


# A table of one row, which is locked. Run again, it writes the same.
_EXTEND = Statement(
    lambda _: (
        update(PRESENCE).where(PRESENCE.c.until >= bindparam("since")).values(until=bindparam("to"))
    )
)


async def extend(transaction: Transaction, *, since: int, until: int) -> bool:
    """The caller has been present from `since` to `until`: if that leaves no gap, note it.

    False: there may have been a time when nobody was.
    """
    return await _EXTEND.change(transaction, since=since, to=until) > 0


# Tables of one row, and of one for each worker. No lock.
_UNTIL = Statement(lambda _: select(PRESENCE.c.until))
_OTHERS = Statement(
    lambda _: (
        select(WORKERS.c.id)
        .where(
            WORKERS.c.heartbeat_at > bindparam("alive_since"), WORKERS.c.id != bindparam("worker")
        )
        .limit(1)
    )
)


async def known(transaction: Transaction, worker: WorkerId, *, now: int, lease_ms: int) -> Known:
    """What is known about the fleet `now`, as `worker` sees it."""
    found = await _OTHERS.first(transaction, alive_since=now - lease_ms, worker=worker)
    return Known(now=now, until=await _UNTIL.value(transaction), others=found is not None)


# A table of one row, which is locked. Run again, it counts one gap more, which does no harm.
_BEGIN = Statement(lambda _: update(PRESENCE).values(gaps=PRESENCE.c.gaps + 1))


async def begin(transaction: Transaction) -> None:
    """Note a gap, before the threads are marked: what is being read now was read too early."""
    await _BEGIN.change(transaction)


# A table of one row, which is locked. Run again, it changes nothing, or is refused.
_FIRST_TIME = Statement(lambda _: insert(PRESENCE).values(id=1, until=bindparam("to"), gaps=0))
_RESUME = Statement(
    lambda _: (
        update(PRESENCE)
        .where(PRESENCE.c.until == bindparam("before"))
        .values(until=bindparam("to"))
    )
)


async def resume(transaction: Transaction, before: Known) -> None:
    """The fleet is present again, unless another worker has noted that meanwhile."""
    if before.until is None:
        await _FIRST_TIME.change(transaction, to=before.now)
    else:
        await _RESUME.change(transaction, before=before.until, to=before.now)


_UNHEARD_SINCE = SESSIONS.c.unheard_since
_SINCE = bindparam("since", type_=BigInteger)
# By `ix_sessions_owner`, until `limit` are found. Locks them. Run again, it marks others.
_MARK = Statement(
    lambda _: (
        update(SESSIONS)
        .where(
            SESSIONS.c.id.in_(
                select(SESSIONS.c.id)
                .where(WANTED, or_(_UNHEARD_SINCE.is_(None), _UNHEARD_SINCE > _SINCE))
                .limit(bindparam("limit"))
            )
        )
        .values(unheard_since=_SINCE)
    )
)


async def mark(transaction: Transaction, since: int, *, limit: int) -> int:
    """Note that open threads are to be read, `limit` of them at most; gives how many were noted."""
    return await _MARK.change(transaction, since=since, limit=limit)


def _marking(*which: ColumnElement[bool] | TextClause) -> Statement:
    """Mark some threads, without a gap of the whole fleet.

    An older mark is kept, yet it changes by a millisecond: what is being read now was read too
    early, and `heard` sees that by the mark.
    """
    later = or_(_UNHEARD_SINCE.is_(None), _UNHEARD_SINCE > _SINCE)
    sooner = case((later, _SINCE), else_=_UNHEARD_SINCE - 1)
    return Statement(lambda _: update(SESSIONS).where(*which).values(unheard_since=sooner))


_IN_CHANNEL = (
    SESSIONS.c.team_id == bindparam("team"),
    SESSIONS.c.channel_id == bindparam("channel"),
)
# By `uq_sessions_thread`, the primary key, `ix_sessions_team` or `ix_sessions_open`. They lock what
# they mark. Run again, they have the threads read once more.
_MARK_THREAD = _marking(*_IN_CHANNEL, SESSIONS.c.thread_ts == bindparam("thread"))
_MARK_SESSION = _marking(SESSIONS.c.id == bindparam("session"))
_MARK_CHANNEL = _marking(*_IN_CHANNEL, WANTED)


async def mark_thread(
    transaction: Transaction, team: TeamId, channel: ChannelId, thread_ts: MessageTs, since: int
) -> None:
    """Note that one thread is to be read, if it is one of ours."""
    given = {"team": team, "channel": channel, "thread": thread_ts}
    await _MARK_THREAD.change(transaction, since=since, **given)


async def mark_session(transaction: Transaction, session: SessionId, since: int) -> None:
    """Note that a session's thread is to be read."""
    await _MARK_SESSION.change(transaction, since=since, session=session)


async def mark_channel(
    transaction: Transaction, team: TeamId, channel: ChannelId, since: int
) -> None:
    """Note that the open threads of a channel are to be read."""
    await _MARK_CHANNEL.change(transaction, since=since, team=team, channel=channel)


_ALIVE = WORKERS.c.heartbeat_at > bindparam("alive_since")
# A table with a row for each worker. No lock.
_WORKERS_ALIVE = Statement(lambda _: select(func.count()).select_from(WORKERS).where(_ALIVE))


async def workers_alive(transaction: Transaction, *, lease_ms: int) -> int:
    """How many workers share Slack's rate."""
    alive_since = await database_now(transaction) - lease_ms
    return int(await _WORKERS_ALIVE.value(transaction, alive_since=alive_since))


# A table of one row. No lock.
_GAPS = Statement(lambda _: select(PRESENCE.c.gaps))
# By `ix_sessions_unheard`, the newest first, until `limit` are found. No lock.
_UNHEARD = Statement(
    lambda _: (
        select(
            SESSIONS.c.id,
            SESSIONS.c.team_id,
            SESSIONS.c.channel_id,
            SESSIONS.c.thread_ts,
            _UNHEARD_SINCE,
            SESSIONS.c.live,
        )
        .where(
            _UNHEARD_SINCE.is_not(None),
            SESSIONS.c.thread_ts.is_not(None),
            or_(
                SESSIONS.c.owner == bindparam("worker"),
                SESSIONS.c.owner.is_(None)
                & (
                    bindparam("worker", type_=String)
                    == select(func.min(WORKERS.c.id)).where(_ALIVE).scalar_subquery()
                ),
            ),
        )
        .order_by(SESSIONS.c.active_at.desc())
        .limit(bindparam("limit"))
    )
)


async def unheard(
    transaction: Transaction, worker: WorkerId, *, lease_ms: int, limit: int
) -> list[Unheard]:
    """The threads that `worker` is to read, newest activity first: those of its sessions.

    Those that nobody owns (most of them ended meanwhile) are the first living worker's.
    """
    found = await _UNHEARD.run(
        transaction,
        worker=worker,
        alive_since=await database_now(transaction) - lease_ms,
        limit=limit,
    )
    gaps = int(await _GAPS.value(transaction) or 0)
    return [
        Unheard(
            session=session,
            team=team,
            channel=channel,
            thread_ts=thread_ts,
            since=since,
            live=live,
            gaps=gaps,
        )
        for session, team, channel, thread_ts, since, live in found
    ]


# By `uq_inbox_event`, a look-up for each. No lock.
_TAKEN = Statement(
    lambda _: select(INBOX.c.message_ts).where(
        among(INBOX.c.message_ts, "stamps"), INBOX.c.session_id == bindparam("session")
    )
)


async def taken(transaction: Transaction, thread: Unheard, stamps: Sequence[str]) -> set[str]:
    """Which of these messages of a thread have been taken already."""
    given = {"stamps": list(stamps), "session": thread.session}
    return {row[0] for row in await _TAKEN.run(transaction, **given)}


# By the primary key. Locks the session. It changes nothing.
_STILL_MARKED = Statement(
    lambda _: (
        update(SESSIONS)
        .where(SESSIONS.c.id == bindparam("session"), _UNHEARD_SINCE.is_not(None))
        .values(unheard_since=_UNHEARD_SINCE)
    )
)


async def still_marked(transaction: Transaction, thread: Unheard) -> bool:
    """Whether a thread is still to be read. A write, so that it tells whether there can be one."""
    return await _STILL_MARKED.change(transaction, session=thread.session) > 0


# A table of one row. Locks it against changes, not other readers, until the transaction ends.
_HOLD_GAPS = Statement(lambda _: select(PRESENCE.c.gaps).with_for_update(read=True))
# By the primary key. Locks the session. Run again, it finds no mark.
_HEARD = Statement(
    lambda _: (
        update(SESSIONS)
        .where(SESSIONS.c.id == bindparam("session"), bindparam("since") == _UNHEARD_SINCE)
        .values(unheard_since=None)
    )
)


async def heard(transaction: Transaction, thread: Unheard) -> bool:
    """The thread has been read, or cannot be; False if it is to be read again.

    Holds the count of gaps until the transaction ends: a gap that is being noted comes before, and
    then the thread stays marked, or after, and then it is marked anew.
    """
    if await _HOLD_GAPS.value(transaction) != thread.gaps:
        return False
    return await _HEARD.change(transaction, session=thread.session, since=thread.since) > 0
