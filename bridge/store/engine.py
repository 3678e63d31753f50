"""Makes engines: reads DATABASE_URL, and prepares each new connection.

SQLite runs in WAL mode: readers never wait for the writer. `synchronous=FULL` flushes the log at
each commit. NORMAL would survive the death of the process but not a power cut, and a message that
Slack was told "200" for must survive both; group commit makes the flush cheap.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy import Connection as SyncConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bridge.store.errors import BadDatabaseUrl
from bridge.store.lanes import WRITES

BUSY_MS = 1_000
"""How long SQLite itself waits for a lock; the writer then tries again until its deadline."""
IDLE_IN_TRANSACTION_MS = 10_000
"""PostgreSQL ends a transaction that is idle for so long: a worker that was paused must not keep
its locks on sessions that others take over."""
_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}


async def connect_to_write(engine: AsyncEngine) -> AsyncConnection:
    """A connection whose transactions may write."""
    connection = await engine.connect()
    return await connection.execution_options(**{WRITES: True})


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
    """Check that an SQLite database's file could be made; makes none. Raise `BadDatabaseUrl`."""
    path = Path(normalise_url(url).database or "").absolute()
    folder = path.parent
    if not folder.is_dir():
        raise _unusable(path, os.strerror(errno.ENOENT))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _unusable(path, os.strerror(errno.EACCES))


def prepare_file(url: URL) -> Path:
    """Make sure that an SQLite database's file can be used; a new one only its owner may read."""
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
            hide_parameters=True,  # people's messages must not get into a log
            # None: the driver begins no transactions of its own; `begin` does.
            connect_args={"isolation_level": None, "timeout": BUSY_MS / 1000},
        )
        event.listen(engine.sync_engine, "connect", prepare_sqlite)
        event.listen(engine.sync_engine, "begin", begin)
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
            # A database that is gone without closing its connections is noticed within half a
            # minute.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        },
    )
    event.listen(engine.sync_engine, "connect", _prepare_postgresql)
    return engine


def prepare_sqlite(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    finally:
        cursor.close()


def never_wait(connection: Any, record: Any) -> None:
    """Do not wait for a lock on the event loop: the writer tries again until its deadline."""
    connection.execute("PRAGMA busy_timeout=0")


def _prepare_postgresql(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}")
    finally:
        cursor.close()
    connection.commit()


def begin(connection: SyncConnection) -> None:
    # IMMEDIATE takes the write lock at the start. A transaction that reads first and writes later
    # could find that another process has written in between, and then waiting does not help.
    driver: Any = connection.connection.driver_connection
    if driver.in_transaction:
        return  # the writer has begun it
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
