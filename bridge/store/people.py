"""Queries about people: who writes in a thread, and how many conversations somebody has opened."""

from __future__ import annotations

from sqlalchemy import ColumnElement, false, func, select, text, true, update

from bridge.ids import ChannelId, SessionId, TeamId, UserId
from bridge.store.connection import Transaction
from bridge.store.models import SESSIONS

_OPEN: ColumnElement[bool] = text("sessions.live")  # type: ignore[assignment]
"""As it stands in the partial index, which SQLite's planner else passes over."""
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_OPENINGS = 0x6C70_6F70_656E_6572  # "lpopener"


async def another_writes(connection: Transaction, session: SessionId) -> None:
    """Note that somebody else than the opener writes to the agent.

    To be called before `lock_live`: two that hold a session together cannot both change it.
    """
    await connection.execute(
        update(SESSIONS)
        .where(SESSIONS.c.id == session, SESSIONS.c.several_writers == false())
        .values(several_writers=true())
    )


async def several_write(connection: Transaction, session: SessionId) -> bool:
    """Whether somebody else than the opener has written to the agent. Once true, it stays so."""
    found = await connection.execute(
        select(SESSIONS.c.several_writers).where(SESSIONS.c.id == session)
    )
    return bool(found.scalar())


async def open_one_at_a_time(connection: Transaction) -> None:
    """Let no other worker open a session until this transaction ends, so that counts hold.

    On SQLite there is no other, and one transaction at a time.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(_LOCK, {"key": _OPENINGS})


async def count_opened(connection: Transaction, team: TeamId, user: UserId, since: int) -> int:
    """How many sessions a person has opened since a time (ms)."""
    return await _count(
        connection,
        SESSIONS.c.team_id == team,
        SESSIONS.c.opener_id == user,
        SESSIONS.c.created_at > since,
    )


async def count_open_of(connection: Transaction, team: TeamId, user: UserId) -> int:
    """How many of the sessions that a person has opened are still open."""
    return await _count(
        connection, SESSIONS.c.team_id == team, SESSIONS.c.opener_id == user, SESSIONS.c.live
    )


async def count_open_in(connection: Transaction, team: TeamId, channel: ChannelId) -> int:
    """How many sessions of a channel are open."""
    return await _count(
        connection, SESSIONS.c.team_id == team, SESSIONS.c.channel_id == channel, _OPEN
    )


async def _count(connection: Transaction, *conditions: ColumnElement[bool]) -> int:
    found = await connection.execute(select(func.count()).select_from(SESSIONS).where(*conditions))
    return int(found.scalar_one())
