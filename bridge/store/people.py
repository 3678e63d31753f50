"""Queries about people: who writes in a thread, and how many conversations somebody has opened."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, bindparam, false, func, select, true, update

from bridge.ids import ChannelId, SessionId, TeamId, UserId, WorkerId
from bridge.store.connection import Transaction
from bridge.store.models import OPEN, SESSIONS
from bridge.store.rows import SessionRow
from bridge.store.statement import Statement

_COLUMNS = [SESSIONS.c[name] for name in SessionRow.__dataclass_fields__]
_OPENINGS = 0x6C70_6F70_656E_6572  # "lpopener"
_OF_TEAM = SESSIONS.c.team_id == bindparam("team")
_OF_PERSON = SESSIONS.c.opener_id == bindparam("user")

# By the primary key. Locks the session until the transaction ends, if it changes it. Run again, it
# finds nothing to change.
_ANOTHER_WRITES = Statement(
    lambda _: (
        update(SESSIONS)
        .where(SESSIONS.c.id == bindparam("session"), SESSIONS.c.several_writers == false())
        .values(several_writers=true())
    )
)


async def another_writes(transaction: Transaction, session: SessionId) -> None:
    """Record that somebody else than the opener writes to the agent.

    Call it before `lock_live`: two transactions that share that lock cannot both change the row.
    """
    await _ANOTHER_WRITES.change(transaction, session=session)


# By the primary key. No lock.
_SEVERAL_WRITE = Statement(
    lambda _: select(SESSIONS.c.several_writers).where(SESSIONS.c.id == bindparam("session"))
)


async def several_write(transaction: Transaction, session: SessionId) -> bool:
    """Whether somebody else than the opener has written to the agent. Once true, it stays so."""
    return bool(await _SEVERAL_WRITE.value(transaction, session=session))


# No table. Waits for whoever holds it, and holds it until the transaction ends.
_LOCK = Statement(lambda _: select(func.pg_advisory_xact_lock(bindparam("key", type_=BigInteger))))


async def open_one_at_a_time(transaction: Transaction) -> None:
    """Let no other worker open a session until this transaction ends, so that counts hold.

    SQLite has only one worker, and one transaction at a time.
    """
    if transaction.dialect.name == "postgresql":
        await _LOCK.run(transaction, key=_OPENINGS)


def _counting(*conditions: Any) -> Statement:
    return Statement(lambda _: select(func.count()).select_from(SESSIONS).where(*conditions))


# By `ix_sessions_opener`: as many steps as are counted. No lock; see `open_one_at_a_time`.
_OPENED = _counting(_OF_TEAM, _OF_PERSON, SESSIONS.c.created_at > bindparam("since"))
# By `ix_sessions_person`, and `ix_sessions_open`: as many steps as are open. No lock either.
_OPEN_OF = _counting(_OF_TEAM, _OF_PERSON, OPEN)
_OPEN_IN = _counting(_OF_TEAM, SESSIONS.c.channel_id == bindparam("channel"), OPEN)


Open = tuple[SessionId, WorkerId | None]
"""An open session, and its owner."""

# By `ix_sessions_open`: as many steps as are open. No lock.
_OPEN_SESSIONS = Statement(
    lambda _: select(SESSIONS.c.id, SESSIONS.c.owner).where(
        _OF_TEAM,
        SESSIONS.c.channel_id == bindparam("channel"),
        SESSIONS.c.thread_ts.is_not(None),
        OPEN,
    )
)


async def sessions_in(transaction: Transaction, team: TeamId, channel: ChannelId) -> list[Open]:
    """The open sessions of a channel that have their thread."""
    found = await _OPEN_SESSIONS.run(transaction, team=team, channel=channel)
    return [(session, owner) for session, owner in found]


async def count_opened(transaction: Transaction, team: TeamId, user: UserId, since: int) -> int:
    """How many sessions a person has opened since a time (ms)."""
    return int(await _OPENED.value(transaction, team=team, user=user, since=since))


async def count_open_of(transaction: Transaction, team: TeamId, user: UserId) -> int:
    """How many of the sessions that a person has opened are still open."""
    return int(await _OPEN_OF.value(transaction, team=team, user=user))


async def count_open_in(transaction: Transaction, team: TeamId, channel: ChannelId) -> int:
    """How many sessions of a channel are open."""
    return int(await _OPEN_IN.value(transaction, team=team, channel=channel))


# By `ix_sessions_open`: as many steps as are open there. No lock. Ordered by `created_at`, it would
# be answered by `ix_sessions_team`, which has all that the channel ever had.
_ROWS_IN = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(_OF_TEAM, SESSIONS.c.channel_id == bindparam("channel"), OPEN)
        .order_by(SESSIONS.c.active_at.desc())
        .limit(50)
    )
)


async def open_in(transaction: Transaction, team: TeamId, channel: ChannelId) -> list[SessionRow]:
    """The open sessions of a channel, the one with the latest news first, 50 at most."""
    return await _ROWS_IN.fetch(transaction, SessionRow, team=team, channel=channel)


# By `ix_sessions_opener`: as many steps as the person has opened since the oldest of them. No lock.
_ENDED_OF = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(_OF_TEAM, _OF_PERSON, SESSIONS.c.live == false())
        .order_by(SESSIONS.c.created_at.desc())
        .limit(5)
    )
)


async def ended_of(transaction: Transaction, team: TeamId, user: UserId) -> list[SessionRow]:
    """The sessions of a person that were opened last and have ended, newest first, 5 at most."""
    return await _ENDED_OF.fetch(transaction, SessionRow, team=team, user=user)
