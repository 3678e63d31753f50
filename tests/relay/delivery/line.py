"""A session with an open conversation: its record, machine, reader and publisher, and no actor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bridge.liveperson.connection import Connection
from bridge.liveperson.frames import Notification
from bridge.liveperson.ids import DialogId
from bridge.relay.delivery.agents import Agents
from bridge.relay.delivery.machine import Delivery
from bridge.relay.delivery.publisher import Publisher
from bridge.relay.delivery.reader import Reader
from bridge.relay.shared.bell import Bell
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import Item
from bridge.relay.shared.record import Record
from bridge.store.rows import InboxRow, NewInbox, SessionRow
from tests.relay.bench import Bench


@dataclass
class Line:
    """What the actor would hold. `bell` rings when the publisher or the reader wants it to look."""

    bench: Bench
    row: SessionRow
    connection: Connection
    conversation: str
    record: Record
    delivery: Delivery
    reader: Reader
    publisher: Publisher
    bell: Bell
    failures: list[Exception] = field(default_factory=list)
    """What the publisher has told its actor."""

    def attach(self) -> None:
        """Let the publisher publish."""
        self.publisher.attach(self.connection, DialogId(self.conversation))

    async def says(self, *texts: str | Item | NewInbox) -> list[InboxRow]:
        """Somebody writes messages; the publisher is handed them."""
        rows = [row for text in texts for row in await self.bench.says(self.row, text)]
        self.publisher.add(rows)
        return rows

    async def idle(self) -> None:
        """Wait until the publisher can do nothing more, and what it did is stored."""
        async with asyncio.timeout(15):
            await self.publisher.pump.drained()
        await self.bench.deps.ledger.written(5.0)

    async def barrier(self) -> None:
        """When this returns, LivePerson has dealt with all that left, and told what it led to."""
        await self.connection.get_clock()

    @property
    def said(self) -> list[str]:
        """What has arrived at LivePerson, in order."""
        return self.bench.said(self.conversation)

    async def states(self) -> list[str]:
        """What the store says of each message."""
        return [row.state for row in await self.bench.inbox(self.row)]


@asynccontextmanager
async def line_of(bench: Bench, deps: SessionDeps | None = None) -> AsyncIterator[Line]:
    """Open a conversation, and have its dialog read."""
    deps = deps or bench.deps
    row = await bench.session()
    await bench.sign_in(row)
    record, delivery, bell = Record(row, deps), Delivery(row.id), Bell()
    delivery.consumer_id = row.consumer_id
    failures: list[Exception] = []
    reader = Reader(record, deps, delivery, Agents.of(row, deps))
    publisher = Publisher(record, deps, delivery, failed=failures.append, wake=bell.ring)

    def receive(notification: Notification) -> None:
        if not reader.receive(notification):
            bell.ring()

    async with bench.connected(row, receive) as connection:
        conversation = await bench.open(row, connection)
        delivery.add_dialog(conversation)
        await reader.subscribe(connection)
        line = Line(
            bench,
            row,
            connection,
            conversation,
            record,
            delivery,
            reader,
            publisher,
            bell,
            failures,
        )
        try:
            yield line
        finally:
            await publisher.detach()
