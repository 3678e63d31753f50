"""Passes on how a conversation was rated, when it is over: over a short connection of its own.

An answer is a row of the inbox like everything that LivePerson is to be told, and whoever owns the
session sends it until LivePerson has it. A rate waits a while for the second answer, so that as a
rule one frame goes. Saying the same again does no harm; if LivePerson refuses a second time what
it may have taken the first time, it has it.
"""

from __future__ import annotations

import msgspec
import structlog

from bridge.backoff import Backoff
from bridge.liveperson.connection import Connection
from bridge.liveperson.errors import (
    IdentityExpired,
    IdentityLost,
    LivePersonError,
    OutcomeUnknown,
    RequestRefused,
    TokenExpired,
    Transient,
)
from bridge.liveperson.ids import AccountId
from bridge.relay.delivery.machine import Delivery
from bridge.relay.session.consumer import Consumer
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import Queued, Rating, packed
from bridge.relay.shared.record import Record, notice
from bridge.slack.views import rating
from bridge.slack.views.troubles import trouble
from bridge.store import inbox, outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.rows import InboxRow, OutboxRow

log = structlog.get_logger(__name__)

PATIENCE_MS = 60 * 60 * 1000
"""An answer that LivePerson has not taken for so long is given up."""
BAD_TOKENS = 3
"""So often in a row a token may be refused that was just renewed."""


class Rater:
    """Sends the answers of one session."""

    __slots__ = (
        "_backoff",
        "_bad_tokens",
        "_consumer",
        "_delivery",
        "_deps",
        "_doubtful",
        "_fresh",
        "_record",
        "_whole",
    )

    def __init__(
        self, record: Record, deps: SessionDeps, delivery: Delivery, consumer: Consumer
    ) -> None:
        self._record = record
        self._deps = deps
        self._delivery = delivery
        self._consumer = consumer
        self._backoff = Backoff(first=deps.timings.retry_first, cap=deps.timings.retry_cap)
        self._bad_tokens = 0
        self._doubtful = False
        """Whether LivePerson may have what is to be sent."""
        self._fresh = True
        """Whether this owner has not tried yet."""
        self._whole = False
        """Whether LivePerson wants all fields, also those that nobody has filled in."""

    @property
    def waiting(self) -> list[Queued]:
        """The answers that are not sent, in order."""
        return [each for each in self._delivery.waiting if isinstance(each.item, Rating)]

    async def pass_on(self) -> float | None:
        """Send what is due. Returns in how many seconds to call again; None: all is sent."""
        rows = self.waiting
        if not rows or not isinstance(item := rows[-1].item, Rating):
            return None
        left = item.at / 1000 + self._deps.timings.rating - sessions.now_ms() / 1000
        if not item.final and left > 0:
            return min(left, self._deps.timings.rating)
        if item.tried and self._fresh:
            self._doubtful = True  # a former owner has died meanwhile
        self._fresh = False
        try:
            if not item.tried:
                await self._note_try(rows[-1], item)
            await self._send(item)
        except LivePersonError as error:
            return await self._failed(rows, item, error)
        crash_point("rating.answered")
        await self._done(rows, final=item.final)
        crash_point("rating.noted")
        return 0.0

    async def _note_try(self, queued: Queued, item: Rating) -> None:
        """Store that it may have been sent from now on."""
        row = self._record.row
        tried = packed(msgspec.structs.replace(item, tried=True))

        async def work(transaction: Transaction) -> list[InboxRow]:
            return await inbox.replace(
                transaction,
                row.id,
                queued.message_ts,
                queued.id,
                before=queued.payload,
                items=[tried],
            )

        self._delivery.renew(queued.id, await self._record.commit(work))

    async def _send(self, item: Rating) -> None:
        row = self._record.row
        if row.credentials is None:
            raise IdentityLost("The consumer of this conversation is not known any more.")
        async with self._deps.connecting.enter(row.account):
            credentials = await self._consumer.credentials()
            self._record.check_lease()
            async with Connection.open(
                self._deps.domains,
                AccountId(row.account),
                credentials,
                on_notification=lambda notification: None,
                request_timeout=self._deps.timings.request_timeout,
            ) as connection:
                crash_point("rating.before")
                await connection.rate(
                    row.conversation_id or "",
                    item.rate,
                    resolved=item.resolved,
                    whole=self._whole,
                )

    async def _failed(
        self, rows: list[Queued], item: Rating, error: LivePersonError
    ) -> float | None:
        """Try again, or say that it is not passed on. Returns what `pass_on` does."""
        log.info("rating.failed", session=self._record.row.id, error=error.code, detail=str(error))
        if isinstance(error, RequestRefused):
            if item.rate is not None and item.resolved is None and not self._whole:
                self._whole = True
                return 0.0
            # It has it, or has the rate at least, or nobody misses it.
            second = item.resolved is not None and len(rows) == 1
            if self._doubtful or second or item.rate is None:
                await self._done(rows, final=item.final)
                return 0.0
        self._doubtful = isinstance(error, OutcomeUnknown)
        if isinstance(error, TokenExpired | IdentityExpired):
            self._consumer.expired = error
            self._bad_tokens += 1
        late = item.at + PATIENCE_MS < sessions.now_ms()
        lost = isinstance(error, IdentityLost) or self._bad_tokens >= BAD_TOKENS
        if lost or late or not isinstance(error, Transient):
            await self._give_up(rows, error)
            return 0.0
        return self._backoff.next(error.retry_after)

    async def _done(self, rows: list[Queued], *, final: bool) -> None:
        """LivePerson has it. Its credentials are kept while a second answer may follow."""
        values = {"credentials": None} if final else {}

        async def work(transaction: Transaction) -> None:
            for each in rows:
                await inbox.mark_sent(transaction, each.id, None, None)
            if values:
                row = self._record.row
                await sessions.change_session(transaction, row.id, row.epoch, **values)

        await self._record.commit(work)
        self._delivery.remove([each.id for each in rows])
        self._record.changed([], **values)
        self._doubtful = False

    async def _give_up(self, rows: list[Queued], error: LivePersonError) -> None:
        """Say in the thread that it is not passed on."""
        reason = trouble(error.code).what
        said = notice(rating.not_passed_on(reason))

        async def work(transaction: Transaction) -> list[OutboxRow]:
            await inbox.mark_failed(transaction, [each.id for each in rows], reason)
            row = self._record.row
            await sessions.change_session(transaction, row.id, row.epoch, credentials=None)
            return await outbox.add(transaction, row.id, [said])

        added = await self._record.commit(work)
        self._delivery.remove([each.id for each in rows])
        self._record.changed(added, credentials=None)
