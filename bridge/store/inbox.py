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
from bridge.store.statement import Statement

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
    connection: Transaction,
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
    """Add what somebody did in Slack: a row for each of `items`, which are its parts, in order.

    `first`: the number of the first part.

    Returns the new rows; none if the event is known already (a redelivery). With another `state`
    than `waiting` the rows are finished from the start, `error` saying why.
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
            connection,
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


async def waiting(connection: Transaction, session: SessionId) -> list[InboxRow]:
    """What waits for LivePerson, in thread order."""
    rows = await _WAITING.fetch(connection, InboxRow, session=session)
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


async def sessions_waiting(connection: Transaction, owner: WorkerId, *, before: int) -> set[str]:
    """Which of a worker's sessions have had something waiting since before a time (ms).

    The poll that backs up the wake-ups. It costs what is waiting, not what there is.
    """
    found = await _SESSIONS_WAITING.run(connection, owner=owner, before=before)
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
    connection: Transaction, session: SessionId, dialog: str, after: int
) -> set[int]:
    """Sequences after `after` that are known to be our own messages."""
    found = await _KNOWN.run(connection, session=session, dialog=dialog, after=after)
    return {row[0] for row in found}


# By `ix_inbox_session`: as many steps as the session has had messages. No lock.
_UNNUMBERED = Statement(
    lambda _: select(*_COLUMNS).where(
        _OF_SESSION,
        INBOX.c.sequence.is_(None),
        INBOX.c.dialog_id.is_not(None),
        INBOX.c.state == literal_column("'sent'"),
    )
)


async def unnumbered(connection: Transaction, session: SessionId) -> list[InboxRow]:
    """What LivePerson took into a dialog without telling its sequence, in thread order."""
    rows = await _UNNUMBERED.fetch(connection, InboxRow, session=session)
    return sorted(rows, key=lambda row: row.order)


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
    connection: Transaction, row: InboxId, dialog: str | None, sequence: int | None
) -> None:
    """LivePerson has it, under this sequence if it told one.

    No dialog: it has no sequence that could still become known. Raises `NumberTaken` if another
    message has that number.
    """
    try:
        await _SENT.run(connection, row=row, dialog=dialog, number=sequence, at=now_ms())
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
            # The reader may have noted it meanwhile, with the number that its echo had.
            sequence=func.coalesce(bindparam("number", type_=BigInteger), INBOX.c.sequence),
            finished_at=bindparam("at"),
        )
    )
)


async def mark_all_sent(connection: Transaction, notes: Sequence[Mapping[str, Any]]) -> int:
    """LivePerson has these. Each of `notes`: row, session, epoch, dialog, number, at.

    Those of a session that somebody else has claimed meanwhile are passed over; gives how many
    are noted. Raises `NumberTaken` if another message has one of the numbers.
    """
    try:
        return await _ALL_SENT.run_many(connection, notes)
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


async def mark_failed(connection: Transaction, rows: Sequence[InboxId], error: str) -> None:
    """They will not be delivered, for this reason."""
    now = now_ms()
    notes = [{"row": row, "why": error, "at": now} for row in rows]
    await _FAILED.run_many(connection, notes)


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
    connection: Transaction,
    session: SessionId,
    ts: MessageTs,
    row: InboxId,
    *,
    before: str,
    items: Sequence[NewInbox],
) -> list[InboxRow]:
    """Put what has been made ready in a row's place; further items become rows of their own.

    If the payload is not `before` any more, that has been done already, by a commit that took
    effect although nobody heard of it: then nothing is changed. Returns what waits now of the
    message `ts`, in order.
    """
    first, *further = items
    changed = await _REPLACE.first(connection, row=row, before=before, after=first.payload)
    if changed is not None:
        *same, part = changed
        shared = dict(zip(_SHARED, same, strict=True))
        for place, item in enumerate(further, part + 1):
            await _ADD.run(
                connection,
                kind=item.kind,
                part=place,
                payload=item.payload,
                state="waiting",
                error=None,
                finished_at=None,
                **shared,
            )
    return [each for each in await waiting(connection, session) if each.message_ts == ts]
