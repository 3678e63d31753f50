"""Posts one session's outbox into its thread: in order, each row once; then updates the card."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import groupby
from typing import Any, Final, TypeVar

import msgspec
import structlog

from bridge import metrics
from bridge.backoff import Backoff
from bridge.ids import MessageTs
from bridge.relay.posting.card import Card
from bridge.relay.posting.files import FilePosting
from bridge.relay.posting.hold import ThreadGoneError
from bridge.relay.posting.parcel import TOGETHER, Together, Waiting, key_of
from bridge.relay.posting.posting import Posting
from bridge.relay.shared import first
from bridge.relay.shared.bell import Bell
from bridge.relay.shared.cards import CHANGE, Change, changes_of, updates
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.hosted import FILE, Hosted
from bridge.relay.shared.ledger import PendingReceipt
from bridge.relay.shared.pump import Pump
from bridge.relay.shared.ratings import QUESTION, RATED, Rated, read_rated
from bridge.relay.shared.record import GONE, UNMARK, Record, notice
from bridge.slack.views import notices
from bridge.slack.web.errors import SlackError, SlackRefused
from bridge.slack.web.sender import Mark, Post
from bridge.store import outbox
from bridge.store.connection import Transaction
from bridge.store.handover import Handover
from bridge.store.rows import OutboxRow
from bridge.store.sessions import FencedError, now_ms

ASIDE: Final = frozenset({"mark", UNMARK, CHANGE, RATED})
"""Kinds of rows that change what is there. Whatever is to be read goes first."""
GRACE: Final = 0.3
"""A change that has not been made within so many seconds gives way to what is to be read."""
OWN = ("bridge:", "press:")
"""How the identity of a row begins that shows no event of LivePerson's."""
BY_AGENTS = frozenset({"agent", FILE})
"""Kinds of rows that show what an agent has sent."""
DELETED: Final = "thread_not_found"
"""Slack's error for a thread that does not exist."""
REMEMBERED = 96
"""How many finished rows are remembered: a query that began before may still return them. More than
leave in one post."""

log = structlog.get_logger(__name__)

T = TypeVar("T")


class _GivesWay(Exception):  # noqa: N818 - nothing is wrong
    """Something to be read waits behind a change."""


