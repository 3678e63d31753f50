"""Queries about sessions, dialogs and workers. Each takes a connection inside a transaction.

Fencing: whoever owns a session holds its `epoch`. Each claim raises it, and each write of an owner
calls `fence` in the same transaction, so that a worker which lost a session writes nothing to it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId, WorkerId
from bridge.store.models import DIALOGS, SESSIONS, WORKERS
from bridge.store.rows import DialogRow, SessionRow

_COLUMNS = [SESSIONS.c[name] for name in SessionRow.__dataclass_fields__]


class FencedError(Exception):
    """Another worker has claimed the session: this one must let go of it and write nothing."""

    def __init__(self, session: SessionId) -> None:
        super().__init__(f"session {session} belongs to another worker now")
        self.session = session


def now_ms() -> int:
    """Milliseconds since 1970, as every table counts time."""
    return time.time_ns() // 1_000_000


def insert_new(connection: AsyncConnection, table: Any) -> Any:
    """Begin an INSERT that can be given `on_conflict_do_nothing`: same words, two dialects."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def _row(found: Row[Any]) -> SessionRow:
    return SessionRow(**found._mapping)


async def add_session(
    connection: AsyncConnection, values: dict[str, Any], owner: WorkerId
) -> SessionRow | None:
    """Add a session that `owner` holds from its first moment; None if its request is known."""
    now = now_ms()
    statement = (
        insert_new(connection, SESSIONS)
        .values(
            **values,
            owner=owner,
            epoch=1,
            live=True,
            attention=False,
            created_at=now,
            active_at=now,
        )
        .on_conflict_do_nothing(index_elements=["request_key"])
        .returning(*_COLUMNS)
    )
    found = (await connection.execute(statement)).first()
    return None if found is None else _row(found)


_FENCE = select(SESSIONS.c.epoch).where(SESSIONS.c.id == bindparam("session"))
_FENCE_SHARED = _FENCE.with_for_update(read=True)


async def fence(connection: AsyncConnection, session: SessionId, epoch: int) -> None:
    """Hold the session against claims until the transaction ends.

    Raises `FencedError` if `epoch` is no longer the session's.
    """
    found = await connection.execute(_FENCE_SHARED, {"session": session})
    if found.scalar() != epoch:
        raise FencedError(session)


async def change_session(
    connection: AsyncConnection, session: SessionId, epoch: int, **values: Any
) -> None:
    """Write columns of a session that we own. Raises `FencedError` if we no longer do."""
    statement = (
        update(SESSIONS).where(SESSIONS.c.id == session, SESSIONS.c.epoch == epoch).values(**values)
    )
    if (await connection.execute(statement)).rowcount != 1:
        raise FencedError(session)


async def session_by_id(connection: AsyncConnection, session: SessionId) -> SessionRow | None:
    """One session, or None."""
    found = (await connection.execute(select(*_COLUMNS).where(SESSIONS.c.id == session))).first()
    return None if found is None else _row(found)


async def session_by_request(connection: AsyncConnection, request_key: str) -> SessionRow | None:
    """The session that a command or click has opened, or None."""
    found = (
        await connection.execute(select(*_COLUMNS).where(SESSIONS.c.request_key == request_key))
    ).first()
    return None if found is None else _row(found)


async def lock_live(connection: AsyncConnection, session: SessionId) -> bool:
    """Whether the session is live, and stays so until the transaction ends."""
    statement = select(SESSIONS.c.live).where(SESSIONS.c.id == session).with_for_update(read=True)
    return bool((await connection.execute(statement)).scalar())


async def call_for_attention(connection: AsyncConnection, session: SessionId) -> None:
    """Have a session that is no longer live picked up, because it has something to post."""
    await connection.execute(
        update(SESSIONS).where(SESSIONS.c.id == session).values(attention=True)
    )


async def threads_of(
    connection: AsyncConnection, team: TeamId, channel: ChannelId, thread_ts: MessageTs, since: int
) -> list[tuple[SessionId, UserId, MessageTs | None]]:
    """Sessions that own this thread, or (thread None) might: cards under way since `since` (ms)."""
    statement = select(SESSIONS.c.id, SESSIONS.c.opener_id, SESSIONS.c.thread_ts).where(
        SESSIONS.c.team_id == team,
        SESSIONS.c.channel_id == channel,
        or_(
            SESSIONS.c.thread_ts == thread_ts,
            and_(SESSIONS.c.thread_ts.is_(None), SESSIONS.c.live, SESSIONS.c.created_at >= since),
        ),
    )
    return [tuple(row) for row in await connection.execute(statement)]


def listing(
    *,
    team: TeamId | None = None,
    user: UserId | None = None,
    live: bool | None = None,
    limit: int = 50,
) -> Select[Any]:
    """Sessions for people, newest first."""
    statement = select(SESSIONS).order_by(SESSIONS.c.created_at.desc()).limit(limit)
    if user is not None:
        statement = statement.where(SESSIONS.c.opener_id == user)
    if team is not None:
        statement = statement.where(SESSIONS.c.team_id == team)
    if live is not None:
        statement = statement.where(SESSIONS.c.live.is_(live))
    return statement


