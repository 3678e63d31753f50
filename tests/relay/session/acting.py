"""One session's actor, run by the test instead of by a worker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bridge.relay.session.actor import Session
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import Item
from bridge.store.rows import InboxRow, SessionRow
from lp_sandbox.liveperson.conversations import SandboxConversation
from tests.relay.bench import ANA, Bench


@dataclass
class Acting:
    """The actor, and what people on either side see of it."""

    bench: Bench
    session: Session
    task: asyncio.Task[None]

    @property
    def row(self) -> SessionRow:
        """The session as its actor holds it."""
        return self.session.record.row

    async def over(self) -> None:
        """Wait until the actor has ended by itself; raises what ended it."""
        async with asyncio.timeout(15):
            await asyncio.shield(self.task)

    async def says(self, *items: str | Item) -> list[InboxRow]:
        """Somebody in the thread writes, or presses; handed over as the crew does."""
        rows = [row for item in items for row in await self.bench.says(self.row, item)]
        self.session.publisher.add(rows)
        self.session.poster.nudge()
        return rows

    @property
    def replies(self) -> list[str]:
        """What stands in the thread below the card."""
        if self.row.thread_ts is None:
            return []
        messages = self.bench.slack.thread(self.row.channel_id, self.row.thread_ts)
        return [str(message["text"]) for message in messages[1:]]

    async def shows(self, words: str) -> None:
        """Wait until a reply in the thread says this."""
        try:
            await self.bench.until(lambda: any(words in text for text in self.replies))
        except TimeoutError:
            raise AssertionError(f"no {words!r} in {self.replies}") from None

    @property
    def direct(self) -> list[str]:
        """What the opener was told outside the thread."""
        assert self.row.opener_id == ANA
        return [str(message["text"]) for message in self.bench.slack.messages("D0ANA")]

    @property
    def conversation(self) -> SandboxConversation | None:
        """The session's conversation, as LivePerson has it."""
        found = self.bench.liveperson.conversations
        return found.get(self.row.conversation_id or "")

    async def talking(self) -> SandboxConversation:
        """Wait until the conversation is open, and have Maria take it."""
        found = await self.bench.until(
            lambda: self.conversation if self.session.delivery.dialogs else None
        )
        await self.bench.liveperson.accept(found.id)
        await self.shows("joined")
        return found

    async def stored(self) -> Any:
        """The session's row, all columns, as the store has it."""
        return await self.bench.stored(self.row)


@asynccontextmanager
async def acting(
    bench: Bench,
    row: SessionRow | None = None,
    *,
    deps: SessionDeps | None = None,
    fresh: bool = True,
    waiting: tuple[Item, ...] = (),
) -> AsyncIterator[Acting]:
    """Run a session's actor; `waiting`: what was committed before it began."""
    row = row or await bench.session()
    session = Session(row, deps or bench.deps, fresh=fresh)
    session.publisher.add([each for item in waiting for each in await bench.says(row, item)])
    task = asyncio.create_task(session.run())
    try:
        yield Acting(bench, session, task)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
