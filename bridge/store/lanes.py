"""The one connection that writes, and what it takes to run a batch of works on it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bridge.store.connection import InlineConnection, WriteConnection

T = TypeVar("T")
Attempt = Callable[[WriteConnection], Coroutine[Any, Any, T]]

WRITES = "bridge_writes"
"""Execution option of a connection whose transactions write: SQLite takes the lock at once."""


class Lane(Protocol):
    """A connection that writes, made when it is first needed and kept."""

    async def run(self, attempt: Attempt[T]) -> T:
        """Run `attempt` with the connection.

        When this returns or raises, nothing of `attempt` goes on. Cancelled, it may return all the
        same: then it was too late.
        """

    async def roll_back(self) -> None:
        """Undo the transaction that an attempt has left."""

    async def let_go(self, *, broken: bool) -> None:
        """Give the connection back; a broken one is closed. The next attempt takes a new one."""

    def end(self) -> None:
        """Nothing will be run any more."""


class LoopLane:
    """The connection of an asynchronous driver."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None

    async def run(self, attempt: Attempt[T]) -> T:
        """Run `attempt` here."""
        if self._connection is None:
            self._connection = await self._engine.connect()
        return await attempt(self._connection)

    async def roll_back(self) -> None:
        """Undo what was begun."""
        if self._connection is not None:
            await self._connection.rollback()

    async def let_go(self, *, broken: bool) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if broken:
                await connection.invalidate()
            await connection.close()

    def end(self) -> None:
        """Nothing is left to end."""


class _Job:
    """Something to be done in a thread, and the future that a loop waits for."""

    __slots__ = ("done", "ended", "error", "loop", "work")

    def __init__(self, work: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.loop = loop
        self.ended: asyncio.Future[None] = loop.create_future()
        self.done = False
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do it; in the thread."""
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - raised to whoever waits
            self.error = error
        self.done = True
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits
            self.loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if not self.ended.done():
            if self.error is None:
                self.ended.set_result(None)
            else:
                self.ended.set_exception(self.error)


class _Thread:
    """One thread that does one job after the other: less ceremony than an executor's."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._name = name
        self._started = False

    def put(self, job: _Job) -> None:
        """Have it done."""
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        self._jobs.put(job)

    def end(self) -> None:
        """Do what waits, then end."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            del job


def _nothing() -> None:
    return


class InlineLane:
    """SQLite's connection: statements here, commits in a thread of their own.

    A commit waits for the disk, and that must not hold the event loop up.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = _Thread("store-writer")
        self._connection: InlineConnection | None = None

    async def run(self, attempt: Attempt[T]) -> T:
        """Run `attempt` here."""
        if self._connection is None:
            connection = self._engine.connect().execution_options(**{WRITES: True})
            self._connection = InlineConnection(connection, self._in_thread)
        return await attempt(self._connection)

    async def roll_back(self) -> None:
        """Undo what was begun."""
        if self._connection is not None:
            self._connection.rollback()

    async def let_go(self, *, broken: bool) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(broken=broken)

    def end(self) -> None:
        """End the thread. Nothing can be run any more."""
        self._thread.end()

    async def _in_thread(self, work: Callable[[], None]) -> None:
        """Wait for `work` to its end, also when cancelled: a thread cannot be left behind."""
        loop = asyncio.get_running_loop()
        job = _Job(work, loop)
        self._thread.put(job)
        try:
            await job.ended
        except asyncio.CancelledError:
            while not job.done:
                after = _Job(_nothing, loop)  # done after it: the thread is one
                self._thread.put(after)
                with contextlib.suppress(asyncio.CancelledError):
                    await after.ended
            if job.error is not None:
                raise  # it is not done
