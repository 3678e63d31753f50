"""The group-committing writer: all waiting works share one transaction and one commit.

A commit costs a flush to the disk, whether it has one row or a hundred. So one task collects the
waiting works, runs them one after the other in one transaction, commits once, and only then hands
out their results. The next batch collects while it commits. Transactions begin at least `PACE`
seconds apart: an idle bridge commits at once, a busy one in batches.

A work that fails does not harm the others. A batch first runs without savepoints (the usual case,
and cheap). If a work raises, all is rolled back and the batch runs again with a savepoint for each
work: those that raise again get their own errors, and the others are committed.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from bridge import metrics
from bridge.backoff import Backoff
from bridge.store.connection import Transaction, WriteConnection
from bridge.store.driver_errors import Unavailable, describe, unavailable
from bridge.store.errors import CommitUnknown, StoreUnavailable
from bridge.store.lanes import Lane

T = TypeVar("T")
Work = Callable[[Transaction], Awaitable[T]]

log = logging.getLogger(__name__)

BATCH = 256
"""Most works in one transaction: it bounds how long a late one waits, and how long locks last."""
PACE, BUSY_PACE = 0.003, 0.01
"""Least seconds from the beginning of one transaction to the next, for an idle and a busy writer.
Fewer transactions wake the waiting tasks less often, which saves a third of a message's CPU."""
BUSY = 400.0
"""A writer with more works a second than this is busy."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds between attempts while the database is busy or down."""
MOMENT = 1.0
"""A database that is busy for less than so many seconds is not reported."""
CLEAN_UP_SECONDS = 5.0
"""How long undoing a failed attempt may take before its connection is abandoned."""


