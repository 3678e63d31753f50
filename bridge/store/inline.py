"""Writes to SQLite on the event loop: its connection, and the thread that commits.

SQLite answers from this process's own memory, in microseconds. Handing a statement to a thread
would cost ten times as much as the statement, and the two threads would compete for the
interpreter. So statements run on the event loop. The commit waits for the disk, and runs in a
thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from queue import SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import Connection as SyncConnection
from sqlalchemy import CursorResult, Dialect, Engine, Executable, NestedTransaction

from bridge.store.lanes import WRITES, Attempt

T = TypeVar("T")


class InlineConnection:
    """A connection to SQLite whose statements run at once.

    `in_thread` runs a function that waits for the disk, and returns when it has ended.
    """

    def __init__(
        self,
        connection: SyncConnection,
        in_thread: Callable[[Callable[[], None]], Awaitable[None]],
    ) -> None:
        self._connection = self.sync_connection = connection
        self._in_thread = in_thread
        self._raw: Any = connection.connection.driver_connection

    @property
    def dialect(self) -> Dialect:
        """SQLite's."""
        return self._connection.dialect

    async def execute(self, statement: Executable, parameters: Any = None, /) -> CursorResult[Any]:
        """Run a Core statement."""
        return self._connection.execute(statement, parameters)

    async def run_sync(self, function: Callable[[SyncConnection], T]) -> T:
        """Call a function that takes a synchronous connection."""
        return function(self._connection)

    async def begin(self) -> None:
        """Begin a transaction that may write. Raises at once if another process holds the file."""
        self._raw.execute("BEGIN IMMEDIATE")

    async def commit(self) -> None:
        """Commit: when it returns, the rows are on the disk."""
        await self._in_thread(self._commit)

    def _commit(self) -> None:
        if self._connection.in_transaction():  # a Core statement has begun SQLAlchemy's own too
            self._connection.commit()
        else:
            self._raw.execute("COMMIT")

    def begin_nested(self) -> AbstractAsyncContextManager[Any]:
        """A savepoint."""
        return _Savepoint(self._connection)

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        self._connection.rollback()
        if self._raw.in_transaction:
            self._raw.execute("ROLLBACK")

    def close(self, *, broken: bool) -> None:
        """Close the connection; an open transaction is rolled back."""
        if broken:
            self._connection.invalidate()
        else:
            self.rollback()
        self._connection.close()


class _Savepoint:
    """SQLAlchemy's savepoint as an asynchronous context manager."""

    def __init__(self, connection: SyncConnection) -> None:
        self._connection = connection
        self._savepoint: NestedTransaction | None = None

    async def __aenter__(self) -> None:
        self._savepoint = self._connection.begin_nested()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._savepoint is None:
            return
        if kind is None:
            self._savepoint.commit()
        else:
            self._savepoint.rollback()


class _Job:
    """A function to run in the thread, and the future that gets its result."""

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
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self.loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if not self.ended.done():
            if self.error is None:
                self.ended.set_result(None)
            else:
                self.ended.set_exception(self.error)


class _Thread:
    """One thread that runs one job after the other, at less cost than an executor."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._name = name
        self._started = False

    def put(self, job: _Job) -> None:
        """Queue a job."""
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        self._jobs.put(job)

    def end(self) -> None:
        """Run the queued jobs, then end."""
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

    async def give_back(self, *, broken: bool) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(broken=broken)

    def end(self) -> None:
        """End the thread. Nothing can be run any more."""
        self._thread.end()

    async def _in_thread(self, work: Callable[[], None]) -> None:
        """Run `work` in the thread and wait for its end, even when cancelled."""
        loop = asyncio.get_running_loop()
        job = _Job(work, loop)
        self._thread.put(job)
        try:
            await job.ended
        except asyncio.CancelledError:
            while not job.done:
                after = _Job(_nothing, loop)  # it runs after `work`, for there is only one thread
                self._thread.put(after)
                with contextlib.suppress(asyncio.CancelledError):
                    await after.ended
            if job.error is not None:
                raise  # `work` has failed
