"""Queries about the outbox: LivePerson → Slack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, select, update

from bridge.ids import OutboxId, SessionId, WorkerId
from bridge.store.connection import Statement, Transaction
from bridge.store.models import OUTBOX, WAITING
from bridge.store.rows import NewOutbox, OutboxRow
from bridge.store.sessions import now_ms, owner_of, still_owned

_COLUMNS = [OUTBOX.c[name] for name in OutboxRow.__dataclass_fields__]


_ADD = Statement(
    lambda insert: (
        insert(OUTBOX)
        .values(
            session_id=bindparam("session_id"),
            dialog_id=bindparam("dialog_id"),
            sequence=bindparam("sequence"),
            part=bindparam("part"),
            kind=bindparam("kind"),
            payload=bindparam("payload"),
            state="waiting",
            created_at=bindparam("created_at"),
        )
        .on_conflict_do_nothing()
        .returning(OUTBOX.c.id)
    )
)


async def add(
    connection: Transaction, session: SessionId, items: Sequence[NewOutbox]
) -> list[OutboxRow]:
    """Add what is to be shown, in order. What is known already is passed over.

    Returns the new rows in order.
    """
    now = now_ms()
    added: list[OutboxRow] = []
    for item in items:
        shared = {"session_id": session, "kind": item.kind, "payload": item.payload}
        found = await _ADD.run(
            connection,
            dialog_id=item.dialog_id,
            sequence=item.sequence,
            part=item.part,
            created_at=now,
            **shared,
        )
        added += [OutboxRow(id=OutboxId(row[0]), created_at=now, **shared) for row in found]  # type: ignore[arg-type]
    return added


_WAITING = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(OUTBOX.c.session_id == bindparam("session"), OUTBOX.c.state == WAITING)
        .order_by(OUTBOX.c.id)
    )
)


async def waiting(connection: Transaction, session: SessionId) -> list[OutboxRow]:
    """What waits for Slack, in order."""
    return await _WAITING.fetch(connection, OutboxRow, session=session)


_SESSIONS_WAITING = Statement(
    lambda _: (
        select(OUTBOX.c.session_id)
        .where(
            OUTBOX.c.state == WAITING,
            OUTBOX.c.created_at < bindparam("before"),
            owner_of(OUTBOX.c.session_id) == bindparam("owner"),
        )
        .distinct()
    )
)


async def sessions_waiting(connection: Transaction, owner: WorkerId, *, before: int) -> set[str]:
    """Which of a worker's sessions have had something waiting since before a time (ms).

    The poll that backs up the wake-ups. It costs what is waiting, not what there is.
    """
    found = await _SESSIONS_WAITING.run(connection, owner=owner, before=before)
    return {row[0] for row in found}


async def count_since(connection: Transaction, session: SessionId, kind: str, since: int) -> int:
    """How many items of a kind the session has had since a time (ms)."""
    found = await connection.execute(
        select(func.count()).where(
            OUTBOX.c.session_id == session, OUTBOX.c.kind == kind, OUTBOX.c.created_at >= since
        )
    )
    return int(found.scalar_one())


_ALL_POSTED = Statement(
    lambda _: (
        update(OUTBOX)
        .where(OUTBOX.c.id == bindparam("row"), still_owned())
        .values(state="posted", slack_ts=bindparam("ts"), finished_at=bindparam("at"))
    )
)


async def mark_all_posted(connection: Transaction, notes: Sequence[Mapping[str, Any]]) -> int:
    """Slack has these. Each of `notes`: row, session, epoch, ts, at.

    Those of a session that somebody else has claimed meanwhile are passed over; gives how many
    are noted.
    """
    return await _ALL_POSTED.run_many(connection, notes)


async def mark_failed(connection: Transaction, row: OutboxId, error: str) -> None:
    """Slack will not take it, for this reason."""
    await connection.execute(
        update(OUTBOX)
        .where(OUTBOX.c.id == row)
        .values(state="failed", error=error, finished_at=now_ms())
    )
