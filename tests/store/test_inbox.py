"""The inbox: a row gets its final payload once, even if the answer to a commit is lost."""

from __future__ import annotations

from sqlalchemy import select, update

from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId, WorkerId
from bridge.store import inbox, outbox
from bridge.store.connection import Transaction
from bridge.store.database import Database
from bridge.store.models import INBOX
from bridge.store.rows import InboxRow, NewInbox, NewOutbox
from bridge.store.sessions import add_session

SESSION = SessionId("s1")
TS = MessageTs("1.000001")


def item(payload: str, kind: str = "text") -> NewInbox:
    return NewInbox(kind=kind, payload=payload)


async def add(transaction: Transaction, ts: MessageTs, *items: NewInbox) -> list[InboxRow]:
    return await inbox.add(
        transaction,
        session=SESSION,
        team=TeamId("T"),
        channel=ChannelId("C"),
        ts=ts,
        user=UserId("U"),
        items=items,
    )


async def prepared(database: Database) -> InboxRow:
    """A session in which one thing waits that is not ready, and a later one that is."""

    async def work(transaction: Transaction) -> InboxRow:
        values = {"id": "s1", "request_key": "k", "team_id": "T", "channel_id": "C"}
        values |= {"opener_id": "U", "account": "1", "state": "active"}
        await add_session(transaction, values, WorkerId("w"))
        await add(transaction, MessageTs("2.000001"), item("later"))
        return (await add(transaction, TS, item("raw")))[0]

    return await database.writer.run(work)


async def replace(database: Database, row: InboxRow, *items: NewInbox) -> list[tuple[str, int]]:
    """Make it ready; gives what waits of it."""
    rows = await database.writer.run(
        lambda transaction: inbox.replace(
            transaction, SESSION, TS, row.id, before=row.payload, items=items
        )
    )
    return [(each.payload, each.part) for each in rows]


async def waiting(database: Database) -> list[tuple[str, int]]:
    async with database.read() as transaction:
        rows = await inbox.waiting(transaction, SESSION)
    return [(each.payload, each.part) for each in rows]


async def test_a_row_becomes_its_parts_in_its_place(database: Database) -> None:
    row = await prepared(database)
    assert await replace(database, row, item("one"), item("two")) == [("one", 0), ("two", 1)]
    assert await waiting(database) == [("one", 0), ("two", 1), ("later", 0)]


async def test_what_was_made_ready_is_not_made_ready_in_other_words(database: Database) -> None:
    """The first commit took effect without an answer; meanwhile a name has changed."""
    row = await prepared(database)
    await replace(database, row, item("one"), item("two"))
    again = await replace(database, row, item("one and"), item("a half"), item("two"))
    assert again == [("one", 0), ("two", 1)]
    assert await waiting(database) == [("one", 0), ("two", 1), ("later", 0)]


async def test_what_is_over_is_not_made_ready(database: Database) -> None:
    row = await prepared(database)
    await database.writer.run(
        lambda transaction: transaction.execute(
            update(INBOX).where(INBOX.c.id == row.id).values(state="failed")
        )
    )
    assert await replace(database, row, item("one"), item("two")) == []
    async with database.read() as transaction:
        found = await transaction.execute(select(INBOX.c.payload).order_by(INBOX.c.id))
        assert [each.payload for each in found] == ["later", "raw"]


async def test_parts_of_different_kinds_keep_their_order(database: Database) -> None:
    await prepared(database)
    await database.writer.run(
        lambda transaction: add(
            transaction, MessageTs("3.000001"), item("receipt", "press"), item("words")
        )
    )
    async with database.read() as transaction:
        rows = await inbox.waiting(transaction, SESSION)
    assert [(each.kind, each.payload, each.part) for each in rows[-2:]] == [
        ("press", "receipt", 0),
        ("text", "words", 1),
    ]


async def test_a_message_is_found_by_the_number_that_liveperson_gave_it(
    database: Database,
) -> None:
    row = await prepared(database)

    async def work(transaction: Transaction) -> dict[int, MessageTs]:
        await inbox.mark_sent(transaction, row.id, "d", 7)
        return await inbox.messages_by_number(transaction, SESSION, "d", [6, 7, 8])

    assert await database.writer.run(work) == {7: TS}


async def test_the_last_events_that_stand_in_the_thread_are_known(database: Database) -> None:
    await prepared(database)

    async def work(transaction: Transaction) -> list[tuple[int, MessageTs]]:
        items = [
            NewOutbox(kind="agent", payload="{}", dialog_id=dialog, sequence=number)
            for dialog, number in (("d", 1), ("d", 4), ("d", 9), ("e", 2), ("d", 11))
        ]
        rows = await outbox.add(transaction, SESSION, items)
        notes = [
            {"row": row.id, "session": "s1", "epoch": 1, "ts": f"{row.sequence}.0", "at": 1}
            for row in rows[:4]  # the last one is not posted
        ]
        await outbox.mark_all_posted(transaction, notes)
        return await outbox.last_shown(transaction, SESSION, "d", 2)

    assert await database.writer.run(work) == [(4, "4.0"), (9, "9.0")]
