"""The ledger: many notes share a transaction; a former owner is told that it lost the session."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from sqlalchemy import select
from structlog.testing import capture_logs

from bridge.ids import ChannelId, InboxId, MessageTs, SessionId, TeamId, UserId, WorkerId
from bridge.relay.shared.items import Text, packed
from bridge.relay.shared.ledger import Ledger, PendingReceipt
from bridge.store import inbox
from bridge.store.connection import Transaction
from bridge.store.database import Database
from bridge.store.models import INBOX
from bridge.store.rows import InboxRow, SessionRow
from bridge.store.sessions import add_session


async def prepared(database: Database, count: int) -> tuple[SessionRow, list[InboxRow]]:
    """A session with messages that wait."""

    async def work(transaction: Transaction) -> tuple[SessionRow | None, list[InboxRow]]:
        values = {"id": "s1", "request_key": "k", "team_id": "T", "channel_id": "C"}
        values |= {"opener_id": "U", "account": "1", "state": "active"}
        session = await add_session(transaction, values, WorkerId("w"))
        rows: list[InboxRow] = []
        for number in range(count):
            rows += await inbox.add(
                transaction,
                session=SessionId("s1"),
                team=TeamId("T"),
                channel=ChannelId("C"),
                ts=MessageTs(f"1.{number:06d}"),
                user=UserId("U"),
                items=[packed(Text("hello", "hello"))],
            )
        return session, rows

    session, rows = await database.writer.run(work)
    assert session is not None
    return session, rows


def note(told: asyncio.Queue[tuple[InboxId, bool]], row: InboxId, ours: bool) -> None:
    told.put_nowait((row, ours))


async def sent(database: Database) -> dict[InboxId, int | None]:
    """Which messages are noted as sent, and their sequences."""
    async with database.read() as transaction:
        found = await transaction.execute(
            select(INBOX.c.id, INBOX.c.sequence).where(INBOX.c.state == "sent")
        )
        return {InboxId(row.id): row.sequence for row in found}


async def test_notes_share_a_transaction_and_are_told_when_they_are_safe(
    database: Database,
) -> None:
    session, rows = await prepared(database, 5)
    ledger, told = Ledger(database), asyncio.Queue[tuple[InboxId, bool]]()
    before = database.writer.commits

    for number, row in enumerate(rows):
        ledger.sent(session, row.id, "d", number, partial(note, told, row.id))
    assert told.empty()
    heard = [await asyncio.wait_for(told.get(), 10) for _ in rows]

    assert heard == [(row.id, True) for row in rows]
    assert await sent(database) == {row.id: number for number, row in enumerate(rows)}
    assert database.writer.commits == before + 1


async def test_who_has_lost_the_session_writes_nothing_and_is_told(database: Database) -> None:
    session, rows = await prepared(database, 2)
    ledger, told = Ledger(database), asyncio.Queue[bool]()

    ledger.sent(replace(session, epoch=session.epoch - 1), rows[0].id, "d", 0, told.put_nowait)
    ledger.sent(session, rows[1].id, "d", 1, told.put_nowait)

    assert [await asyncio.wait_for(told.get(), 10) for _ in rows] == [False, True]
    assert await sent(database) == {rows[1].id: 1}


async def test_whoever_waits_for_a_note_hurries_it(database: Database) -> None:
    session, rows = await prepared(database, 1)
    ledger = Ledger(database)
    noting = PendingReceipt(ledger)

    noting.begin()
    ledger.sent(session, rows[0].id, "d", 0, lambda _: noting.end())
    await asyncio.wait_for(noting.over(), 10)

    assert not noting.pending
    assert await sent(database) == {rows[0].id: 0}
    await ledger.written(10)  # nothing is left to do


async def test_a_number_that_is_another_messages_is_refused_loudly_and_spoils_nothing_else(
    database: Database,
) -> None:
    session, rows = await prepared(database, 3)
    ledger, told = Ledger(database), asyncio.Queue[bool]()

    with capture_logs() as logs:
        ledger.sent(session, rows[0].id, "d", 7, told.put_nowait)
        ledger.sent(session, rows[1].id, "d", 7, told.put_nowait)
        ledger.sent(session, rows[2].id, "d", 8, told.put_nowait)
        assert [await asyncio.wait_for(told.get(), 10) for _ in rows] == [True, True, True]

    assert await sent(database) == {rows[0].id: 7, rows[1].id: None, rows[2].id: 8}
    assert [entry["event"] for entry in logs] == ["ledger.number_taken"]
