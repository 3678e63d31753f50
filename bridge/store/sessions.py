"""Queries about sessions and dialogs. Each takes a connection inside a transaction.

Fencing: whoever owns a session holds its `epoch`. Each claim raises it, and each write of an owner
calls `fence` in the same transaction, so that a worker which lost a session writes nothing to it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, Update, and_, bindparam, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId, WorkerId
from bridge.store.connection import Statement, Transaction
from bridge.store.models import DIALOGS, SESSIONS
from bridge.store.rows import DialogPosition, DialogRow, SessionRow

_COLUMNS = [SESSIONS.c[name] for name in SessionRow.__dataclass_fields__]


class FencedError(Exception):
    """Another worker has claimed the session: this one must let go of it and write nothing."""

    def __init__(self, session: SessionId) -> None:
        super().__init__(f"session {session} belongs to another worker now")
        self.session = session


def now_ms() -> int:
    """Milliseconds since 1970, as every table counts time."""
    return time.time_ns() // 1_000_000


def insert_new(connection: Transaction, table: Any) -> Any:
    """Begin an INSERT that can be given `on_conflict_do_nothing`: same words, two dialects."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def _row(found: Row[Any]) -> SessionRow:
    return SessionRow(**found._mapping)


async def add_session(
    connection: Transaction, values: dict[str, Any], owner: WorkerId
) -> SessionRow | None:
    """Add a session that `owner` holds from its first moment; None if its request is known."""
    now = now_ms()
    found = (
        await connection.execute(
            _insert_session(connection.dialect.name, tuple(values)),
            {**values, "owner": owner, "created_at": now, "active_at": now},
        )
    ).first()
    return None if found is None else _row(found)


@cache
def _insert_session(dialect: str, given: tuple[str, ...]) -> Any:
    """The statement for these columns: building it costs more than running it."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    names = [*given, "owner", "created_at", "active_at"]
    constants = {"epoch": 1, "live": True, "attention": False}
    return (
        insert(SESSIONS)
        .values({name: bindparam(name, type_=SESSIONS.c[name].type) for name in names} | constants)
        .on_conflict_do_nothing(index_elements=["request_key"])
        .returning(*_COLUMNS)
    )


_EPOCH = Statement(
    lambda _: (
        select(SESSIONS.c.epoch)
        .where(SESSIONS.c.id == bindparam("session"))
        .with_for_update(read=True)
    )
)
_LIVE = Statement(
    lambda _: (
        select(SESSIONS.c.live, SESSIONS.c.owner, SESSIONS.c.several_writers)
        .where(SESSIONS.c.id == bindparam("session"), SESSIONS.c.live)
        .with_for_update(read=True)
    )
)
_OVER = Statement(
    lambda _: (
        select(SESSIONS.c.live, SESSIONS.c.owner, SESSIONS.c.several_writers)
        .where(SESSIONS.c.id == bindparam("session"))
        .with_for_update(key_share=True)
    )
)


async def fence(connection: Transaction, session: SessionId, epoch: int) -> None:
    """Hold the session against claims until the transaction ends.

    Raises `FencedError` if `epoch` is no longer the session's.
    """
    found = await _EPOCH.run(connection, session=session)
    if not found or found[0][0] != epoch:
        raise FencedError(session)


def still_owned() -> ColumnElement[bool]:
    """A condition: the session `session` still has the epoch `epoch` (both parameters)."""
    return (
        select(SESSIONS.c.id)
        .where(SESSIONS.c.id == bindparam("session"), SESSIONS.c.epoch == bindparam("epoch"))
        .exists()
    )


def owner_of(session: ColumnElement[str]) -> ColumnElement[str | None]:
    """Who runs a session.

    A subquery that no planner turns into a join: SQLite's, which keeps no statistics here, would
    begin with all sessions of the owner, and look for rows in each.
    """
    return select(SESSIONS.c.owner).where(SESSIONS.c.id == session).scalar_subquery()


async def epochs_of(connection: Transaction, ids: Collection[str]) -> dict[str, int]:
    """The epochs of these sessions."""
    found = await connection.execute(
        select(SESSIONS.c.id, SESSIONS.c.epoch).where(SESSIONS.c.id.in_(ids))
    )
    return {row.id: row.epoch for row in found}


async def change_session(
    connection: Transaction, session: SessionId, epoch: int, **values: Any
) -> None:
    """Write columns of a session that we own. Raises `FencedError` if we no longer do."""
    given = {f"to_{name}": value for name, value in values.items()}
    parameters = {"session": session, "expected": epoch, **given}
    if (await connection.execute(_update_session(tuple(values)), parameters)).rowcount != 1:
        raise FencedError(session)


@cache
def _update_session(names: tuple[str, ...]) -> Update:
    """The statement for these columns: building it costs more than running it."""
    columns = {name: bindparam(f"to_{name}", type_=SESSIONS.c[name].type) for name in names}
    return (
        update(SESSIONS)
        .where(SESSIONS.c.id == bindparam("session"), SESSIONS.c.epoch == bindparam("expected"))
        .values(columns)
    )


async def move_channel(
    connection: Transaction, team: TeamId, old: ChannelId, new: ChannelId
) -> None:
    """Have all sessions of a channel under its new id, whoever owns them.

    No fence: it is no decision of an owner, and true for every one of them.
    """
    await connection.execute(
        update(SESSIONS)
        .where(SESSIONS.c.team_id == team, SESSIONS.c.channel_id == old)
        .values(channel_id=new)
    )


async def session_by_id(connection: Transaction, session: SessionId) -> SessionRow | None:
    """One session, or None."""
    found = (await connection.execute(select(*_COLUMNS).where(SESSIONS.c.id == session))).first()
    return None if found is None else _row(found)


async def sessions_by_id(connection: Transaction, ids: Sequence[SessionId]) -> list[SessionRow]:
    """These sessions, in the order of `ids`. Raises `BadKey` if a secret in one does not open."""
    found = await connection.execute(select(*_COLUMNS).where(SESSIONS.c.id.in_(ids)))
    rows = {row.id: _row(row) for row in found}
    return [rows[name] for name in ids if name in rows]


async def is_owner(connection: Transaction, session: SessionId, worker: WorkerId) -> bool:
    """Whether the session is this worker's."""
    found = await connection.execute(select(SESSIONS.c.owner).where(SESSIONS.c.id == session))
    return found.scalar() == worker


