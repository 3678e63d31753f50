"""Queries about the inbox: Slack → LivePerson."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.ids import ChannelId, InboxId, MessageTs, SessionId, TeamId, UserId
from bridge.store.models import INBOX
from bridge.store.rows import InboxRow
from bridge.store.sessions import insert_new, now_ms

_COLUMNS = [INBOX.c[name] for name in InboxRow.__dataclass_fields__]


async def add_message(
    connection: AsyncConnection,
    *,
    session: SessionId,
    team: TeamId,
    channel: ChannelId,
    ts: MessageTs,
    user: UserId,
    source: str,
    texts: Sequence[str] | None,
    kind: str = "message",
    state: str = "waiting",
    error: str | None = None,
) -> list[InboxRow]:
    """Add one Slack event: a row for each of `texts`, or one without (`None`: names unknown).

    Returns the new rows; none if the event is known already (a redelivery). With another `state`
    than `waiting` the rows are finished from the start, `error` saying why.
    """
    now = now_ms()
    rows = [
        {
            "session_id": session,
            "team_id": team,
            "channel_id": channel,
            "message_ts": ts,
            "kind": kind,
            "part": part,
            "user_id": user,
            "source": source if part == 0 else "",
            "text": text,
            "state": state,
            "error": error,
            "created_at": now,
            "finished_at": None if state == "waiting" else now,
        }
        for part, text in enumerate(texts if texts is not None else [None])
    ]
    statement = (
        insert_new(connection, INBOX).values(rows).on_conflict_do_nothing().returning(*_COLUMNS)
    )
    return [InboxRow(**row._mapping) for row in await connection.execute(statement)]


async def waiting(connection: AsyncConnection, session: SessionId) -> list[InboxRow]:
    """What waits for LivePerson, in thread order."""
    found = await connection.execute(
        select(*_COLUMNS).where(INBOX.c.session_id == session, INBOX.c.state == "waiting")
    )
    return sorted((InboxRow(**row._mapping) for row in found), key=lambda row: row.order)


async def sessions_waiting(connection: AsyncConnection, owned: Sequence[SessionId]) -> set[str]:
    """Which of these sessions have something waiting: the poll that backs up the wake-ups."""
    found = await connection.execute(
        select(INBOX.c.session_id)
        .where(INBOX.c.state == "waiting", INBOX.c.session_id.in_(owned))
        .distinct()
    )
    return {row[0] for row in found}


async def known_sequences(
    connection: AsyncConnection, session: SessionId, dialog: str, after: int
) -> set[int]:
    """Sequences after `after` that are known to be our own messages."""
    found = await connection.execute(
        select(INBOX.c.sequence).where(
            INBOX.c.session_id == session, INBOX.c.dialog_id == dialog, INBOX.c.sequence > after
        )
    )
    return {row[0] for row in found}


async def unnumbered(connection: AsyncConnection, session: SessionId) -> list[InboxRow]:
    """Messages that LivePerson took without telling their sequence, in thread order."""
    found = await connection.execute(
        select(*_COLUMNS).where(
            INBOX.c.session_id == session,
            INBOX.c.sequence.is_(None),
            INBOX.c.state == "sent",
            INBOX.c.kind == "message",
        )
    )
    return sorted((InboxRow(**row._mapping) for row in found), key=lambda row: row.order)


_SENT = (
    update(INBOX)
    .where(INBOX.c.id == bindparam("row"))
    .values(
        state="sent",
        dialog_id=bindparam("dialog"),
        sequence=bindparam("number"),
        finished_at=bindparam("at"),
    )
)


async def mark_sent(
    connection: AsyncConnection, row: InboxId, dialog: str | None, sequence: int | None
) -> None:
    """LivePerson has it, under this sequence if it told one."""
    await connection.execute(
        _SENT, {"row": row, "dialog": dialog, "number": sequence, "at": now_ms()}
    )


async def mark_failed(connection: AsyncConnection, rows: Sequence[InboxId], error: str) -> None:
    """They will not be delivered, for this reason."""
    await connection.execute(
        update(INBOX)
        .where(INBOX.c.id.in_(rows))
        .values(state="failed", error=error, finished_at=now_ms())
    )


async def set_texts(
    connection: AsyncConnection, session: SessionId, row: InboxId, texts: Sequence[str]
) -> list[InboxRow]:
    """Give a row its text, now that the names are known; further parts become rows of their own."""
    changed = (
        await connection.execute(
            update(INBOX).where(INBOX.c.id == row).values(text=texts[0]).returning(INBOX)
        )
    ).one()
    if len(texts) > 1:
        shared = {
            name: changed._mapping[name]
            for name in (
                "session_id",
                "team_id",
                "channel_id",
                "message_ts",
                "kind",
                "user_id",
                "created_at",
            )
        }
        await connection.execute(
            insert_new(connection, INBOX)
            .values(
                [
                    {**shared, "part": part, "text": text, "source": "", "state": "waiting"}
                    for part, text in enumerate(texts)
                    if part
                ]
            )
            .on_conflict_do_nothing()
        )
    return await waiting(connection, session)
