"""Queries about the outbox: LivePerson → Slack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, select, update

from bridge.ids import MessageTs, OutboxId, SessionId, WorkerId
from bridge.store.connection import Transaction
from bridge.store.models import OUTBOX, WAITING
from bridge.store.rows import NewOutbox, OutboxRow, ShownRow
from bridge.store.sessions import now_ms, owner_of, still_owned
from bridge.store.statement import Statement

_COLUMNS = [OUTBOX.c[name] for name in OutboxRow.__dataclass_fields__]

# By `uq_outbox_event`: run again, it adds nothing.
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
    transaction: Transaction, session: SessionId, items: Sequence[NewOutbox]
) -> list[OutboxRow]:
    """Add posts in order; those that are known already are left out.

    Returns the new rows in order.
    """
    now = now_ms()
    added: list[OutboxRow] = []
    for item in items:
        shared = {
            "session_id": session,
            "kind": item.kind,
            "payload": item.payload,
            "dialog_id": item.dialog_id,
            "sequence": item.sequence,
        }
        found = await _ADD.run(
            transaction,
            part=item.part,
            created_at=now,
            **shared,
        )
        added += [OutboxRow(id=OutboxId(row[0]), created_at=now, **shared) for row in found]  # type: ignore[arg-type]
    return added


# By `ix_outbox_waiting`: as many steps as rows wait. No lock.
_WAITING = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(OUTBOX.c.session_id == bindparam("session"), OUTBOX.c.state == WAITING)
        .order_by(OUTBOX.c.id)
    )
)


async def waiting(transaction: Transaction, session: SessionId) -> list[OutboxRow]:
    """The session's rows that wait for Slack, in order."""
    return await _WAITING.fetch(transaction, OutboxRow, session=session)


# By `ix_outbox_waiting`, with a look-up of the owner for each row that waits. No lock.
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


async def sessions_waiting(transaction: Transaction, owner: WorkerId, *, before: int) -> set[str]:
    """Which of a worker's sessions have rows that have waited since before a time (ms).

    This is the poll for lost notifications. Its cost grows with the waiting rows only.
    """
    found = await _SESSIONS_WAITING.run(transaction, owner=owner, before=before)
    return {row[0] for row in found}


# By `uq_outbox_event`: as many steps as the session has had items. No lock.
_COUNT_SINCE = Statement(
    lambda _: select(func.count()).where(
        OUTBOX.c.session_id == bindparam("session"),
        OUTBOX.c.kind == bindparam("kind"),
        OUTBOX.c.created_at >= bindparam("since"),
    )
)


async def count_since(transaction: Transaction, session: SessionId, kind: str, since: int) -> int:
    """How many items of a kind the session has had since a time (ms)."""
    return int(await _COUNT_SINCE.value(transaction, session=session, kind=kind, since=since))


# By `uq_outbox_event`: as many steps as the event has parts. No lock.
_EVENT = Statement(
    lambda _: (
        select(*(OUTBOX.c[name] for name in ShownRow.__dataclass_fields__))
        .where(
            OUTBOX.c.session_id == bindparam("session"),
            OUTBOX.c.dialog_id == bindparam("dialog"),
            OUTBOX.c.sequence == bindparam("number"),
        )
        .order_by(OUTBOX.c.id)
    )
)


async def of_event(
    transaction: Transaction, session: SessionId, dialog: str, sequence: int
) -> list[ShownRow]:
    """What was made of one event, in order, whatever has become of it."""
    return await _EVENT.fetch(
        transaction, ShownRow, session=session, dialog=dialog, number=sequence
    )


# By `uq_outbox_event`, from its end: as many steps as rows are found or passed over. No lock.
_LAST_SHOWN = Statement(
    lambda _: (
        select(OUTBOX.c.sequence, OUTBOX.c.slack_ts)
        .where(
            OUTBOX.c.session_id == bindparam("session"),
            OUTBOX.c.dialog_id == bindparam("dialog"),
            OUTBOX.c.slack_ts.is_not(None),
        )
        .order_by(OUTBOX.c.sequence.desc(), OUTBOX.c.part.desc())
        .limit(bindparam("limit"))
    )
)


async def last_shown(
    transaction: Transaction, session: SessionId, dialog: str, limit: int
) -> list[tuple[int, MessageTs]]:
    """The last events of a dialog that stand in the thread, oldest first: number and ts."""
    rows = await _LAST_SHOWN.run(transaction, session=session, dialog=dialog, limit=limit)
    return [(sequence, MessageTs(ts)) for sequence, ts in reversed(rows)]


# By the primary keys of both tables. Locks the row. Run again, it writes the same.
_ALL_POSTED = Statement(
    lambda _: (
        update(OUTBOX)
        .where(OUTBOX.c.id == bindparam("row"), still_owned())
        .values(state="posted", slack_ts=bindparam("ts"), finished_at=bindparam("at"))
    )
)


async def mark_all_posted(transaction: Transaction, notes: Sequence[Mapping[str, Any]]) -> int:
    """Mark rows as posted. Each of `notes`: row, session, epoch, ts, at.

    Rows of a session that another worker has claimed meanwhile are left as they are. Returns
    the number of marked rows.
    """
    return await _ALL_POSTED.run_many(transaction, notes)


# By the primary key. Locks the row. Run again, it writes the same.
_PAYLOAD = Statement(
    lambda _: (
        update(OUTBOX)
        .where(OUTBOX.c.id == bindparam("row"), OUTBOX.c.state == WAITING)
        .values(payload=bindparam("payload"))
    )
)


async def change_payload(transaction: Transaction, row: OutboxId, payload: str) -> None:
    """Change what a waiting row says: how far it has come."""
    await _PAYLOAD.change(transaction, row=row, payload=payload)


# By the primary key. Locks the row. Run again, it writes the same.
_FAILED = Statement(
    lambda _: (
        update(OUTBOX)
        .where(OUTBOX.c.id == bindparam("row"))
        .values(state="failed", error=bindparam("why"), finished_at=bindparam("at"))
    )
)


async def mark_failed(transaction: Transaction, row: OutboxId, error: str) -> None:
    """Mark a row as failed: Slack refuses it, for this reason."""
    await _FAILED.change(transaction, row=row, why=error, at=now_ms())
