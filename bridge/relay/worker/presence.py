"""Whether Slack could reach this fleet at every moment; if not, which threads are to be read.

Slack delivers an event again for about six minutes where a bridge does not answer, and not at all
where no Socket Mode connection is open. What it could not deliver stands in the threads, and is
read there (`catching_up`). When that is necessary follows from one rule.

A worker is present while Slack can reach it and its heartbeats are committed: then what it is told
is stored. The heartbeat says since when it has been present without a break, and the database keeps
until when the whole fleet has been. If the one begins after the other ends, there was a time when
nobody was present. It does not matter why (a start, a lost socket, a database that was away, a
process that stood still), nor for how long: each open thread is then marked, in the database, as
to be read since the end of the fleet's presence.

A message that could not be stored although everything seemed well is remembered, and its thread is
marked likewise: Slack tries four times, and each of them may meet with the same trouble.
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
"""Threads that are marked in one transaction."""
AT_ONCE = 100
"""Threads with refused messages that are marked in one transaction."""
REMEMBERED = 10_000
"""Threads with refused messages that are remembered; beyond that, Slack's tries must do."""

Unstored = dict[tuple[TeamId, ChannelId, MessageTs], int]
"""Threads, and since when (ms) each is to be read."""


class Presence:
    """This worker's part in it."""

    def __init__(self, deps: SessionDeps) -> None:
        self._deps = deps
        self._reachable_since: Callable[[], float | None] = lambda: -math.inf
        self.news = asyncio.Event()
        """Set when there may have been a gap: call `judge`."""
        self.to_read = deps.to_read
        """Set when threads of this worker's sessions may have been marked."""
        self._beaten = -math.inf
        self._steady_since = 0.0
        self._refused: Unstored = {}
        self._reading: tuple[TeamId, ChannelId, MessageTs] | None = None
        self._began: tuple[tuple[float, float], int] | None = None

    def reachable_by(self, since: Callable[[], float | None]) -> None:
        """How Slack reaches this process, if not by HTTP, which is there as long as it lives.

        `since` gives the loop time since when it can without a break; None: it cannot.
        """
        self._reachable_since = since

    def refused(self, team: TeamId, channel: ChannelId, thread: MessageTs, ts: MessageTs) -> None:
        """A message of a thread could not be stored; Slack may deliver it again, or may not."""
        if (team, channel, ts) == self._reading:
            return
        key, at = (team, channel, thread), ts_key(ts)[0] * 1000
        if key in self._refused or len(self._refused) < REMEMBERED:
            self._refused[key] = min(at, self._refused.get(key, at))
        self.news.set()

    @contextlib.contextmanager
    def reading(self, team: TeamId, channel: ChannelId, ts: MessageTs) -> Iterator[None]:
        """A message that was read is handed on: if it is refused, its thread is marked as it is."""
        self._reading = team, channel, ts
        try:
            yield
        finally:
            self._reading = None

    # For the heartbeat

    async def extend(self, connection: Transaction) -> bool | None:
        """Note in a heartbeat's transaction that this worker is present.

        False: that leaves a gap. None: it is not present. To be handed to `beaten`.
        """
        if (found := await self._present(connection)) is None:
            return None
        since, now = found
        return await presence.extend(connection, since=since, until=now)

    def beaten(self, extended: bool | None, at: float) -> None:
        """A heartbeat that was begun at `at` (by the lease's clock) is committed."""
        if self._broken(at):
            self._steady_since = at
        self._beaten = at
        if extended is False:
            self.news.set()

    def _broken(self, now: float) -> bool:
        """Whether heartbeats have failed for so long that messages may have been refused for good.

        What a shorter trouble has refused is delivered again, by both of Slack's ways.
        """
        return now - self._beaten > self._patience

    @property
    def _patience(self) -> float:
        return self._deps.settings.bridge_lease_seconds

    async def _present(self, connection: Transaction) -> tuple[int, int] | None:
        """Since when this worker has been present without a break, and now; None: it is not.

        Both in milliseconds, by the clock that all workers share.
        """
        reachable, steady = self._reachable_since(), self._steady_since
        if reachable is None:
            return None
        clock = self._deps.lease.now
        ago = min(asyncio.get_running_loop().time() - reachable, clock - steady)
        now = await workers.database_now(connection)
        if self._broken(clock):
            return now, now
        if self._began is None or self._began[0] != (reachable, steady):
            # Reckoned once: the time that a query takes must not move it.
            self._began = (reachable, steady), now - int(ago * 1000)
        return self._began[1], now

    # Gaps

    async def judge(self) -> bool:
        """Mark what is to be read; True when it is done. Raises `StoreUnavailable`."""
        await self._judge()
        await self._mark_refused()
        return True

    async def _judge(self) -> None:
        """Mark the open threads if there was a gap.

        Where others live, they are given a lease's time to say that they were there.
        """
        async with self._deps.database.read() as connection:
            if (found := await self._present(connection)) is None:
                return
            since, now = found
            fleet = await presence.known(
                connection, self._deps.worker, now=now, lease_ms=int(self._patience * 1000)
            )
        if fleet.until is not None:
            if since <= fleet.until or (fleet.others and now - since < self._patience * 1000):
                return
            count = await self._mark(fleet.until)
            log.info("slack.was_out_of_reach", seconds=(since - fleet.until) / 1000, threads=count)
            self.to_read.set()
        await self._deps.database.writer.run(lambda connection: presence.resume(connection, fleet))

    async def _mark(self, until: int) -> int:
        """Mark what is open. If this is interrupted, the gap is found again."""
        writer, count = self._deps.database.writer, 0
        await writer.run(presence.begin)
        while True:
            marked = await writer.run(
                lambda connection: presence.mark(connection, until, limit=MARKED)
            )
            count += marked
            if marked < MARKED:
                return count

    async def _mark_refused(self) -> None:
        """Mark the threads of messages that could not be stored when they came."""
        while some := dict(list(self._refused.items())[:AT_ONCE]):

            async def work(connection: Transaction, some: Unstored = some) -> None:
                for (team, channel, thread), since in some.items():
                    await presence.mark_thread(connection, team, channel, thread, since)

            await self._deps.database.writer.run(work)
            self._refused = {k: v for k, v in self._refused.items() if some.get(k) != v}
            self.to_read.set()
