"""Queries about the times when Slack could not reach the bridge, and threads to read for them."""

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
class UnreadThread:
    """A thread in which people may have written messages that Slack did not deliver."""

    session: SessionId
    team: TeamId
    channel: ChannelId
    thread_ts: MessageTs
    since: int
    """Milliseconds since 1970."""
    live: bool
    """Whether the conversation goes on."""
    gaps: int
    """How many gaps there had been when this was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPresence:
    """The fleet's presence, as the database knows it."""

    now: int
    """Milliseconds since 1970, by the clock that all workers share; so are all times here."""
    until: int | None
    """Until when the fleet was present; None before the first time."""
    others: bool
    """Whether other workers are alive, which Slack may have reached when it could not reach
    this."""


# A table of one row, which is locked. Run again, it writes the same.
_EXTEND = Statement(
    lambda _: (
        update(PRESENCE).where(PRESENCE.c.until >= bindparam("since")).values(until=bindparam("to"))
    )
)


async def extend(transaction: Transaction, *, since: int, until: int) -> bool:
    """Extend the fleet's presence: the caller was present from `since` to `until`.

    False, and nothing is stored, if that would leave a gap.
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


async def fleet_presence(
    transaction: Transaction, worker: WorkerId, *, now: int, lease_ms: int
) -> FleetPresence:
    """The fleet's presence `now`, as `worker` sees it."""
    found = await _OTHERS.first(transaction, alive_since=now - lease_ms, worker=worker)
    return FleetPresence(now=now, until=await _UNTIL.value(transaction), others=found is not None)


# A table of one row, which is locked. Run again, it counts one gap more, which does no harm.
_COUNT_GAP = Statement(lambda _: update(PRESENCE).values(gaps=PRESENCE.c.gaps + 1))


async def count_gap(transaction: Transaction) -> None:
    """Count a gap, before its threads are marked: what is being read now was read too early."""
    await _COUNT_GAP.change(transaction)


# A table of one row, which is locked. Run again, it changes nothing, or is refused.
_FIRST_TIME = Statement(lambda _: insert(PRESENCE).values(id=1, until=bindparam("to"), gaps=0))
_RESUME = Statement(
    lambda _: (
        update(PRESENCE)
        .where(PRESENCE.c.until == bindparam("before"))
        .values(until=bindparam("to"))
    )
)


async def resume(transaction: Transaction, before: FleetPresence) -> None:
    """Record that the fleet is present again, unless another worker has done so."""
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


async def mark_open_threads(transaction: Transaction, since: int, *, limit: int) -> int:
    """Mark at most `limit` open threads to be read; returns how many were marked."""
    return await _MARK.change(transaction, since=since, limit=limit)


def _marking(*which: ColumnElement[bool] | TextClause) -> Statement:
    """A statement that marks some threads, without a gap of the whole fleet.

    An older mark is kept, but it changes by a millisecond. So `unmark` can see that the thread was
    marked while it was being read, and has to be read again.
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
    """Mark one thread to be read, if it belongs to a session."""
    given = {"team": team, "channel": channel, "thread": thread_ts}
    await _MARK_THREAD.change(transaction, since=since, **given)


async def mark_session(transaction: Transaction, session: SessionId, since: int) -> None:
    """Mark a session's thread to be read."""
    await _MARK_SESSION.change(transaction, since=since, session=session)


async def mark_channel(
    transaction: Transaction, team: TeamId, channel: ChannelId, since: int
) -> None:
    """Mark the open threads of a channel to be read."""
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
_MARKED = Statement(
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


async def marked_threads(
    transaction: Transaction, worker: WorkerId, *, lease_ms: int, limit: int
) -> list[UnreadThread]:
    """The marked threads that `worker` has to read, newest activity first.

    These are its own sessions' threads. The first living worker also has those without an owner.
    """
    found = await _MARKED.run(
        transaction,
        worker=worker,
        alive_since=await database_now(transaction) - lease_ms,
        limit=limit,
    )
    gaps = int(await _GAPS.value(transaction) or 0)
    return [
        UnreadThread(
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
_STORED = Statement(
    lambda _: select(INBOX.c.message_ts).where(
        among(INBOX.c.message_ts, "stamps"), INBOX.c.session_id == bindparam("session")
    )
)


async def stored_messages(
    transaction: Transaction, thread: UnreadThread, stamps: Sequence[str]
) -> set[str]:
    """Which of these messages of a thread are in the inbox already."""
    given = {"stamps": list(stamps), "session": thread.session}
    return {row[0] for row in await _STORED.run(transaction, **given)}


# By the primary key. Locks the session. It changes nothing.
_STILL_MARKED = Statement(
    lambda _: (
        update(SESSIONS)
        .where(SESSIONS.c.id == bindparam("session"), _UNHEARD_SINCE.is_not(None))
        .values(unheard_since=_UNHEARD_SINCE)
    )
)


async def still_marked(transaction: Transaction, thread: UnreadThread) -> bool:
    """Whether a thread is still marked. It locks the row, so it shows that writing works."""
    return await _STILL_MARKED.change(transaction, session=thread.session) > 0


# A table of one row. Locks it against changes, not other readers, until the transaction ends.
_HOLD_GAPS = Statement(lambda _: select(PRESENCE.c.gaps).with_for_update(read=True))
# By the primary key. Locks the session. Run again, it finds no mark.
_UNMARK = Statement(
    lambda _: (
        update(SESSIONS)
        .where(SESSIONS.c.id == bindparam("session"), bindparam("since") == _UNHEARD_SINCE)
        .values(unheard_since=None)
    )
)


async def unmark(transaction: Transaction, thread: UnreadThread) -> bool:
    """Remove a thread's mark: it was read, or cannot be. False if it has to be read again.

    It locks the count of gaps until the transaction ends. So a gap is recorded either before, and
    the thread stays marked, or after, and the thread is marked again.
    """
    if await _HOLD_GAPS.value(transaction) != thread.gaps:
        return False
    return await _UNMARK.change(transaction, session=thread.session, since=thread.since) > 0
