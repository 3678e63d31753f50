"""What queries and works are given, and the connection that answers without a wait.

On PostgreSQL that is SQLAlchemy's own `AsyncConnection`; the statements of the hot path go past it,
to the driver's. SQLite answers from this process's own memory, in microseconds: a hop to a thread
for a statement would cost ten times the statement, and the two threads would fight over the
interpreter. So its statements run here. What waits for the disk, the commit, runs in a thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Connection as SyncConnection
from sqlalchemy import CursorResult, Dialect, Executable, NestedTransaction
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")


class Transaction(Protocol):
    """A connection inside a transaction, as queries see it."""

    @property
    def dialect(self) -> Dialect:
        """Which database it is."""

    async def execute(self, statement: Executable, parameters: Any = None, /) -> CursorResult[Any]:
        """Run a Core statement."""

    async def run_sync(self, function: Callable[[SyncConnection], T], /) -> T:
        """Call a function that takes a synchronous connection."""


class WriteConnection(Transaction, Protocol):
    """A connection as the writer sees it."""

    def begin(self) -> Any:
        """Begin a transaction (to be awaited)."""

    def begin_nested(self) -> AbstractAsyncContextManager[Any]:
        """A savepoint, for the time of an `async with`."""

    async def commit(self) -> None:
        """Commit."""


class InlineConnection:
    """A connection to SQLite whose statements are answered at once.

    `in_thread` runs what waits for the disk, and returns only when that has ended.
    """

    def __init__(
        self,
        connection: SyncConnection,
        in_thread: Callable[[Callable[[], None]], Awaitable[None]],
    ) -> None:
        self._connection = connection
        self._in_thread = in_thread
        # The driver's own: SQLAlchemy's part of a statement costs ten times SQLite's.
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

    def run(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        """Run SQL as `Statement` has compiled it; give its rows."""
        rows: list[Any] = self._raw.execute(statement, parameters).fetchall()
        return rows

    def run_many(self, statement: str, parameters: Sequence[Sequence[Any]]) -> int:
        """Run SQL once for each of `parameters`; give how many rows it has changed."""
        return int(self._raw.executemany(statement, parameters).rowcount)

    async def begin(self) -> None:
        """Begin a transaction that may write. Raises at once if another process holds the file."""
        self._raw.execute("BEGIN IMMEDIATE")

    async def commit(self) -> None:
        """Commit: when it returns, the rows are on the disk."""
        await self._in_thread(self._commit)

    def _commit(self) -> None:
        if self._connection.in_transaction():  # a Core statement has begun one there too
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
        """Give it back; what it had begun is undone."""
        if broken:
            self._connection.invalidate()
        else:
            self.rollback()
        self._connection.close()


class _Savepoint:
    """What SQLAlchemy's own context manager does, for an `async with`."""

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


def _psycopg(connection: Transaction) -> Any:
    """PostgreSQL's own connection, which is in the same transaction; None where it is another.

    SQLAlchemy's part of a statement costs more than the driver's.
    """
    if not isinstance(connection, AsyncConnection) or connection.dialect.name != "postgresql":
        return None
    sync = connection.sync_connection
    return None if sync is None else sync.connection.driver_connection


class Statement:
    """A Core statement of the hot path: compiled once for each database, and not at each call.

    `build` is given the dialect's own `insert`. Every value must be a parameter or a constant, and
    of a type that needs no conversion.
    """

    def __init__(self, build: Callable[[Any], Executable]) -> None:
        self._build = build
        self._built: dict[str, Executable] = {}

    async def run(self, connection: Transaction, **parameters: Any) -> Sequence[Any]:
        """Run it; give its rows, if it has any."""
        if isinstance(connection, InlineConnection):
            text, names, constants = self._inline
            given = constants | parameters
            return connection.run(text, [given[name] for name in names])
        if (driver := _psycopg(connection)) is not None:
            text, constants = self._prepared
            cursor = await driver.execute(text, constants | parameters, prepare=True)
            return await cursor.fetchall() if cursor.description else ()
        result = await connection.execute(self._on(connection.dialect.name), parameters)
        return result.all() if result.returns_rows else ()

    async def fetch(self, connection: Transaction, kind: type[T], /, **parameters: Any) -> list[T]:
        """Run it; give its rows as values of a dataclass whose fields its columns are."""
        names = cast("Any", kind).__dataclass_fields__
        found = await self.run(connection, **parameters)
        return [kind(**dict(zip(names, row, strict=True))) for row in found]

    async def run_many(
        self, connection: Transaction, parameters: Sequence[Mapping[str, Any]]
    ) -> int:
        """Run it once for each of `parameters`; give how many rows it has changed."""
        if not parameters:
            return 0
        if isinstance(connection, InlineConnection):
            text, names, constants = self._inline
            rows = [
                [given[name] if name in given else constants[name] for name in names]
                for given in parameters
            ]
            return connection.run_many(text, rows)
        if (driver := _psycopg(connection)) is not None:
            text, constants = self._prepared
            async with driver.cursor() as cursor:
                await cursor.executemany(text, [{**constants, **given} for given in parameters])
                return int(cursor.rowcount)
        result = await connection.execute(self._on(connection.dialect.name), list(parameters))
        return int(result.rowcount)

    def _on(self, dialect: str) -> Executable:
        if (found := self._built.get(dialect)) is None:
            insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
            found = self._built[dialect] = self._build(insert)
        return found

    @cached_property
    def _inline(self) -> tuple[str, Sequence[str], dict[str, Any]]:
        """The SQL for SQLite, its parameters in order, and those that are constants."""
        dialect = cast("Dialect", sqlite.dialect(paramstyle="qmark"))
        statement: Any = self._on("sqlite")
        compiled: Any = statement.compile(dialect=dialect)
        return str(compiled), tuple(compiled.positiontup or ()), _constants(compiled)

    @cached_property
    def _prepared(self) -> tuple[str, dict[str, Any]]:
        """The SQL for PostgreSQL, and those of its parameters that are constants."""
        from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg  # noqa: PLC0415

        statement: Any = self._on("postgresql")
        compiled: Any = statement.compile(dialect=cast("Any", PGDialect_psycopg)())
        return str(compiled), _constants(compiled)


def _constants(compiled: Any) -> dict[str, Any]:
    """The values that the statement itself has, by their parameters' names."""
    return {name: bind.value for bind, name in compiled.bind_names.items() if not bind.required}
