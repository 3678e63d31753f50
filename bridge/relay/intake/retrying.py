"""Messages that were not delivered are sent again when somebody asks for it: each once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from bridge.ids import ChannelId, InboxId, MessageTs, SessionId, TeamId
from bridge.relay.delivery.messages import UNCERTAIN
from bridge.relay.shared.items import Edit, Retry, Text, packed, unpacked
from bridge.relay.shared.record import unmark
from bridge.store import inbox
from bridge.store.connection import Transaction
from bridge.store.rows import NewOutbox, ToldRow

AGAIN: Final = "It was sent again."


async def send_again(
    transaction: Transaction,
    session: SessionId,
    place: tuple[TeamId, ChannelId],
    at: MessageTs,
    only: Collection[InboxId] | None = None,
) -> list[NewOutbox] | None:
    """Send failed messages again, those in `only` or all: behind what was written before `at`.

    Returns what is to be shown in the thread for it, or None if there is nothing to send. What has
    perhaps arrived is not sent again: nobody but a person can decide that. The session is live.
    """
    rows = [
        row
        for row in await inbox.failed(transaction, session)
        if (only is None or row.id in only) and row.error != UNCERTAIN
    ]
    again: list[NewOutbox] = []
    for number, row in enumerate(rows):
        item = _again(row)
        if item is None or not await inbox.take_failed(transaction, session, row.id, AGAIN):
            continue
        await inbox.add(
            transaction,
            session=session,
            team=place[0],
            channel=place[1],
            ts=at,
            user=row.user_id,
            items=[packed(item)],
            first=number * ROOM,
        )
        again.append(unmark(item.of, "warning"))
    return again or None


ROOM: Final = 100
"""Parts that one message may come to, at most."""


def _again(row: ToldRow) -> Retry | None:
    item = unpacked(row.kind, row.payload)
    if not isinstance(item, Text) or (isinstance(item, Edit) and not item.ready):
        return None
    of = item.shown_on or row.message_ts
    return Retry(item.source, item.text, exact=item.exact, of=of)
