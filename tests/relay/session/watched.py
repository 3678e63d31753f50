"""A session whose conversation is followed, without its actor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bridge.liveperson.connection import Connection
from bridge.liveperson.frames import ConversationChange
from bridge.relay.delivery.agents import Agents
from bridge.relay.delivery.machine import Delivery
from bridge.relay.delivery.reader import Reader
from bridge.relay.session.conversation import Conversation
from bridge.relay.shared.record import Record
from bridge.store.rows import SessionRow
from tests.relay.bench import ACCOUNT, Bench


@dataclass
class Watched:
    """A session, and what follows its conversation."""

    bench: Bench
    row: SessionRow
    reader: Reader
    delivery: Delivery
    conversation: Conversation

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        async with self.bench.connected(self.row, self.reader.receive) as connection:
            yield connection

    async def attach(self) -> None:
        async with self.connected() as connection:
            await self.conversation.attach(connection)

    async def observe(self, *changes: ConversationChange) -> None:
        """LivePerson has told these."""
        self.reader.changes += changes
        await self.conversation.observe()

    async def told(self) -> list[str]:
        return await self.bench.told(self.row)

    @property
    def agent(self) -> str:
        """Maria, as consumers see her."""
        return self.bench.liveperson.accounts[ACCOUNT].agent("maria").public_id


def watched_by(bench: Bench, row: SessionRow) -> Watched:
    """The session as another owner runs it."""
    record, delivery = Record(row, bench.deps), Delivery(row.id)
    agents = Agents.of(row, bench.deps)
    reader = Reader(record, bench.deps, delivery, agents)
    account = bench.deps.settings.account(row.account)

    async def introduce(connection: Connection) -> None:
        """Nobody looks at the profile here."""

    conversation = Conversation(record, reader, delivery, agents, account, introduce=introduce)
    return Watched(bench, row, reader, delivery, conversation)
