"""Open the database: SQLite or PostgreSQL, the same to everyone above.

SQLite runs in WAL mode: readers never wait for the writer. `synchronous=FULL` flushes the log at
each commit. NORMAL would survive the death of the process but not a power cut, and a message that
Slack was told "200" for must survive both; group commit makes the flush cheap.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import URL, Engine, create_engine, event, make_url, select
from sqlalchemy import Connection as SyncConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from bridge.ids import WorkerId
from bridge.store.connection import Connection
from bridge.store.encryption import KeyRing, bind, key_from_file
from bridge.store.errors import (
    BadDatabaseUrl,
    BadKey,
    KeyMissing,
    NotMigrated,
    StoreError,
    StoreUnavailable,
)
from bridge.store.lanes import WRITES, InlineLane, Lane, LoopLane
from bridge.store.outages import describe, outage
from bridge.store.writer import Writer

__all__ = [
    "BadDatabaseUrl",
    "BadKey",
    "Database",
    "KeyMissing",
    "NotMigrated",
    "StoreError",
    "StoreUnavailable",
    "make_engine",
    "normalise_url",
    "open_database",
]

READ_SECONDS = 10.0
"""A read that takes longer is given up."""
WRITE_SECONDS = 5.0
"""So long a check waits for a row to be written."""
BUSY_MS = 1_000
"""How long SQLite itself waits for a lock; the writer then tries again until its deadline."""
IDLE_IN_TRANSACTION_MS = 10_000
"""PostgreSQL ends a transaction that does nothing for so long: a paused worker must not hold its
locks on sessions that others are about to take over."""
_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}
T = TypeVar("T")


class Database:
    """An open database. It connects when first used; see `check`."""

    def __init__(self, url: URL, ring: KeyRing) -> None:
        """Use `open_database` instead."""
        self.url = url
        """Never to be shown: it may hold a password."""
        self.engine = make_engine(url)
        bind(self.engine.dialect, ring)
        self._ring = ring
        self._lane, self._sync_engine = _lane(url, self.engine, ring)
        self.writer = Writer(self._lane)

    @property
    def is_postgresql(self) -> bool:
        """Whether several workers can share it."""
        return self.engine.dialect.name == "postgresql"

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction of its own, which is rolled back: it sees one state.

        Raise `StoreUnavailable` if the database does not answer within `READ_SECONDS`.
        """
        try:
            async with asyncio.timeout(READ_SECONDS), self.engine.connect() as connection:
                yield connection
        except Exception as error:
            _heed_cancellation(error)
            if isinstance(error, StoreError) or outage(error) is None:
                raise
            raise StoreUnavailable(f"The database cannot be read: {describe(error)}.") from error

    async def at_once(self, work: Callable[[Connection], Awaitable[T]], *, deadline: float) -> T:
        """Run `work` in a transaction that waits behind no other: for what must not be late.

        Raise `StoreUnavailable` after `deadline` seconds. SQLite takes one writer at a time, so
        there it is the writer's next transaction.
        """
        if not self.is_postgresql:
            return await self.writer.run(work, deadline=deadline)
        try:
            async with asyncio.timeout(deadline), self.engine.begin() as connection:
                return await work(connection)
        except Exception as error:
            _heed_cancellation(error)
            if isinstance(error, StoreError) or outage(error) is None:
                raise
            raise StoreUnavailable(
                f"The database does not take writes: {describe(error)}.", certain=False
            ) from error

    async def check(self) -> None:
        """Make sure that the database answers, is migrated, and opens with our keys.

        Raise `StoreUnavailable`, `NotMigrated` or `BadKey`.
        """
        from bridge.store.migrate import require_current

        async with self.read() as connection:
            await require_current(connection)
            await self._check_keys(connection)

    async def ready(self) -> str | None:
        """Say what is wrong with the database, None if nothing is: a probe for /readyz."""
        from bridge.store.migrate import require_current

        try:
            async with self.read() as connection:
                await require_current(connection, newer_will_do=True)
        except StoreError as error:
            return str(error)
        trouble = self.writer.lasting_trouble
        return trouble and f"The database does not take writes: {trouble}."

    async def check_writing(self, deadline: float = WRITE_SECONDS) -> None:
        """Write a row, and remove it again, each committed: what is rolled back needs no room.

        Raise `StoreUnavailable`.
        """
        from bridge.store import workers

        name = WorkerId(f"doctor-{token_hex(8)}")
        try:
            await self.at_once(lambda it: workers.pretend(it, name), deadline=deadline)
            await self.at_once(lambda it: workers.forget(it, only=[name]), deadline=deadline)
        except StoreUnavailable as error:
            error.remedy = "See that its disk has room, and that it is no read-only copy."
            raise

    async def _check_keys(self, connection: AsyncConnection) -> None:
        """Try the keys on a secret of the newest session that still needs one, and the oldest."""
        from bridge.store.models import Session

        table = Session.__table__
        secret = table.c.credentials
        for order in (table.c.active_at, table.c.active_at.desc()):
            found = await connection.execute(
                select(secret).where(table.c.live, secret.is_not(None)).order_by(order).limit(1)
            )
            found.first()

    async def close(self) -> None:
        """Write what waits, then close all connections."""
        await self.writer.stop()
        self._lane.end()
        await self.engine.dispose()
        if self._sync_engine is not None:
            self._sync_engine.dispose()

    async def __aenter__(self) -> Self:
        """Nothing to wait for: connections are made when needed."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()


def _heed_cancellation(error: Exception) -> None:
    """Raise `CancelledError` if this task was cancelled, whatever the driver made of that.

    psycopg, cancelled while it cancels a query, reports a broken connection instead. A loop that is
    to end would take that for an outage, and go on.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error


