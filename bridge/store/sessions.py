"""Queries about sessions and dialogs. Each takes a transaction.

Fencing: whoever owns a session holds its `epoch`. Each claim raises it, and each write of an owner
calls `fence` in the same transaction, so that a worker which lost a session writes nothing to it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, or_, select, true, update

from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId, WorkerId
from bridge.store.connection import Transaction
from bridge.store.models import DIALOGS, OPEN, SESSIONS
from bridge.store.rows import DialogPosition, DialogRow, SessionRow
from bridge.store.statement import Statement, among

_COLUMNS = [SESSIONS.c[name] for name in SessionRow.__dataclass_fields__]
_HELD = [SESSIONS.c[name] for name in ("live", "owner", "several_writers", "quick_replies")]


class FencedError(Exception):
    """Another worker has claimed the session: the former owner has to stop and write nothing."""

    def __init__(self, session: SessionId) -> None:
        super().__init__(f"session {session} belongs to another worker now")
        self.session = session


def now_ms() -> int:
    """Milliseconds since 1970, the unit of every time in the tables."""
    return time.time_ns() // 1_000_000


async def add_session(
    transaction: Transaction, values: dict[str, Any], owner: WorkerId
) -> SessionRow | None:
    """Add a session that `owner` owns at once; None if its request is known already."""
    now = now_ms()
    given = {**values, "owner": owner, "created_at": now, "active_at": now}
    found = await _add(tuple(given)).fetch(transaction, SessionRow, **given)
    return found[0] if found else None


@cache
def _add(names: tuple[str, ...]) -> Statement:
    """The statement for these columns.

    By the unique `request_key`: run again, it adds nothing. Locks no row that others know.
    """
    constants = {"epoch": 1, "live": True, "attention": False}
    values = {name: bindparam(name, type_=SESSIONS.c[name].type) for name in names} | constants
    return Statement(
        lambda insert: (
            insert(SESSIONS)
            .values(values)
            .on_conflict_do_nothing(index_elements=["request_key"])
            .returning(*_COLUMNS)
        )
    )


# By the primary key. Locks the session against claims and changes, not against other readers
# (FOR SHARE), until the transaction ends. Run again, the same.
_EPOCH = Statement(
    lambda _: (
        select(SESSIONS.c.epoch)
        .where(SESSIONS.c.id == bindparam("session"))
        .with_for_update(read=True)
    )
)
_LIVE = Statement(
    lambda _: (
        select(*_HELD)
        .where(SESSIONS.c.id == bindparam("session"), SESSIONS.c.live)
        .with_for_update(read=True)
    )
)
# By the primary key. Locks the session alone (FOR NO KEY UPDATE) until the transaction ends.
_OVER = Statement(
    lambda _: (
        select(*_HELD).where(SESSIONS.c.id == bindparam("session")).with_for_update(key_share=True)
    )
)


async def fence(transaction: Transaction, session: SessionId, epoch: int) -> None:
    """Keep others from claiming the session until the transaction ends.

    Raises `FencedError` if `epoch` is no longer the session's.
    """
    if await _EPOCH.value(transaction, session=session) != epoch:
        raise FencedError(session)


def still_owned() -> ColumnElement[bool]:
    """A condition: the session `session` still has the epoch `epoch` (both parameters)."""
    return (
        select(SESSIONS.c.id)
        .where(SESSIONS.c.id == bindparam("session"), SESSIONS.c.epoch == bindparam("epoch"))
        .exists()
    )


def owner_of(session: ColumnElement[str]) -> ColumnElement[str | None]:
    """The owner of a session, as a subquery that no planner turns into a join.

    SQLite keeps no statistics here. With a join it would start from all sessions of the owner and
    look for rows in each.
    """
    return select(SESSIONS.c.owner).where(SESSIONS.c.id == session).scalar_subquery()


# By the primary key. No lock.
_EPOCHS = Statement(
    lambda _: select(SESSIONS.c.id, SESSIONS.c.epoch).where(among(SESSIONS.c.id, "ids"))
)


async def epochs_of(transaction: Transaction, ids: Collection[str]) -> dict[str, int]:
    """The epochs of these sessions."""
    return dict(await _EPOCHS.run(transaction, ids=list(ids)))


async def change_session(
    transaction: Transaction, session: SessionId, epoch: int, **values: Any
) -> None:
    """Write columns of a session that we own. Raises `FencedError` if we no longer do."""
    given = {f"to_{name}": value for name, value in values.items()}
    parameters = {"session": session, "expected": epoch, **given}
    if await _change(tuple(values)).change(transaction, **parameters) != 1:
        raise FencedError(session)


@cache
def _change(names: tuple[str, ...]) -> Statement:
    """The statement for these columns.

    By the primary key. Locks the session until the transaction ends. Run again, it writes the same.
    """
    columns = {name: bindparam(f"to_{name}", type_=SESSIONS.c[name].type) for name in names}
    return Statement(
        lambda _: (
            update(SESSIONS)
            .where(SESSIONS.c.id == bindparam("session"), SESSIONS.c.epoch == bindparam("expected"))
            .values(columns)
        )
    )


# By `ix_sessions_team`, all in one statement. Locks all sessions that the channel ever had. Run
# again, it finds none.
_MOVE_CHANNEL = Statement(
    lambda _: (
        update(SESSIONS)
        .where(SESSIONS.c.team_id == bindparam("team"), SESSIONS.c.channel_id == bindparam("old"))
        .values(channel_id=bindparam("new"))
    )
)


async def move_channel(
    transaction: Transaction, team: TeamId, old: ChannelId, new: ChannelId
) -> None:
    """Move all sessions of a channel to its new id, whoever owns them.

    It needs no fence: the new id is a fact, not an owner's decision.
    """
    await _MOVE_CHANNEL.change(transaction, team=team, old=old, new=new)


# By the primary key, or a unique key. No lock.
_BY_ID = Statement(lambda _: select(*_COLUMNS).where(SESSIONS.c.id == bindparam("session")))
_BY_IDS = Statement(lambda _: select(*_COLUMNS).where(among(SESSIONS.c.id, "ids")))
_BY_REQUEST = Statement(
    lambda _: select(*_COLUMNS).where(SESSIONS.c.request_key == bindparam("request"))
)
_OWNER = Statement(lambda _: select(SESSIONS.c.owner).where(SESSIONS.c.id == bindparam("session")))


async def session_by_id(transaction: Transaction, session: SessionId) -> SessionRow | None:
    """One session, or None."""
    found = await _BY_ID.fetch(transaction, SessionRow, session=session)
    return found[0] if found else None


async def sessions_by_id(transaction: Transaction, ids: Sequence[SessionId]) -> list[SessionRow]:
    """These sessions, in the order of `ids`. Raises `BadKey` if a secret cannot be decrypted."""
    found = await _BY_IDS.fetch(transaction, SessionRow, ids=ids)
    rows = {row.id: row for row in found}
    return [rows[name] for name in ids if name in rows]


async def is_owner(transaction: Transaction, session: SessionId, worker: WorkerId) -> bool:
    """Whether this worker owns the session."""
    return bool(await _OWNER.value(transaction, session=session) == worker)


async def session_by_request(transaction: Transaction, request_key: str) -> SessionRow | None:
    """The session that a command or click has opened, or None."""
    found = await _BY_REQUEST.fetch(transaction, SessionRow, request=request_key)
    return found[0] if found else None


class Locked(NamedTuple):
    """What `lock_live` keeps unchanged until the transaction ends."""

    live: bool = False
    owner: WorkerId | None = None
    """The worker that owns the session."""
    several_writers: bool = False
    """Whether somebody else than the opener has written to the agent."""
    quick_replies: str | None = None
    """Cards whose quick replies may still stand in the thread."""


async def lock_live(transaction: Transaction, session: SessionId) -> Locked:
    """Lock a session until the transaction ends.

    The lock of a live session is shared. Whoever shares it must not change the row, since they
    would wait for each other. A session that is over is locked alone, for `call_for_attention` may
    follow.
    """
    found = await _LIVE.first(transaction, session=session)
    if found is None:
        found = await _OVER.first(transaction, session=session)
    return Locked() if found is None else Locked(*found)


# By the primary key. Locks the session until the transaction ends. Run again, it writes the same.
_CALL = Statement(
    lambda _: (
        update(SESSIONS)
        .where(SESSIONS.c.id == bindparam("session"))
        .values(attention=true())
        .returning(SESSIONS.c.owner)
    )
)


async def call_for_attention(transaction: Transaction, session: SessionId) -> WorkerId | None:
    """Give a session that is over an owner again, because it has something to post.

    Returns its present owner, who stays so until the transaction ends.
    """
    owner: WorkerId | None = await _CALL.value(transaction, session=session)
    return owner


# By `uq_sessions_thread`. No lock.
_THREADS = Statement(
    lambda _: select(SESSIONS.c.id, SESSIONS.c.opener_id, SESSIONS.c.thread_ts).where(
        SESSIONS.c.team_id == bindparam("team"),
        SESSIONS.c.channel_id == bindparam("channel"),
        or_(
            SESSIONS.c.thread_ts == bindparam("thread"),
            and_(SESSIONS.c.thread_ts.is_(None), OPEN, SESSIONS.c.created_at <= bindparam("until")),
        ),
    )
)


async def threads_of(
    transaction: Transaction, team: TeamId, channel: ChannelId, thread_ts: MessageTs, until: int
) -> list[tuple[SessionId, UserId, MessageTs | None]]:
    """Sessions that have this thread, or may have it: their card is being posted (thread None).

    A thread that began before `until` (ms) cannot be the card of a session that is younger.
    """
    return [
        (session, opener, thread)
        for session, opener, thread in await _THREADS.run(
            transaction, team=team, channel=channel, thread=thread_ts, until=until
        )
    ]


# By `ix_sessions_person`: as many steps as the person has open. No lock.
_OPEN_OF = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(
            SESSIONS.c.team_id == bindparam("team"), SESSIONS.c.opener_id == bindparam("user"), OPEN
        )
        .order_by(SESSIONS.c.created_at.desc())
        .limit(50)
    )
)


async def open_of(transaction: Transaction, team: TeamId, user: UserId) -> list[SessionRow]:
    """The open sessions that a person has opened, newest first, 50 at most."""
    return await _OPEN_OF.fetch(transaction, SessionRow, team=team, user=user)


# By `ix_sessions_person`: as many steps as the person has open. No lock; see
# `people.open_one_at_a_time`.
_OPEN_WITH = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(
            SESSIONS.c.team_id == bindparam("team"),
            SESSIONS.c.opener_id == bindparam("user"),
            SESSIONS.c.account == bindparam("account"),
            SESSIONS.c.state != bindparam("but"),
            OPEN,
        )
        .order_by(SESSIONS.c.created_at.desc())
        .limit(1)
    )
)


async def open_with(
    transaction: Transaction, team: TeamId, user: UserId, account: str, *, but: str
) -> SessionRow | None:
    """The newest open session of a person with an account that is in any state but this."""
    given = {"team": team, "user": user, "account": account, "but": but}
    found = await _OPEN_WITH.fetch(transaction, SessionRow, **given)
    return found[0] if found else None


# By the primary key. No lock.
_DIALOGS = Statement(
    lambda _: select(*(DIALOGS.c[name] for name in DialogRow.__dataclass_fields__)).where(
        DIALOGS.c.session_id == bindparam("session")
    )
)


async def dialogs_of(transaction: Transaction, session: SessionId) -> list[DialogRow]:
    """The session's dialogs."""
    return await _DIALOGS.fetch(transaction, DialogRow, session=session)


# By the primary key: run again, it adds nothing.
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


async def add_dialog(
    transaction: Transaction, session: SessionId, dialog: str, dialog_type: str
) -> None:
    """Add a dialog, unless it is known already."""
    given = {"session_id": session, "dialog_id": dialog, "dialog_type": dialog_type}
    await _ADD_DIALOG.change(transaction, **given)


# By the primary key. Locks the dialog. Run again, or too late, it moves nothing back.
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
    transaction: Transaction, session: SessionId, dialog: str, to: DialogPosition
) -> None:
    """Store how far a dialog has been handled; never less than before."""
    gaps = json.dumps(to.gaps, separators=(",", ":")) if to.gaps else None
    await _MOVE.change(transaction, session=session, dialog=dialog, to=to.cursor, gaps=gaps)