async def session_by_request(connection: Transaction, request_key: str) -> SessionRow | None:
    """The session that a command or click has opened, or None."""
    found = (
        await connection.execute(select(*_COLUMNS).where(SESSIONS.c.request_key == request_key))
    ).first()
    return None if found is None else _row(found)


class Locked(NamedTuple):
    """What holds of a session until the transaction ends."""

    live: bool = False
    owner: WorkerId | None = None
    """Whose it is."""
    several_writers: bool = False
    """Whether somebody else than the opener has written to the agent."""


async def lock_live(connection: Transaction, session: SessionId) -> Locked:
    """Hold a session as it is, until the transaction ends.

    A live one is shared with others who hold it: none of them may change its row, for they would
    wait for each other. One that is over is held alone: who asks will `call_for_attention` there.
    """
    found = await _LIVE.run(connection, session=session)
    for live, owner, several in found or await _OVER.run(connection, session=session):
        return Locked(bool(live), owner, bool(several))
    return Locked()


async def call_for_attention(connection: Transaction, session: SessionId) -> WorkerId | None:
    """Have a session that is no longer live picked up, because it has something to post.

    Returns whose it is, until the transaction ends.
    """
    found = await connection.execute(
        update(SESSIONS)
        .where(SESSIONS.c.id == session)
        .values(attention=True)
        .returning(SESSIONS.c.owner)
    )
    return found.scalar_one_or_none()


async def threads_of(
    connection: Transaction, team: TeamId, channel: ChannelId, thread_ts: MessageTs, until: int
) -> list[tuple[SessionId, UserId, MessageTs | None]]:
    """Sessions that own this thread, or (thread None) might: their card is still under way.

    A thread that began before `until` (ms) cannot be the card of a session that is younger.
    """
    statement = select(SESSIONS.c.id, SESSIONS.c.opener_id, SESSIONS.c.thread_ts).where(
        SESSIONS.c.team_id == team,
        SESSIONS.c.channel_id == channel,
        or_(
            SESSIONS.c.thread_ts == thread_ts,
            and_(SESSIONS.c.thread_ts.is_(None), SESSIONS.c.live, SESSIONS.c.created_at <= until),
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


_DIALOGS = Statement(
    lambda _: select(*(DIALOGS.c[name] for name in DialogRow.__dataclass_fields__)).where(
        DIALOGS.c.session_id == bindparam("session")
    )
)


async def dialogs_of(connection: Transaction, session: SessionId) -> list[DialogRow]:
    """The session's dialogs."""
    return await _DIALOGS.fetch(connection, DialogRow, session=session)


async def add_dialog(
    connection: Transaction, session: SessionId, dialog: str, dialog_type: str
) -> None:
    """Note a dialog; nothing happens if it is known."""
    await _ADD_DIALOG.run(connection, session_id=session, dialog_id=dialog, dialog_type=dialog_type)


_ADD_DIALOG = Statement(
    lambda insert: (
        insert(DIALOGS)
        .values(
            session_id=bindparam("session_id"),
            dialog_id=bindparam("dialog_id"),
            dialog_type=bindparam("dialog_type"),
            state="OPEN",
            cursor=-1,
        )
        .on_conflict_do_nothing()
    )
)


_MOVE = Statement(
    lambda _: (
        update(DIALOGS)
        .where(
            DIALOGS.c.session_id == bindparam("session"),
            DIALOGS.c.dialog_id == bindparam("dialog"),
            DIALOGS.c.cursor <= bindparam("to"),
        )
        .values(cursor=bindparam("to"), gaps=bindparam("gaps"))
    )
)


async def move_cursor(
    connection: Transaction, session: SessionId, dialog: str, to: DialogPosition
) -> None:
    """Note how far a dialog has been dealt with; never backwards."""
    gaps = json.dumps(to.gaps, separators=(",", ":")) if to.gaps else None
    await _MOVE.run(connection, session=session, dialog=dialog, to=to.cursor, gaps=gaps)