def _lane(url: URL, engine: AsyncEngine, ring: KeyRing) -> tuple[Lane, Engine | None]:
    """Where this database is written; for SQLite with an engine of its own."""
    if engine.dialect.name == "postgresql":
        return LoopLane(engine), None
    sync_engine = create_engine(
        url.set(drivername="sqlite"),
        hide_parameters=True,
        connect_args={
            "isolation_level": None,
            "check_same_thread": False,  # it commits in a thread
        },
        poolclass=NullPool,
    )
    bind(sync_engine.dialect, ring)
    event.listen(sync_engine, "connect", _prepare_sqlite)
    event.listen(sync_engine, "connect", _never_wait)
    event.listen(sync_engine, "begin", _begin)
    return InlineLane(sync_engine), sync_engine


async def connect_to_write(engine: AsyncEngine) -> AsyncConnection:
    """A connection whose transactions may write."""
    connection = await engine.connect()
    return await connection.execution_options(**{WRITES: True})


def open_database(url: str, *, keys: Sequence[str] = ()) -> Database:
    """Open the database at `url`; the first of the Fernet `keys` encrypts, all decrypt.

    Without keys, SQLite gets a key file (mode 0600) beside the database. Nothing connects yet.
    Raise `BadDatabaseUrl`, `KeyMissing` or `BadKey`.
    """
    parsed = normalise_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = prepare_file(parsed)
        key_file = path.with_name(path.name + ".key")
        if not keys:
            keys = [key_from_file(key_file)]
        elif key_file.exists():  # what it has encrypted before the keys were configured
            keys = [*keys, key_from_file(key_file)]
    elif not keys:
        raise KeyMissing("PostgreSQL needs BRIDGE_ENCRYPTION_KEYS: several workers share the keys.")
    return Database(parsed, KeyRing(keys))


def normalise_url(url: str) -> URL:
    """Parse DATABASE_URL, as people and platforms write it. Raise `BadDatabaseUrl`."""
    try:
        parsed = make_url(url.strip())
    except (ArgumentError, ValueError):  # a port that is no number is a ValueError
        raise BadDatabaseUrl("DATABASE_URL is not a database address.") from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise BadDatabaseUrl(
            f"DATABASE_URL begins with {parsed.drivername}://, which is not known."
        )
    parsed = parsed.set(drivername=driver)
    if driver.startswith("sqlite") and parsed.database in {None, "", ":memory:"}:
        raise BadDatabaseUrl(
            "DATABASE_URL names a database in memory, which would forget everything."
        )
    return parsed


def is_there(url: str) -> bool:
    """Whether the file of an SQLite database exists; True for other databases."""
    parsed = normalise_url(url)
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").exists()


def require_place(url: str) -> None:
    """See that the file of an SQLite database could be made; makes none. Raise `BadDatabaseUrl`."""
    path = Path(normalise_url(url).database or "").absolute()
    folder = path.parent
    if not folder.is_dir():
        raise _unusable(path, os.strerror(errno.ENOENT))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _unusable(path, os.strerror(errno.EACCES))


def prepare_file(url: URL) -> Path:
    """See that the file of an SQLite database can be used; if new, only its owner may read it."""
    path = Path(url.database or "").absolute()
    try:
        if path.exists():
            path.open("r+b").close()
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as error:
        raise _unusable(path, error.strerror) from None
    return path


def _unusable(path: Path, why: str | None) -> BadDatabaseUrl:
    return BadDatabaseUrl(
        f"The database file {path} cannot be used: {why}.",
        remedy="Make its folder, and see that this user may write there; or set DATABASE_URL.",
    )


def make_engine(url: URL) -> AsyncEngine:
    """An engine for a `url` from `normalise_url`; see `connect_to_write`."""
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(
            url,
            pool_size=5,
            max_overflow=5,
            pool_timeout=5,
            hide_parameters=True,  # what people write belongs in no log
            # None: the driver begins no transactions of its own; `_begin` does.
            connect_args={"isolation_level": None, "timeout": BUSY_MS / 1000},
        )
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin)
        return engine
    engine = create_async_engine(
        url,
        pool_size=5,
        max_overflow=5,
        pool_timeout=5,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 5,
            "application_name": "lp-bridge",
            # A database that vanishes without a word is noticed within half a minute.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        },
    )
    event.listen(engine.sync_engine, "connect", _prepare_postgresql)
    return engine


def _prepare_sqlite(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    finally:
        cursor.close()


def _never_wait(connection: Any, record: Any) -> None:
    """The event loop waits for no lock: the writer tries again, until its deadline."""
    connection.execute("PRAGMA busy_timeout=0")


def _prepare_postgresql(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}")
    finally:
        cursor.close()
    connection.commit()


def _begin(connection: SyncConnection) -> None:
    # IMMEDIATE: a transaction that reads first and writes later could otherwise find that another
    # process has written in between, and then no waiting helps.
    driver: Any = connection.connection.driver_connection
    if driver.in_transaction:
        return  # the writer has begun it
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
