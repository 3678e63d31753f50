"""An open database: SQLite or PostgreSQL, the same to everyone above."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from secrets import token_hex
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import URL, Engine, create_engine, event, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import NullPool

from bridge.ids import WorkerId
from bridge.store import workers
from bridge.store.connection import Transaction
from bridge.store.driver_errors import describe, unavailable
from bridge.store.encryption import KeyRing, bind, key_from_file
from bridge.store.engine import (
    begin,
    make_engine,
    never_wait,
    normalise_url,
    prepare_file,
    prepare_sqlite,
)
from bridge.store.errors import (
    CommitUnknown,
    KeyMissing,
    StoreError,
    StoreUnavailable,
)
from bridge.store.inline import InlineLane
from bridge.store.lanes import Lane, LoopLane
from bridge.store.migrate import require_current
from bridge.store.models import SECRETS, SESSIONS
from bridge.store.writer import Writer

READ_SECONDS = 10.0
"""A read that takes longer is given up."""
WRITE_SECONDS = 5.0
"""Seconds that a check waits for a row to be written."""
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
                await connection.begin()
                yield connection
        except Exception as error:
            _raise_if_cancelled(error)
            if isinstance(error, StoreError) or unavailable(error) is None:
                raise
            raise StoreUnavailable(f"The database cannot be read: {describe(error)}.") from error

    async def at_once(self, work: Callable[[Transaction], Awaitable[T]], *, deadline: float) -> T:
        """Run `work` in its own transaction, not the writer's next one: for what must not be late.

        Raise `StoreUnavailable` after `deadline` seconds. SQLite takes one writer at a time, so
        there it is the writer's next transaction.
        """
        if not self.is_postgresql:
            return await self.writer.run(work, deadline=deadline)
        try:
            async with asyncio.timeout(deadline), self.engine.begin() as connection:
                return await work(connection)
        except Exception as error:
            _raise_if_cancelled(error)
            if isinstance(error, StoreError) or unavailable(error) is None:
                raise
            raise CommitUnknown(f"The database does not take writes: {describe(error)}.") from error

    async def check(self) -> None:
        """Make sure that the database answers, is migrated, and opens with our keys.

        Raise `StoreUnavailable`, `NotMigrated` or `BadKey`.
        """
        async with self.read() as connection:
            await require_current(connection)
            await self._check_keys(connection)

    async def ready(self) -> str | None:
        """Say what is wrong with the database, None if nothing is: a probe for /readyz."""
        try:
            async with self.read() as connection:
                await require_current(connection, newer_will_do=True)
        except StoreError as error:
            return str(error)
        trouble = self.writer.lasting_trouble
        return trouble and f"The database does not take writes: {trouble}."

    async def check_writing(self, deadline: float = WRITE_SECONDS) -> None:
        """Write a row and remove it again, with a commit each: a rolled-back write needs no disk.

        Raise `StoreUnavailable`.
        """
        name = WorkerId(f"doctor-{token_hex(8)}")
        try:
            await self.at_once(lambda it: workers.write_probe(it, name), deadline=deadline)
            await self.at_once(lambda it: workers.forget(it, only=[name]), deadline=deadline)
        except StoreUnavailable as error:
            error.remedy = "See that its disk has room, and that it is no read-only copy."
            raise

    async def _check_keys(self, connection: AsyncConnection) -> None:
        """Try the keys on a secret of the newest session that still needs one, and the oldest.

        And on one that the bridge has made for itself.
        """
        secret, active_at = SESSIONS.c.credentials, SESSIONS.c.active_at
        for order in (active_at, active_at.desc()):
            found = await connection.execute(
                select(secret).where(SESSIONS.c.live, secret.is_not(None)).order_by(order).limit(1)
            )
            found.first()
        (await connection.execute(select(SECRETS.c.value).limit(1))).first()

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


def _raise_if_cancelled(error: Exception) -> None:
    """Raise `CancelledError` if this task was cancelled, even if the driver reports another error.

    When psycopg is cancelled while it cancels a query, it reports a broken connection. A loop that
    is being stopped would take that for an outage and go on.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error


def _lane(url: URL, engine: AsyncEngine, ring: KeyRing) -> tuple[Lane, Engine | None]:
    """The lane that writes to this database; for SQLite with an engine of its own."""
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
    event.listen(sync_engine, "connect", prepare_sqlite)
    event.listen(sync_engine, "connect", never_wait)
    event.listen(sync_engine, "begin", begin)
    return InlineLane(sync_engine), sync_engine


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
        elif key_file.exists():  # it still decrypts what was written before keys were configured
            keys = [*keys, key_from_file(key_file)]
    elif not keys:
        raise KeyMissing("PostgreSQL needs BRIDGE_ENCRYPTION_KEYS: several workers share the keys.")
    return Database(parsed, KeyRing(keys))