async def dialogs_of(connection: AsyncConnection, session: SessionId) -> list[DialogRow]:
    """The session's dialogs."""
    found = await connection.execute(
        select(DIALOGS.c.dialog_id, DIALOGS.c.dialog_type, DIALOGS.c.state, DIALOGS.c.cursor).where(
            DIALOGS.c.session_id == session
        )
    )
    return [DialogRow(**row._mapping) for row in found]


async def add_dialog(
    connection: AsyncConnection, session: SessionId, dialog: str, dialog_type: str
) -> None:
    """Note a dialog; nothing happens if it is known."""
    await connection.execute(
        insert_new(connection, DIALOGS)
        .values(
            session_id=session, dialog_id=dialog, dialog_type=dialog_type, state="OPEN", cursor=-1
        )
        .on_conflict_do_nothing()
    )


_MOVE = (
    update(DIALOGS)
    .where(
        DIALOGS.c.session_id == bindparam("session"),
        DIALOGS.c.dialog_id == bindparam("dialog"),
        DIALOGS.c.cursor < bindparam("to"),
    )
    .values(cursor=bindparam("to"))
)


async def move_cursor(
    connection: AsyncConnection, session: SessionId, dialog: str, to: int
) -> None:
    """Note how far a dialog has been dealt with; never backwards."""
    await connection.execute(_MOVE, {"session": session, "dialog": dialog, "to": to})


async def claim(
    connection: AsyncConnection, worker: WorkerId, *, lease_ms: int, limit: int
) -> list[SessionRow]:
    """Take sessions that want an owner and have none whose heart beats; newest activity first.

    Guarantee: a session is handed to one worker only, and each claim raises its epoch. Works side
    by side (`SKIP LOCKED`): who finds a session being claimed passes over it.
    """
    alive = select(WORKERS.c.id).where(
        WORKERS.c.heartbeat_at > await database_now(connection) - lease_ms
    )
    wanted = (
        select(SESSIONS.c.id)
        .where(
            or_(SESSIONS.c.live, SESSIONS.c.attention),
            or_(SESSIONS.c.owner.is_(None), SESSIONS.c.owner.not_in(alive)),
        )
        .order_by(SESSIONS.c.active_at.desc())
        .limit(limit)
        .with_for_update(skip_locked=True, of=SESSIONS)
    )
    ids = [row[0] for row in await connection.execute(wanted)]
    if not ids:
        return []
    statement = (
        update(SESSIONS)
        .where(SESSIONS.c.id.in_(ids))
        .values(owner=worker, epoch=SESSIONS.c.epoch + 1)
        .returning(*_COLUMNS, SESSIONS.c.active_at)
    )
    found = sorted(await connection.execute(statement), key=lambda row: -row.active_at)
    return [SessionRow(**{name: getattr(row, name) for name in _NAMES}) for row in found]


_NAMES = tuple(SessionRow.__dataclass_fields__)


async def demand(connection: AsyncConnection, *, lease_ms: int) -> tuple[int, int]:
    """How many sessions want an owner or have one, and how many workers live."""
    alive = WORKERS.c.heartbeat_at > await database_now(connection) - lease_ms
    wanted = await connection.execute(
        select(func.count()).where(or_(SESSIONS.c.live, SESSIONS.c.attention))
    )
    workers = await connection.execute(select(func.count()).select_from(WORKERS).where(alive))
    return int(wanted.scalar_one()), int(workers.scalar_one())


async def release(connection: AsyncConnection, session: SessionId, epoch: int) -> None:
    """Let another worker have the session at once; nothing happens if it is no longer ours."""
    await connection.execute(
        update(SESSIONS)
        .where(SESSIONS.c.id == session, SESSIONS.c.epoch == epoch)
        .values(owner=None)
    )


async def database_now(connection: AsyncConnection) -> int:
    """Milliseconds since 1970 by the clock that all workers share."""
    if connection.dialect.name != "postgresql":
        return now_ms()
    seconds = await connection.execute(select(func.extract("epoch", func.clock_timestamp())))
    return int(seconds.scalar_one() * 1000)


async def beat(connection: AsyncConnection, worker: WorkerId) -> None:
    """Say that a worker lives."""
    now = await database_now(connection)
    done = await connection.execute(
        update(WORKERS).where(WORKERS.c.id == worker).values(heartbeat_at=now)
    )
    if done.rowcount == 0:
        await connection.execute(
            insert(WORKERS).values(id=worker, started_at=now, heartbeat_at=now)
        )


async def forget_workers(
    connection: AsyncConnection, *, only: Sequence[WorkerId] | None = None
) -> None:
    """Remove workers, so that what they owned is free: those in `only`, or all."""
    statement = delete(WORKERS)
    if only is not None:
        statement = statement.where(WORKERS.c.id.in_(only))
    await connection.execute(statement)
