"""Finds times when Slack could not reach the fleet, and marks the threads to be read for them.

Slack delivers an event again for about six minutes if the bridge does not answer, and not at all
if no Socket Mode connection is open. What it could not deliver is still in the threads, and is read
there (`catching_up`). One rule decides when that is necessary.

A worker is present while Slack can reach it and its heartbeats are committed: then it stores what
Slack delivers. Each heartbeat says since when the worker has been present without a break, and the
database keeps until when the whole fleet was present. If a worker's presence begins after the
fleet's ended, there was a gap in which nobody was present. Its cause (a start, a lost socket, a
database that was away, a process that stood still) and its length do not matter: each open thread
is marked in the database, to be read since the end of the fleet's presence.

A message may also fail to be stored while its worker is present. It is remembered and its thread is
marked in the same way, because all four of Slack's deliveries may meet with the same failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator

import structlog

from bridge.ids import ChannelId, MessageTs, TeamId, ts_key
from bridge.relay.shared.deps import SessionDeps
from bridge.store import presence, workers
from bridge.store.connection import Transaction

log = structlog.get_logger(__name__)

MARKED = 1_000
"""Most threads that are marked in one transaction."""
AT_ONCE = 100
"""Most threads with refused messages that are marked in one transaction."""
REMEMBERED = 10_000
"""Most threads with refused messages that are remembered; others have Slack's redeliveries only."""

Unstored = dict[tuple[TeamId, ChannelId, MessageTs], int]
"""Threads, and since when (ms) each has to be read."""


class Presence:
    """This worker's presence, and its part in judging the fleet's."""

    def __init__(self, deps: SessionDeps) -> None:
        self._deps = deps
        self._reachable_since: Callable[[], float | None] = lambda: -math.inf
        self.to_judge = asyncio.Event()
        """Set when there may have been a gap: call `judge`."""
        self.to_read = deps.to_read
        """Set when threads of this worker's sessions may have been marked."""
        self._last_heartbeat = -math.inf
        self._beating_since = 0.0
        self._refused: Unstored = {}
        self._reading: tuple[TeamId, ChannelId, MessageTs] | None = None
        self._present_since: tuple[tuple[float, float], int] | None = None

    def reachable_by(self, since: Callable[[], float | None]) -> None:
        """Set how to tell whether Slack reaches this process. The default is HTTP: always.

        `since` returns the loop time since when Slack has reached it without a break; None: it does
        not.
        """
        self._reachable_since = since

    def refused(self, team: TeamId, channel: ChannelId, thread: MessageTs, ts: MessageTs) -> None:
        """A message could not be stored: have its thread marked, for Slack may not redeliver it."""
        if (team, channel, ts) == self._reading:
            return
        key, at = (team, channel, thread), ts_key(ts)[0] * 1000
        if key in self._refused or len(self._refused) < REMEMBERED:
            self._refused[key] = min(at, self._refused.get(key, at))
        self.to_judge.set()

    @contextlib.contextmanager
    def reading(self, team: TeamId, channel: ChannelId, ts: MessageTs) -> Iterator[None]:
        """While a message that was read is handed on: its thread is marked already if it fails."""
        self._reading = team, channel, ts
        try:
            yield
        finally:
            self._reading = None

    # For the heartbeat

    async def extend(self, transaction: Transaction) -> bool | None:
        """Record in a heartbeat's transaction that this worker is present.

        False: there is a gap before it. None: it is not present. Hand the result to
        `heartbeat_committed`.
        """
        if (found := await self._present(transaction)) is None:
            return None
        since, now = found
        return await presence.extend(transaction, since=since, until=now)

    def heartbeat_committed(self, extended: bool | None, at: float) -> None:
        """The heartbeat that began at `at` (by the lease's clock) is committed."""
        if self._heartbeats_failed(at):
            self._beating_since = at
        self._last_heartbeat = at
        if extended is False:
            self.to_judge.set()

    def _heartbeats_failed(self, now: float) -> bool:
        """Whether heartbeats failed for so long that Slack may have given up redelivering.

        After a shorter failure Slack delivers again, over HTTP and over Socket Mode.
        """
        return now - self._last_heartbeat > self._patience

    @property
    def _patience(self) -> float:
        return self._deps.settings.bridge_lease_seconds

    async def _present(self, transaction: Transaction) -> tuple[int, int] | None:
        """Since when this worker has been present without a break, and now; None: it is not.

        Both in milliseconds, by the clock that all workers share.
        """
        reachable, steady = self._reachable_since(), self._beating_since
        if reachable is None:
            return None
        clock = self._deps.lease.now
        ago = min(asyncio.get_running_loop().time() - reachable, clock - steady)
        now = await workers.database_now(transaction)
        if self._heartbeats_failed(clock):
            return now, now
        if self._present_since is None or self._present_since[0] != (reachable, steady):
            # Computed once, so that the duration of a query does not move it.
            self._present_since = (reachable, steady), now - int(ago * 1000)
        return self._present_since[1], now

    # Gaps

    async def judge(self) -> bool:
        """Mark the threads that have to be read; returns True. Raises `StoreUnavailable`."""
        await self._judge()
        await self._mark_refused()
        return True

    async def _judge(self) -> None:
        """Mark the open threads if there was a gap.

        If other workers are alive, they first get a lease's time to say that they were present.
        """
        async with self._deps.database.read() as transaction:
            if (found := await self._present(transaction)) is None:
                return
            since, now = found
            fleet = await presence.fleet_presence(
                transaction, self._deps.worker, now=now, lease_ms=int(self._patience * 1000)
            )
        if fleet.until is not None:
            if since <= fleet.until or (fleet.others and now - since < self._patience * 1000):
                return
            count = await self._mark(fleet.until)
            log.info("slack.was_out_of_reach", seconds=(since - fleet.until) / 1000, threads=count)
            self.to_read.set()
        await self._deps.database.writer.run(
            lambda transaction: presence.resume(transaction, fleet)
        )

    async def _mark(self, until: int) -> int:
        """Mark all open threads. If this is interrupted, the gap is found again."""
        writer, count = self._deps.database.writer, 0
        await writer.run(presence.count_gap)
        while True:
            marked = await writer.run(
                lambda transaction: presence.mark_open_threads(transaction, until, limit=MARKED)
            )
            count += marked
            if marked < MARKED:
                return count

    async def _mark_refused(self) -> None:
        """Mark the threads of messages that could not be stored."""
        while some := dict(list(self._refused.items())[:AT_ONCE]):

            async def work(transaction: Transaction, some: Unstored = some) -> None:
                for (team, channel, thread), since in some.items():
                    await presence.mark_thread(transaction, team, channel, thread, since)

            await self._deps.database.writer.run(work)
            self._refused = {k: v for k, v in self._refused.items() if some.get(k) != v}
            self.to_read.set()
