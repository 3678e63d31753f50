"""The first message, which is given with the command that opens a conversation.

It is a row of the inbox like any other, from before everything that is written in the thread, and
the thread shows it in a message of the bridge's own. Both are stored in the transaction that opens
the session.
"""

from __future__ import annotations

from typing import Final

from bridge.ids import MessageTs, SessionId
from bridge.store import outbox
from bridge.store.connection import Transaction

TS: Final = MessageTs("0.000000")
"""Takes the place of the message's timestamp: nobody has posted it. It comes before all others."""
DIALOG: Final = "bridge:first"
"""The `dialog_id` of the row that shows it."""


async def shown_at(transaction: Transaction, session: SessionId) -> MessageTs | None:
    """The message of the thread that shows it; None if none does."""
    rows = await outbox.of_event(transaction, session, DIALOG, 0)
    return rows[0].slack_ts if rows else None
