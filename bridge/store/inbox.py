"""Queries about the inbox: Slack → LivePerson."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, bindparam, func, literal_column, select, update

from bridge.ids import ChannelId, InboxId, MessageTs, SessionId, TeamId, UserId, WorkerId
from bridge.store.connection import Transaction
from bridge.store.driver_errors import unique_violation
from bridge.store.errors import NumberTaken
from bridge.store.models import INBOX, WAITING
from bridge.store.rows import InboxRow, NewInbox
from bridge.store.sessions import now_ms, owner_of, still_owned
from bridge.store.statement import Statement, among

_COLUMNS = [INBOX.c[name] for name in InboxRow.__dataclass_fields__]
_OF_SESSION = INBOX.c.session_id == bindparam("session")


# By `uq_inbox_event`: run again, it adds nothing.
_GIVEN = [name for name in INBOX.c.keys() if name not in {"id", "dialog_id", "sequence"}]  # noqa: SIM118
_ADD = Statement(
    lambda insert: (
        insert(INBOX)
        .values({name: bindparam(name) for name in _GIVEN})
        .on_conflict_do_nothing()
        .returning(INBOX.c.id)
    )
)


async def add(
    transaction: Transaction,
    *,
    session: SessionId,
    team: TeamId,
    channel: ChannelId,
    ts: MessageTs,
    user: UserId,
    items: Sequence[NewInbox],
    first: int = 0,
    state: str = "waiting",
    error: str | None = None,
) -> list[InboxRow]:
    """Add what somebody did in Slack: a row for each of `items`, which are its parts in order.

    `first`: the number of the first part.

    Returns the new rows; none if they are known already (a redelivery). With a `state` other
    than `waiting` the rows are finished at once, and `error` says why.
    """
    now = now_ms()
    added: list[InboxRow] = []
    for part, item in enumerate(items, first):
        shared = {
            "message_ts": ts,
            "kind": item.kind,
            "part": part,
            "user_id": user,
            "payload": item.payload,
        }
        found = await _ADD.run(
            transaction,
            session_id=session,
            team_id=team,
            channel_id=channel,
            state=state,
            error=error,
            created_at=now,
            finished_at=None if state == "waiting" else now,
            **shared,
        )
        added += [InboxRow(id=InboxId(row[0]), **shared) for row in found]  # type: ignore[arg-type]
    return added


# By `ix_inbox_waiting`: as many steps as rows wait. No lock.
_WAITING = Statement(lambda _: select(*_COLUMNS).where(_OF_SESSION, INBOX.c.state == WAITING))


async def waiting(transaction: Transaction, session: SessionId) -> list[InboxRow]:
    """The session's rows that wait for LivePerson, in thread order."""
    rows = await _WAITING.fetch(transaction, InboxRow, session=session)
    return sorted(rows, key=lambda row: row.order)


