"""What a session's former owner left: read at once, by whoever follows."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.ids import SessionId
from bridge.store import inbox, outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.rows import DialogRow, InboxRow, OutboxRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What was not done yet, and how far was read."""

    incoming: list[InboxRow]
    """What waits for LivePerson, in thread order."""
    unnumbered: list[InboxRow]
    """What LivePerson took into a dialog without telling its sequence, in thread order."""
    outgoing: list[OutboxRow]
    """What waits for Slack, in order."""
    dialogs: list[DialogRow]
    written: bool
    """Whether anything has ever reached a dialog."""
    own: dict[str, set[int]]
    """By dialog: numbers of our own messages that are still of interest (see `behind`)."""


def behind(dialog: DialogRow) -> int:
    """The number from which on a dialog is still of interest: its cursor, or its first gap."""
    position = dialog.position
    return min([position.cursor, *(first - 1 for first, _ in position.gaps)])


async def handover_of(transaction: Transaction, session: SessionId) -> Handover:
    """What the next owner of a session finds."""
    dialogs = await sessions.dialogs_of(transaction, session)
    return Handover(
        incoming=await inbox.waiting(transaction, session),
        unnumbered=await inbox.unnumbered(transaction, session),
        outgoing=await outbox.waiting(transaction, session),
        dialogs=dialogs,
        written=await inbox.any_sent(transaction, session),
        own={
            each.dialog_id: await inbox.known_sequences(
                transaction, session, each.dialog_id, behind(each)
            )
            for each in dialogs
        },
    )