class _Item:
    """One work, and the future that its caller waits for."""

    __slots__ = ("begun", "future", "work")

    def __init__(self, work: Work[Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        self.begun = False

    def expire(self, seconds: float, writer: Writer) -> None:
        """The deadline has passed."""
        if not self.future.done():
            self.future.set_exception(
                self.unavailable(
                    f"The database did not take it in {seconds:g} s: {writer.trouble or 'busy'}."
                )
            )

    def unavailable(self, what: str) -> StoreUnavailable:
        """The error for the caller: once the commit has begun, the work may be written."""
        return (CommitUnknown if self.begun else StoreUnavailable)(what)


class _Raised:
    """The exception that a work raised, as distinct from a result."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Writer:
    """Runs works in shared transactions. It starts on demand; its owner calls `stop`."""

    def __init__(self, lane: Lane, *, deadline: float = 10.0, batch: int = BATCH) -> None:
        """Write over `lane`; `deadline` in seconds."""
        self._lane = lane
        self._deadline = deadline
        self._batch = batch
        self._waiting: deque[_Item] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.Handle | None = None  # uvloop gives no TimerHandle for "at once"
        self._due_at = math.inf
        self._next_at = self._begun_at = -math.inf
        self._rate = 0.0
        self._task: asyncio.Task[None] | None = None
        self._committing = False
        self._stopping = False
        self.trouble: str | None = None
        """The database's last error, while it does not take writes."""
        self._trouble_since = 0.0
        self.commits = 0
        """How many transactions were committed."""

    @property
    def lasting_trouble(self) -> str | None:
        """The database's error, if it has not taken writes for longer than a moment."""
        passed = time.monotonic() - self._trouble_since
        return self.trouble if passed >= MOMENT else None

    async def run(self, work: Work[T], *, deadline: float | None = None) -> T:
        """Run `work` in a transaction and return its result, once that is committed.

        `work` must be safe to run again: a batch that fails before its commit is run from its
        start, so `work` must change nothing but the database, and await nothing but its connection.
        It must not commit or roll back.

        Raise what `work` raises (it then wrote nothing), or `StoreUnavailable` when the database
        stays busy or down for `deadline` seconds (the writer's own by default), or when the
        connection is lost during the commit. Cancelling the waiter disturbs nobody else; its work
        is dropped unless it has begun.
        """
        if self._stopping:
            raise StoreUnavailable("The bridge is shutting down: nothing is written any more.")
        loop = asyncio.get_running_loop()
        item = _Item(work, loop.create_future())
        self._waiting.append(item)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._write_all(), name="store-writer")
        now = loop.time()
        self._wake_at(max(now, self._next_at))
        seconds = self._deadline if deadline is None else deadline
        expiry = loop.call_at(now + seconds, item.expire, seconds, self)
        try:
            result: T = await item.future
            return result
        finally:
            expiry.cancel()

    def _wake_at(self, when: float) -> None:
        """Have the next transaction begin at this time of the loop's, if not before."""
        loop = asyncio.get_running_loop()
        if when <= loop.time():
            self._wake.set()
        elif self._timer is None or when < self._due_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer, self._due_at = loop.call_at(when, self._due), when

    def _due(self) -> None:
        self._timer = None
        self._wake.set()

    async def stop(self, deadline: float = 10.0) -> None:
        """Write the waiting works, refuse new ones, and close the connection.

        A work that is not written after `deadline` seconds gets `StoreUnavailable`.
        """
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=deadline)
            for task in late:
                task.cancel()
                await asyncio.wait({task})
        self._refuse(self._waiting, "The bridge shut down meanwhile.")
        self._waiting.clear()
        await self._give_back(broken=False)

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            while self._waiting:
                if self._timer is not None:  # it was set for the works that are written now
                    self._timer.cancel()
                    self._timer = None
                self._wake.clear()
                count = min(self._batch, len(self._waiting))
                self._next_at = self._begin(loop.time(), count)
                await self._write([self._waiting.popleft() for _ in range(count)])
                if count < self._batch and not (self._wake.is_set() or self._stopping):
                    break  # works that came meanwhile have set a timer of their own
            if self._stopping:
                return

    def _begin(self, now: float, works: int) -> float:
        """Count a transaction with so many works; returns when the next one may begin."""
        # A running average over the last second or so.
        passed = min(now - self._begun_at, 1.0)
        self._begun_at = now
        self._rate += (works / max(passed, 1e-6) - self._rate) * passed
        return now + (BUSY_PACE if self._rate >= BUSY else PACE)

    async def _write(self, batch: list[_Item]) -> None:
        """Write `batch`: try until it is written or no caller waits any more."""
        isolated = False
        backoff = Backoff(first=FIRST_PAUSE, cap=LONGEST_PAUSE, jitter=0.5)
        try:
            while batch := [item for item in batch if not item.future.done()]:
                try:
                    self._committing = False
                    async with asyncio.timeout(self._deadline):
                        outcomes = await self._lane.run(
                            partial(self._attempt, batch=batch, isolated=isolated)
                        )
                except Exception as error:  # noqa: BLE001 - told to those who wait for it
                    if await self._clean_up(batch, error):
                        await asyncio.sleep(backoff.next())
                    elif isolated or len(batch) == 1:
                        self._deliver(batch, [_Raised(error)] * len(batch))
                    else:
                        isolated = True
                else:
                    self.trouble = None
                    self._deliver(batch, outcomes)
        except BaseException:  # the writer itself is being stopped
            self._refuse(batch, "The bridge shut down meanwhile.")
            await self._give_back(broken=True)
            raise

    async def _attempt(
        self, connection: WriteConnection, batch: list[_Item], *, isolated: bool
    ) -> list[Any]:
        """Run `batch` in one transaction; return what each returned or, if isolated, raised."""
        await connection.begin()
        outcomes: list[Any] = []
        for item in batch:
            if item.future.done():  # its caller was told that nothing is written
                outcomes.append(None)
                continue
            item.begun = True
            run = _in_savepoint if isolated else _plainly
            outcomes.append(await run(connection, item.work))
        self._committing = True
        await connection.commit()
        self.commits += 1
        metrics.COMMITS.inc()
        metrics.WORKS.inc(len(batch))
        return outcomes

    async def _clean_up(self, batch: list[_Item], error: Exception) -> bool:
        """Undo a failed attempt. Return whether the database failed, and not a work."""
        kind = unavailable(error)
        if kind is Unavailable.DOWN:
            await self._give_back(broken=True)
        else:
            await self._roll_back()
        if kind is not None:
            trouble = describe(error)
            if self.trouble is None:
                self._trouble_since = time.monotonic()
            if trouble != self.trouble:
                log.warning("The database does not take writes: %s", trouble)
            self.trouble = trouble
        if self._committing and kind is Unavailable.DOWN:
            self._refuse(batch, f"The connection was lost during a commit: {self.trouble}.")
        for item in batch:
            item.begun = False
        return kind is not None

    async def _roll_back(self) -> None:
        try:
            async with asyncio.timeout(CLEAN_UP_SECONDS):
                await self._lane.roll_back()
        except Exception as error:  # noqa: BLE001 - whatever it is, a new connection cures it
            log.debug("Rolling back failed: %s", describe(error))
            await self._give_back(broken=True)

    async def _give_back(self, *, broken: bool) -> None:
        """Give the connection back; a broken one is closed, and what it had begun is undone."""
        try:
            async with asyncio.timeout(CLEAN_UP_SECONDS):
                await self._lane.give_back(broken=broken)
        except Exception as error:  # noqa: BLE001 - it is of no use any more, whatever it says
            log.debug("Closing a connection failed: %s", describe(error))

    def _deliver(self, batch: list[_Item], outcomes: list[Any]) -> None:
        for item, outcome in zip(batch, outcomes, strict=True):
            if item.future.done():
                continue  # its caller does not wait any more
            if isinstance(outcome, _Raised):
                item.future.set_exception(outcome.error)
            else:
                item.future.set_result(outcome)

    def _refuse(self, batch: Iterable[_Item], what: str) -> None:
        for item in batch:
            if not item.future.done():
                item.future.set_exception(item.unavailable(what))


async def _plainly(connection: Transaction, work: Work[Any]) -> Any:
    try:
        return await work(connection)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # It must not cancel the writer, which others wait for.
        raise RuntimeError("a work was cancelled from within") from None


async def _in_savepoint(connection: WriteConnection, work: Work[Any]) -> Any:
    try:
        async with connection.begin_nested():
            return await _plainly(connection, work)
    except Exception as error:
        if unavailable(error) is not None:
            raise
        return _Raised(error)
