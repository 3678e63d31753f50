"""Queries about the inbox: Slack → LivePerson."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import BigInteger, bindparam, func, literal_column, select, update

from bridge.ids import ChannelId, InboxId, MessageTs, SessionId, TeamId, UserId, WorkerId, ts_key
from bridge.store.connection import Transaction
from bridge.store.driver_errors import unique_violation
from bridge.store.errors import NumberTaken
from bridge.store.models import INBOX, WAITING
from bridge.store.rows import InboxRow, NewInbox, ToldRow
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

    Returns the new rows; none if the first is known already (a redelivery): then they all are, or
    what is known in their place has been changed since. With a `state` other
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
        if not added:
            break
    return added


# By `ix_inbox_waiting`: as many steps as rows wait. No lock.
_WAITING = Statement(lambda _: select(*_COLUMNS).where(_OF_SESSION, INBOX.c.state == WAITING))


async def waiting(transaction: Transaction, session: SessionId) -> list[InboxRow]:
    """The session's rows that wait for LivePerson, in thread order."""
    rows = await _WAITING.fetch(transaction, InboxRow, session=session)
    return sorted(rows, key=lambda row: row.order)


_TOLD = [INBOX.c[name] for name in ToldRow.__dataclass_fields__]
RELAYED = ("text", "file")
"""Kinds of rows that a message itself becomes."""
CHANGING = ("edit", "withdrawal", "retry")
"""Kinds of rows that are about another message than the one they stand with."""
# By `uq_inbox_event`. No lock.
_OF_MESSAGE = Statement(
    lambda _: select(*_TOLD).where(INBOX.c.message_ts == bindparam("ts"), _OF_SESSION)
)
# By `ix_inbox_session`: as many steps as the session has had messages. No lock.
_CHANGES = Statement(
    lambda _: select(*_TOLD).where(
        _OF_SESSION, INBOX.c.kind.in_([literal_column(f"'{kind}'") for kind in CHANGING])
    )
)


async def of_message(transaction: Transaction, session: SessionId, ts: MessageTs) -> list[ToldRow]:
    """What was stored of a message, whatever has become of it, in order."""
    rows = await _OF_MESSAGE.fetch(transaction, ToldRow, session=session, ts=ts)
    return sorted(rows, key=lambda row: row.order)


async def changes(transaction: Transaction, session: SessionId) -> list[ToldRow]:
    """What the session was told about messages that were relayed before, in order."""
    rows = await _CHANGES.fetch(transaction, ToldRow, session=session)
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


GESTURE_MS = 10 * 60 * 1000
"""A message that one gesture has made twice comes within this time."""
# By `ix_inbox_session`: as many steps as the session has had messages. No lock.
_LAST_TEXTS = Statement(
    lambda _: select(INBOX.c.message_ts, INBOX.c.payload).where(
        _OF_SESSION,
        INBOX.c.kind == literal_column("'text'"),
        INBOX.c.state != literal_column("'kept'"),
        INBOX.c.created_at >= bindparam("since"),
    )
)


class _Gesture(msgspec.Struct):
    """The one field of a text's payload that is read here."""

    gesture: str | None = None


_GESTURE = msgspec.json.Decoder(_Gesture)


async def gestures(transaction: Transaction, session: SessionId) -> list[tuple[MessageTs, str]]:
    """The messages of the last minutes, and the gestures that have made them, in order."""
    since = now_ms() - GESTURE_MS
    found = await _LAST_TEXTS.run(transaction, session=session, since=since)
    told = [(MessageTs(ts), _GESTURE.decode(payload).gesture) for ts, payload in found]
    return sorted(
        {(ts, gesture) for ts, gesture in told if gesture}, key=lambda each: ts_key(each[0])
    )


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


# By the primary key. Locks the rows. Run again, it changes nothing.
_KEPT = Statement(
    lambda _: (
        update(INBOX)
        .where(INBOX.c.id == bindparam("row"), INBOX.c.state != literal_column("'sent'"))
        .values(state="kept", error=bindparam("why"), finished_at=bindparam("at"))
    )
)


async def mark_kept(transaction: Transaction, rows: Sequence[InboxId], why: str) -> None:
    """Mark rows as not for LivePerson any more, for this reason; not those that it has."""
    now = now_ms()
    await _KEPT.run_many(transaction, [{"row": row, "why": why, "at": now} for row in rows])


# By the primary key. Locks the row. Run again, it writes the same.
_REWRITE = Statement(
    lambda _: (
        update(INBOX)
        .where(INBOX.c.id == bindparam("row"), INBOX.c.state != literal_column("'sent'"))
        .values(payload=bindparam("after"))
    )
)


async def rewrite(transaction: Transaction, row: InboxId, payload: str) -> None:
    """Change what a row holds that LivePerson does not have; it must not be on its way there."""
    await _REWRITE.change(transaction, row=row, after=payload)


# By `ix_inbox_session`: as many steps as the session has had messages. No lock.
_ALL_FAILED = Statement(
    lambda _: select(*_TOLD).where(_OF_SESSION, INBOX.c.state == literal_column("'failed'"))
)
# By the primary key. Locks the row. Run again, it finds none.
_TAKE_FAILED = Statement(
    lambda _: (
        update(INBOX)
        .where(
            INBOX.c.id == bindparam("row"), _OF_SESSION, INBOX.c.state == literal_column("'failed'")
        )
        .values(state="kept", error=bindparam("why"))
        .returning(INBOX.c.id)
    )
)


async def failed(transaction: Transaction, session: SessionId) -> list[ToldRow]:
    """The session's rows that could not be delivered, in order."""
    rows = await _ALL_FAILED.fetch(transaction, ToldRow, session=session)
    return sorted(rows, key=lambda row: row.order)


async def take_failed(transaction: Transaction, session: SessionId, row: InboxId, why: str) -> bool:
    """Have a failed row count as dealt with; False if it does already, or is none."""
    found = await _TAKE_FAILED.first(transaction, row=row, session=session, why=why)
    return found is not None


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
