"""What a person is told while LivePerson cannot be reached."""

from __future__ import annotations

import asyncio

import structlog

from bridge import metrics
from bridge.backoff import Backoff
from bridge.liveperson.errors import LivePersonError
from bridge.relay.shared.deps import Timings
from bridge.relay.shared.record import Record, notice
from bridge.slack.views import notices
from bridge.slack.views.troubles import trouble
from bridge.state import State

log = structlog.get_logger(__name__)

TOLD_OF = frozenset({State.READY, State.WAITING, State.ACTIVE, State.SURVEY})
"""States in which somebody may wait for something, so that an outage is worth a word."""


class Outage:
    """The time without a connection: when to try again, and when to tell the person.

    An outage shorter than `outage_grace` is not mentioned. A longer one is told once, and so is its
    end. Both are stored in the session's row, so a new owner tells neither again.
    """

    __slots__ = (
        "_backoff",
        "_record",
        "_since",
        "_timings",
    )

    def __init__(self, record: Record, timings: Timings) -> None:
        self._record = record
        self._timings = timings
        self._backoff = Backoff(first=timings.retry_first, cap=timings.retry_cap)
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        """How long there has been no connection."""
        return 0.0 if self._since is None else asyncio.get_running_loop().time() - self._since

    @property
    def lasting(self) -> bool:
        """Whether an attempt to connect has failed before this one."""
        return self._since is not None

    def begin(self, error: LivePersonError) -> tuple[float, float | None]:
        """A try failed. Returns when to try again and when to tell (loop times; None: never)."""
        now = asyncio.get_running_loop().time()
        log.info(
            "session.connection_lost",
            session=self._record.row.id,
            error=error.code,
            inner=error.inner,
            detail=str(error),
        )
        metrics.CONNECTIONS_LOST.labels(error.code).inc()
        if self._since is None:
            self._since = now
        again = now + self._backoff.next(error.retry_after)
        row = self._record.row
        if row.state == State.CONNECTING:
            told = row.reason == str(trouble(error.code, error.inner))
        else:
            told = row.state not in TOLD_OF
        return again, None if told else self._since + self._timings.outage_grace

    async def tell(self, error: LivePersonError) -> None:
        """Say in the thread that LivePerson cannot be reached."""
        row = self._record.row
        if row.state == State.CONNECTING:
            told = trouble(error.code, error.inner)
            first = [] if row.reason else [notice(notices.connecting_slowly(told.what))]
            await self._record.write(*first, reason=str(told))
        elif row.state in TOLD_OF:
            await self._record.write(
                notice(notices.connection_lost()), state=State.RECONNECTING.value
            )

    async def over(self, now: State) -> None:
        """The connection is back and everything missed is read: say so if its end was awaited.

        `now`: how the conversation stands.
        """
        row = self._record.row
        if self._since is not None:
            log.info("session.restored", session=row.id, seconds=round(self.seconds, 1))
        self._since = None
        if row.state == State.RECONNECTING:
            await self._record.write(
                notice(notices.connection_restored()), state=now.value, reason=None
            )
        elif row.reason:
            await self._record.write(reason=None)

    def stable(self) -> None:
        """The connection has held for a while: the next outage starts with a short wait again."""
        self._backoff.reset()
