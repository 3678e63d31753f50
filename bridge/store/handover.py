"""What a session's next owner needs to know: read in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.ids import MessageTs, SessionId
from bridge.store import inbox, outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.rows import DialogRow, InboxRow, OutboxRow

LAST_SHOWN = 50
"""So many events of a dialog are told to LivePerson as shown once more, after a change of owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """The rows that are not finished, and how far each dialog has been read."""

    incoming: list[InboxRow]
    """Rows that wait for LivePerson, in thread order."""
    unnumbered: list[InboxRow]
    """Rows that LivePerson took into a dialog without telling their sequence, in thread order."""
    outgoing: list[OutboxRow]
    """Rows that wait for Slack, in order."""
    dialogs: list[DialogRow]
    written: bool
    """Whether anything has ever reached a dialog."""
    shown: dict[str, list[tuple[int, MessageTs]]] = field(default_factory=dict)
    """By dialog: the last events that stand in the thread, and where. That they are there has
    perhaps not been told to LivePerson."""
    gestures: list[tuple[MessageTs, str]] = field(default_factory=list)
    """The messages of the last minutes, and the gestures that have made them, in order."""
    own: dict[str, set[int]]
    """By dialog: sequences of our own messages that may still come (see `behind`)."""


def behind(dialog: DialogRow) -> int:
    """The sequence after which events may still come: before the first gap, or the cursor."""
    position = dialog.position
    return min([position.cursor, *(first - 1 for first, _ in position.gaps)])


async def handover_of(transaction: Transaction, session: SessionId) -> Handover:
    """Read the handover of a session."""
    dialogs = await sessions.dialogs_of(transaction, session)
    return Handover(
        incoming=await inbox.waiting(transaction, session),
        unnumbered=await inbox.unnumbered(transaction, session),
        outgoing=await outbox.waiting(transaction, session),
        dialogs=dialogs,
        written=await inbox.any_sent(transaction, session),
        shown={
            each.dialog_id: await outbox.last_shown(
                transaction, session, each.dialog_id, LAST_SHOWN
            )
            for each in dialogs
        },
        gestures=await inbox.gestures(transaction, session),
        own={
            each.dialog_id: await inbox.known_sequences(
                transaction, session, each.dialog_id, behind(each)
            )
            for each in dialogs
        },
    )