# By `ix_inbox_waiting`, with a look-up of the owner for each row that waits. No lock.
_SESSIONS_WAITING = Statement(
    lambda _: (
        select(INBOX.c.session_id)
        .where(
            INBOX.c.state == WAITING,
            INBOX.c.created_at < bindparam("before"),
            owner_of(INBOX.c.session_id) == bindparam("owner"),
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


# By `uq_inbox_number`. No lock.
_KNOWN = Statement(
    lambda _: select(INBOX.c.sequence).where(
        _OF_SESSION,
        INBOX.c.dialog_id == bindparam("dialog"),
        INBOX.c.sequence > bindparam("after"),
    )
)


async def known_sequences(
    transaction: Transaction, session: SessionId, dialog: str, after: int
) -> set[int]:
    """Sequences after `after` that are known to be our own messages."""
    found = await _KNOWN.run(transaction, session=session, dialog=dialog, after=after)
    return {row[0] for row in found}


# By `uq_inbox_number`: a step for each number. No lock.
_STAMPS = Statement(
    lambda _: select(INBOX.c.sequence, INBOX.c.message_ts).where(
        _OF_SESSION, INBOX.c.dialog_id == bindparam("dialog"), among(INBOX.c.sequence, "numbers")
    )
)


async def messages_by_number(
    transaction: Transaction, session: SessionId, dialog: str, numbers: Sequence[int]
) -> dict[int, MessageTs]:
    """Which message in Slack became the event of each number, as far as any did."""
    found = await _STAMPS.run(transaction, session=session, dialog=dialog, numbers=list(numbers))
    return {number: MessageTs(ts) for number, ts in found}


# By `ix_inbox_session`: as many steps as the session has had messages. No lock.
_UNNUMBERED = Statement(
    lambda _: select(*_COLUMNS).where(
        _OF_SESSION,
        INBOX.c.sequence.is_(None),
        INBOX.c.dialog_id.is_not(None),
        INBOX.c.state == literal_column("'sent'"),
    )
)


async def unnumbered(transaction: Transaction, session: SessionId) -> list[InboxRow]:
    """Rows that LivePerson took into a dialog without telling their sequence, in thread order."""
    rows = await _UNNUMBERED.fetch(transaction, InboxRow, session=session)
    return sorted(rows, key=lambda row: row.order)


# By `ix_inbox_session`: as many steps as the session has had messages. No lock.
_ANY_SENT = Statement(
    lambda _: (
        select(literal_column("1"))
        .where(
            _OF_SESSION,
            INBOX.c.dialog_id.is_not(None),
            INBOX.c.state == literal_column("'sent'"),
        )
        .limit(literal_column("1"))
    )
)


async def any_sent(connection: Transaction, session: SessionId) -> bool:
    """Whether anything of the session has ever reached a dialog."""
    return await _ANY_SENT.value(connection, session=session) is not None


# By the primary key. Locks the row. Run again, it writes the same; `uq_inbox_number` may refuse it.
_SENT = Statement(
    lambda _: (
        update(INBOX)
        .where(INBOX.c.id == bindparam("row"))
        .values(
            state="sent",
            dialog_id=bindparam("dialog"),
            sequence=bindparam("number"),
            finished_at=bindparam("at"),
        )
    )
)


async def mark_sent(
    transaction: Transaction, row: InboxId, dialog: str | None, sequence: int | None
) -> None:
    """Mark a row as sent, under this sequence if LivePerson told one.

    Without a dialog, it never gets a sequence. Raises `NumberTaken` if another message has
    that sequence.
    """
    try:
        await _SENT.run(transaction, row=row, dialog=dialog, number=sequence, at=now_ms())
    except Exception as error:
        if unique_violation(error):
            raise NumberTaken from error
        raise


# By the primary keys of both tables. Locks the row. Run again, it writes the same;
# `uq_inbox_number` may refuse it.
_ALL_SENT = Statement(
    lambda _: (
        update(INBOX)
        .where(INBOX.c.id == bindparam("row"), still_owned())
        .values(
            state="sent",
            dialog_id=bindparam("dialog"),
            # The reader may have stored the number of its echo meanwhile.
            sequence=func.coalesce(bindparam("number", type_=BigInteger), INBOX.c.sequence),
            finished_at=bindparam("at"),
        )
    )
)


async def mark_all_sent(transaction: Transaction, notes: Sequence[Mapping[str, Any]]) -> int:
    """Mark rows as sent. Each of `notes`: row, session, epoch, dialog, number, at.

    Rows of a session that another worker has claimed meanwhile are left as they are. Returns
    the number of marked rows. Raises `NumberTaken` if another message has one of the numbers.
    """
    try:
        return await _ALL_SENT.run_many(transaction, notes)
    except Exception as error:
        if unique_violation(error):
            raise NumberTaken from error
        raise


# By the primary key. Locks the rows. Run again, it writes the same.
_FAILED = Statement(
    lambda _: (
        update(INBOX)
        .where(INBOX.c.id == bindparam("row"))
        .values(state="failed", error=bindparam("why"), finished_at=bindparam("at"))
    )
)


async def mark_failed(transaction: Transaction, rows: Sequence[InboxId], error: str) -> None:
    """Mark rows as failed: they will not be delivered, for this reason."""
    now = now_ms()
    notes = [{"row": row, "why": error, "at": now} for row in rows]
    await _FAILED.run_many(transaction, notes)


_SHARED = ("session_id", "team_id", "channel_id", "message_ts", "user_id", "created_at")
# By the primary key. Locks the row. Run again, it changes nothing: the payload is another one.
_REPLACE = Statement(
    lambda _: (
        update(INBOX)
        .where(
            INBOX.c.id == bindparam("row"),
            INBOX.c.state == WAITING,
            INBOX.c.payload == bindparam("before"),
        )
        .values(payload=bindparam("after"))
        .returning(*(INBOX.c[name] for name in _SHARED), INBOX.c.part)
    )
)


async def replace(
    transaction: Transaction,
    session: SessionId,
    ts: MessageTs,
    row: InboxId,
    *,
    before: str,
    items: Sequence[NewInbox],
) -> list[InboxRow]:
    """Replace a row's payload by the first of `items`; the others become rows of their own.

    Nothing changes if the payload is not `before` any more: an earlier try has been committed
    although its answer was lost. Returns the waiting rows of the message `ts`, in order.
    """
    first, *further = items
    changed = await _REPLACE.first(transaction, row=row, before=before, after=first.payload)
    if changed is not None:
        *same, part = changed
        shared = dict(zip(_SHARED, same, strict=True))
        for place, item in enumerate(further, part + 1):
            await _ADD.run(
                transaction,
                kind=item.kind,
                part=place,
                payload=item.payload,
                state="waiting",
                error=None,
                finished_at=None,
                **shared,
            )
    return [each for each in await waiting(transaction, session) if each.message_ts == ts]
