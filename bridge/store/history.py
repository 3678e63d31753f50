"""Everything that the store holds of what was said in a session."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from bridge.ids import SessionId
from bridge.store.connection import Transaction
from bridge.store.models import INBOX, OUTBOX


async def rows_of(transaction: Transaction, session: SessionId) -> tuple[list[Any], list[Any]]:
    """All rows of the inbox, and all rows of the outbox in their order."""
    came = await transaction.execute(select(INBOX).where(INBOX.c.session_id == session))
    went = await transaction.execute(
        select(OUTBOX).where(OUTBOX.c.session_id == session).order_by(OUTBOX.c.id)
    )
    return list(came.all()), list(went.all())
