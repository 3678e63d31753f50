"""Queries about the outbox: LivePerson → Slack."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.ids import MessageTs, OutboxId, SessionId
from bridge.store.models import OUTBOX
from bridge.store.rows import NewOutbox, OutboxRow
from bridge.store.sessions import insert_new, now_ms

_COLUMNS = [OUTBOX.c[name] for name in OutboxRow.__dataclass_fields__]


async def add(
    connection: AsyncConnection, session: SessionId, items: Sequence[NewOutbox]
) -> list[OutboxRow]:
    """Add what is to be shown, in order. What is known already is passed over.

    Returns the new rows in order.
    """
    if not items:
        return []
    now = now_ms()
    rows = [
        {
            "session_id": session,
            "dialog_id": item.dialog_id,
            "sequence": item.sequence,
            "part": item.part,
            "kind": item.kind,
            "payload": item.payload,
            "state": "waiting",
            "created_at": now,
        }
        for item in items
    ]
    statement = (
        insert_new(connection, OUTBOX).values(rows).on_conflict_do_nothing().returning(*_COLUMNS)
    )
    found = [OutboxRow(**row._mapping) for row in await connection.execute(statement)]
    return sorted(found, key=lambda row: row.id)


async def waiting(connection: AsyncConnection, session: SessionId) -> list[OutboxRow]:
    """What waits for Slack, in order."""
    found = await connection.execute(
        select(*_COLUMNS)
        .where(OUTBOX.c.session_id == session, OUTBOX.c.state == "waiting")
        .order_by(OUTBOX.c.id)
    )
    return [OutboxRow(**row._mapping) for row in found]


async def sessions_waiting(
    connection: AsyncConnection, owned: Sequence[SessionId], *, before: int
) -> set[str]:
    """Which of these sessions have had something waiting since before a time (ms)."""
    found = await connection.execute(
        select(OUTBOX.c.session_id)
        .where(
            OUTBOX.c.state == "waiting",
            OUTBOX.c.session_id.in_(owned),
            OUTBOX.c.created_at < before,
        )
        .distinct()
    )
    return {row[0] for row in found}


async def count_since(
    connection: AsyncConnection, session: SessionId, kind: str, since: int
) -> int:
    """How many items of a kind the session has had since a time (ms)."""
    found = await connection.execute(
        select(func.count()).where(
            OUTBOX.c.session_id == session, OUTBOX.c.kind == kind, OUTBOX.c.created_at >= since
        )
    )
    return int(found.scalar_one())


_POSTED = (
    update(OUTBOX)
    .where(OUTBOX.c.id == bindparam("row"))
    .values(state="posted", slack_ts=bindparam("ts"), finished_at=bindparam("at"))
)


async def mark_posted(connection: AsyncConnection, row: OutboxId, ts: MessageTs | None) -> None:
    """Slack has it."""
    await connection.execute(_POSTED, {"row": row, "ts": ts, "at": now_ms()})


async def mark_failed(connection: AsyncConnection, row: OutboxId, error: str) -> None:
    """Slack will not take it, for this reason."""
    await connection.execute(
        update(OUTBOX)
        .where(OUTBOX.c.id == row)
        .values(state="failed", error=error, finished_at=now_ms())
    )
