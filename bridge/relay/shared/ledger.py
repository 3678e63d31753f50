"""Marks rows as sent (LivePerson has them) or posted (Slack has them), in bulk for all sessions.

If such a note is lost in a crash, its row is in doubt and is looked for before it is sent again.
That is safe, so notes may wait for one another: all that come within `BATCH_DELAY` seconds share
one statement and one commit. A session waits for its last note before it sends its next message, so
that never more than one of its messages is in doubt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import structlog

from bridge.backoff import Backoff
from bridge.ids import InboxId, MessageTs, OutboxId
from bridge.relay.shared.bell import Bell
from bridge.store import inbox, outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.database import Database
from bridge.store.errors import NumberTaken, StoreUnavailable
from bridge.store.rows import SessionRow
from bridge.store.sessions import now_ms

log = structlog.get_logger(__name__)

BATCH_DELAY = 0.02
"""Seconds that a note waits for others to share a commit with."""

T = TypeVar("T")
Note = Mapping[str, Any]
"""The parameters of one statement."""

Done = Callable[[bool], None]
"""Called when a note is committed: True, or False if another worker owns the session now."""


class PendingReceipt:
    """Whether one session's last note is committed yet."""

    __slots__ = ("_ledger", "_waiter", "pending")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiter: asyncio.Future[None] | None = None
        self.pending = False

    def begin(self) -> None:
        """A note has been handed to the ledger."""
        self.pending = True

    def end(self) -> None:
        """The note is committed, or refused since the session has another owner."""
        self.pending = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def over(self) -> None:
        """Wait until no note is pending, and have the ledger write at once."""
        while self.pending:
            self._ledger.write_now()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None


class Ledger:
    """Collects the notes of all sessions and commits them together."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sent: list[Note] = []
        self._posted: list[Note] = []
        self._done: list[tuple[SessionRow, Done]] = []
        self._bell = Bell()
        self._task: asyncio.Task[None] | None = None

    def sent(
        self,
        session: SessionRow,
        row: InboxId,
        dialog: str | None,
        sequence: int | None,
        done: Done,
    ) -> None:
        """Mark a row as sent, under this sequence if LivePerson told one. Calls `done` after it."""
        self._sent.append(
            {
                "row": row,
                "session": session.id,
                "epoch": session.epoch,
                "dialog": dialog,
                "number": sequence,
                "at": now_ms(),
            }
        )
        self._note(session, done)

    def posted(
        self, session: SessionRow, rows: Sequence[OutboxId], ts: MessageTs | None, done: Done
    ) -> None:
        """Mark the rows of one post as posted, in one commit. Calls `done` once that is over."""
        now = now_ms()
        self._posted += [
            {"row": row, "session": session.id, "epoch": session.epoch, "ts": ts, "at": now}
            for row in rows
        ]
        self._note(session, done)

    def write_now(self) -> None:
        """Write now: somebody waits for a note."""
        self._bell.ring()

    async def written(self, limit: float) -> None:
        """Wait up to `limit` seconds until every note so far is committed."""
        if self._task is not None:
            self.write_now()
            await asyncio.wait({self._task}, timeout=limit)

    def _note(self, session: SessionRow, done: Done) -> None:
        self._done.append((session, done))
        if self._task is None:
            self._task = asyncio.create_task(self._write_all(), name="ledger")

    async def _write_all(self) -> None:
        try:
            while self._done:
                await self._bell.heard(BATCH_DELAY)
                self._bell.clear()
                await self._write()
        finally:
            self._task = None

    async def _write(self) -> None:
        """Write the notes that are there, however long the database is away."""
        sent, self._sent = self._sent, []
        posted, self._posted = self._posted, []
        done, self._done = self._done, []
        try:
            epochs = await self._write_together(sent, posted, {row.id for row, _ in done})
        except Exception:  # a bug: the sessions start anew from the store and look for their rows
            log.exception("ledger.failed", notes=len(done))
            epochs = {}
        for row, tell in done:
            tell(epochs is None or epochs.get(row.id) == row.epoch)

    async def _write_together(
        self, sent: Sequence[Note], posted: Sequence[Note], names: Collection[str]
    ) -> dict[str, int] | None:
        """Write all notes in one transaction. Returns the sessions' epochs if one is not ours."""

        async def work(transaction: Transaction) -> dict[str, int] | None:
            count = await inbox.mark_all_sent(transaction, sent)
            count += await outbox.mark_all_posted(transaction, posted)
            if count == len(sent) + len(posted):
                return None
            return await sessions.epochs_of(transaction, names)

        try:
            return await self._run(work)
        except NumberTaken:
            for note in sent:
                await self._write_alone(note)
            await self._run(lambda transaction: outbox.mark_all_posted(transaction, posted))
            return await self._run(lambda transaction: sessions.epochs_of(transaction, names))

    async def _write_alone(self, note: Note) -> None:
        """Mark one message as sent; without its number if another message has that number.

        It was sent all the same, and its session will look for its event in the dialog. This should
        never happen, so it is logged as an error.
        """
        try:
            await self._run(lambda transaction: inbox.mark_all_sent(transaction, [note]))
        except NumberTaken as error:
            log.error(
                "ledger.number_taken",
                session=note["session"],
                sequence=note["number"],
                remedy=error.remedy,
            )
            unnumbered = {**note, "number": None}
            await self._run(lambda transaction: inbox.mark_all_sent(transaction, [unnumbered]))

    async def _run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        backoff = Backoff(first=0.1, cap=5.0)
        while True:
            try:
                return await self._database.writer.run(work)
            except StoreUnavailable as error:
                log.warning("ledger.store_unavailable", error=str(error))
                await asyncio.sleep(backoff.next())