class Poster:
    """Posts the waiting rows, then updates the card."""

    __slots__ = (
        "_bell",
        "_deps",
        "_doubtful",
        "_failed",
        "_files",
        "_finished",
        "_hold",
        "_posting",
        "_receipt",
        "_record",
        "_reload",
        "_together",
        "_waiting",
        "card",
        "pump",
        "shown",
    )

    def __init__(
        self,
        record: Record,
        deps: SessionDeps,
        failed: Callable[[Exception], None],
        hosted: Hosted | None = None,
    ) -> None:
        self._record = record
        self._deps = deps
        self._posting = Posting(record, deps)
        hosted = hosted or Hosted(deps, record.row.account)
        self._files = FilePosting(record, deps, self._posting, hosted)
        self.card = Card(record, deps, self._posting)
        self._waiting: list[OutboxRow] = []
        self._doubtful: frozenset[int] = frozenset()
        self._reload = False
        self._together = Together()
        self._bell = Bell()
        self._finished: list[int] = []
        self._failed = failed
        self.shown: Callable[[OutboxRow, MessageTs, bool], None] = lambda row, ts, whole: None
        """Called when a row's message was posted. Its last argument: whether it shows an event of
        LivePerson's, which now stands in the thread as a whole."""
        self._receipt = PendingReceipt(deps.ledger)
        self._hold = self._posting.hold
        self.pump = Pump(
            f"poster {record.row.id}", self._work, failed, resting=lambda: self._hold.resting
        )
        record.posted = self._added
        record.reload = self.refresh

    def take_over(self, left: Handover) -> None:
        """Continue after a former owner, which may have posted one of these rows, or the card."""
        self._take(left.outgoing)
        self._doubtful = frozenset(in_doubt(self._waiting))
        self.card.doubtful = True

    async def drained(self) -> None:
        """Wait until no post is under way and all that were made are marked as posted."""
        await self.pump.drained()
        await self._receipt.over()

    def refresh(self) -> None:
        """Look for rows that somebody else has committed."""
        self._reload = True
        self._bell.ring()
        self.pump.kick()

    def nudge(self) -> None:
        """A message came from the thread: if Slack was refusing our posts, try again now."""
        self._hold.nudge()

    async def _read(self) -> None:
        self._reload = False
        async with self._deps.database.read() as transaction:
            self._take(await outbox.waiting(transaction, self._record.row.id))

    @property
    def waiting(self) -> bool:
        """Whether something is still to be posted."""
        return bool(self._waiting)

    @property
    def has_files(self) -> bool:
        """Whether a file is still to be shown."""
        return any(row.kind == FILE for row in self._waiting)

    def _added(self, rows: Sequence[OutboxRow]) -> None:
        self._take(rows)
        self._bell.ring()
        self.pump.kick()

    def _take(self, rows: Sequence[OutboxRow]) -> None:
        """Queue rows, each once: they may come from a commit and from a look at the store."""
        known = {row.id for row in self._waiting}.union(self._finished)
        new = [row for row in rows if row.id not in known]
        if new:
            self._waiting = sorted([*self._waiting, *new], key=lambda row: row.id)

    async def _work(self) -> None:
        if self._record.row.thread_ts is None:
            await self.card.post()
        backoff = self._posting.backoff()
        while not self.pump.ending:
            if any(row.kind == GONE for row in self._waiting):
                await self._thread_deleted()
            if self._reload:
                async with self._deps.loading:  # many sessions may have been told to look at once
                    await self._read()
            elif self._waiting and not self.card.missing:
                await self._next()
            elif (wait := await self._refresh(backoff)) is not None:
                await self._pause(wait)
            elif not (self._waiting or self._reload):
                return

    async def _refresh(self, backoff: Backoff) -> float | None:
        """Update the card; returns what `Card.refresh` does."""
        try:
            return await self.card.refresh(backoff)
        except ThreadGoneError as gone:
            await self._give_up(gone)
            raise

    async def _pause(self, seconds: float) -> None:
        """Wait, unless there is something to post: the card must not hold messages up."""
        self._bell.clear()
        waiting = self._waiting and not self.card.missing
        if not (waiting or self._reload or self.pump.ending):
            await self._bell.heard(seconds)

    async def _next(self) -> None:
        # The former rows must be marked as posted first: so after a crash only the first waiting
        # row is in doubt, and what has left together with it.
        await self._receipt.over()
        try:
            if self._doubtful:
                await self._look()
            if (row := self._first()) is not None:
                await self._deliver(row)
        except ThreadGoneError as gone:
            await self._give_up(gone)
            raise

    def _first(self) -> OutboxRow | None:
        words = (row for row in self._waiting if row.kind not in ASIDE)
        return next(words, self._waiting[0] if self._waiting else None)

    async def _look(self) -> None:
        """Find out with one search which rows a former owner has posted."""
        doubtful = [r for r in self._waiting if r.id in self._doubtful and r.kind in TOGETHER]
        if not doubtful:
            return
        found = await self._posting.look_up(
            [key_of(row) for row in doubtful],
            self._record.row.thread_ts,
            since=min(row.created_at for row in doubtful),
        )
        self._doubtful -= {row.id for row in doubtful}
        shown = [row for row in self._waiting if key_of(row) in found]
        for ts, rows in groupby(shown, lambda row: found[key_of(row)]):
            await self._receipt.over()
            await self._shown(list(rows), ts)
        await self._receipt.over()  # before anything else leaves: only the first may be in doubt

    def _done(self, row: OutboxRow) -> None:
        self._waiting.remove(row)
        self._together.alone.discard(row.id)
        self._finished.append(row.id)
        del self._finished[:-REMEMBERED]

    async def _thread_deleted(self) -> None:
        """Slack has told that the first message is deleted: post nothing. Raises
        `ThreadGoneError`.

        The row that says so stays for as long as the conversation is open, for the next owner.
        """
        error = SlackRefused("The first message of the thread was deleted.", code=DELETED)
        gone = ThreadGoneError(error)
        for row in list(self._waiting):
            if row.kind != GONE or not self._record.row.live:
                await self._not_shown(row, error, thread=False)
                self._done(row)
        raise gone

    async def _give_up(self, gone: ThreadGoneError) -> None:
        """Mark all waiting rows as failed: their thread is given up."""
        for row in list(self._waiting):
            await self._not_shown(row, gone.error, thread=False)
            self._done(row)

    async def _deliver(self, row: OutboxRow) -> None:
        """Post a row, and what may go with it, or mark it as failed if Slack refuses it.

        Raises `ThreadGoneError`.
        """
        crash_point("post.before")
        rows: Sequence[OutboxRow] = [row]
        ts: MessageTs | None = None
        try:
            if row.kind in ASIDE:
                await self._unless_words(self._alter(row))
            elif row.kind == FILE:
                ts = await self._files.post(row, doubtful=row.id in self._doubtful)
            else:
                rows, ts = await self._post(row)
            crash_point("post.answered")
        except _GivesWay:
            return
        except SlackRefused as error:
            await self._not_shown(row, error, thread=True)
            self._done(row)
            return
        await self._shown(rows, ts)

    async def _shown(self, rows: Sequence[OutboxRow], ts: MessageTs | None) -> None:
        """Note that Slack has these rows."""
        self._receipt.begin()
        metrics.POSTED.inc(len(rows))
        now = now_ms()
        for row in rows:
            metrics.DOWN_SECONDS.observe(max(now - row.created_at, 0) / 1000)
        ids = [row.id for row in rows]
        self._deps.ledger.posted(self._record.row, ids, ts, self._noted)
        if ts is not None:
            for row in rows:
                self.shown(row, ts, is_event(row) and not self._goes_on(row))
        await self._hold.over()
        for row in rows:
            self._done(row)

    async def _unless_words(self, work: Coroutine[Any, Any, T]) -> T:
        """Do what may be done twice; break it off if it takes long and there is something to read.

        Raises `_GivesWay` then.
        """
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._bell.ring())
        try:
            await asyncio.wait({task}, timeout=GRACE)
            while not task.done():
                if any(row.kind not in ASIDE for row in self._waiting):
                    raise _GivesWay
                self._bell.clear()
                await self._bell.heard(60.0)
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    def _goes_on(self, row: OutboxRow) -> bool:
        """Whether another part of the same event follows: they stand next to each other."""
        after = next((each for each in self._waiting if each.id > row.id), None)
        return after is not None and (after.dialog_id, after.sequence) == (
            row.dialog_id,
            row.sequence,
        )

    def _noted(self, ours: bool) -> None:
        crash_point("post.noted")
        self._receipt.end()
        if not ours:
            self._failed(FencedError(self._record.row.id))

    async def _alter(self, row: OutboxRow) -> None:
        """Do with a row what its kind says. The same twice does no harm."""
        if row.kind == "mark":
            await self._posting.mark(
                await self._placed(msgspec.json.decode(row.payload, type=Mark))
            )
        elif row.kind == UNMARK:
            await self._posting.unmark(
                await self._placed(msgspec.json.decode(row.payload, type=Mark))
            )
        elif row.kind == CHANGE:
            await self._change(msgspec.json.decode(row.payload, type=Change))
        elif row.kind == RATED:
            await self._rated(read_rated(row.payload))

    async def _placed(self, mark: Mark) -> Mark:
        """A mark, and where it goes: of the first message, onto the post that shows it."""
        if mark.message_ts != first.TS:
            return mark
        async with self._deps.database.read() as connection:
            shown = await first.shown_at(connection, self._record.row.id)
        place = shown or self._record.row.thread_ts or mark.message_ts
        return msgspec.structs.replace(mark, message_ts=place)

    async def _change(self, change: Change) -> None:
        """Have a card's messages show what was pressed in it. The same twice does no harm."""
        name, session = changes_of(change.dialog, change.sequence), self._record.row.id
        async with self._deps.database.read() as connection:
            parts = await outbox.of_event(connection, session, change.dialog, change.sequence)
            history = await outbox.of_event(connection, session, name, change.sequence)
        for ts, post in updates(change, parts, history):
            await self._posting.update(ts, post)

    async def _rated(self, rated: Rated) -> None:
        """Have the question how it was show the answer. The same twice does no harm."""
        async with self._deps.database.read() as connection:
            asked = await outbox.of_event(connection, self._record.row.id, QUESTION, 0)
        for each in asked:
            if each.slack_ts is not None:
                await self._posting.update(each.slack_ts, Post(rated.text, rated.blocks))

    async def _post(self, row: OutboxRow) -> tuple[Sequence[OutboxRow], MessageTs]:
        """Post a row, and what waits behind it when the channel has a turn."""

        def waiting() -> Sequence[OutboxRow]:
            return [each for each in self._waiting if each.kind not in ASIDE and each.id >= row.id]

        parcel = Waiting(row, waiting, self._together)
        ts = await self._posting.send(
            parcel,
            thread_ts=self._record.row.thread_ts,
            born=row.created_at,
            doubtful=row.id in self._doubtful,
        )
        if parcel.hinted:
            self._together.told = time.monotonic()
        return parcel.rows, ts

    async def _not_shown(self, row: OutboxRow, error: SlackError, *, thread: bool) -> None:
        """Mark a row as failed. `thread`: say so in the thread if it was an agent's message."""
        log.warning("outbox.refused", session=self._record.row.id, outbox=row.id, error=error.code)
        said = []
        if row.kind in BY_AGENTS and thread:
            name = msgspec.json.decode(row.payload, type=Post).username
            said = [notice(notices.not_shown(name, str(error)))]

        async def work(transaction: Transaction) -> list[OutboxRow]:
            await outbox.mark_failed(transaction, row.id, f"{error} {error.remedy}")
            return await outbox.add(transaction, self._record.row.id, said)

        self._record.changed(await self._record.commit(work))
        metrics.NOT_POSTED.inc()


def is_event(row: OutboxRow) -> bool:
    """Whether a row shows something that LivePerson has told, and that has a number there."""
    return bool(row.dialog_id) and not row.dialog_id.startswith(OWN)


def in_doubt(waiting: Iterable[OutboxRow]) -> set[int]:
    """Which rows a former owner may have posted without marking them.

    Agents' messages are stored and posted by the owner in one order, so only the first of them can
    be such a row. Notices are stored by any worker, and may be committed after rows with higher
    ids: each of them can be.
    """
    found: set[int] = set()
    agents = False
    for row in waiting:
        if row.kind not in BY_AGENTS or not agents:
            found.add(row.id)
        agents = agents or row.kind in BY_AGENTS
    return found
