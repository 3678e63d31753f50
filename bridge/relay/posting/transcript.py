"""The transcript that somebody has asked for, made from what the store holds of the session."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import Record
from bridge.relay.shared.transcript import as_text
from bridge.store.history import rows_of

BOM: Final = b"\xef\xbb\xbf"
"""Says to every editor that the text is UTF-8."""


async def transcript_of(record: Record, deps: SessionDeps) -> bytes:
    """The session's transcript so far. Raises `StoreUnavailable`."""
    row = record.row
    async with deps.database.read() as transaction:
        came, went = await rows_of(transaction, row.id)
    await deps.names.resolve(row.team_id, {each.user_id for each in came} | {row.opener_id})
    names = deps.names.names(row.team_id)

    def name(user: str) -> str:
        return names.user(user) or user

    opened = f"{datetime.fromtimestamp(row.created_at / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    label = f"{row.label} ({row.account})" if row.label not in (None, row.account) else row.account
    begun = f"Opened {opened} by {name(row.opener_id)}. Times are UTC."
    head = [f"Conversation with {label}", begun]
    return BOM + as_text(head, came, went, name).encode()
