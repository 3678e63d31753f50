"""How much waits in the inbox and the outbox, of all workers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from bridge.store.connection import Transaction
from bridge.store.models import INBOX, OUTBOX, WAITING
from bridge.store.sessions import now_ms

_QUEUES = {"inbox": INBOX, "outbox": OUTBOX}


async def waiting(transaction: Transaction) -> dict[str, tuple[int, float]]:
    """For each queue: how many rows wait, and for how many seconds the oldest has."""
    found = {}
    for name, table in _QUEUES.items():
        statement = select(func.count(), func.min(table.c.created_at)).where(
            table.c.state == WAITING
        )
        row: Any = (await transaction.execute(statement)).all()[0]
        rows, oldest = int(row[0]), row[1]
        found[name] = (rows, 0.0 if oldest is None else max(now_ms() - oldest, 0) / 1000)
    return found
