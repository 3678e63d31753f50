"""The transaction in which queries run: a connection to either database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection as SyncConnection
from sqlalchemy import CursorResult, Dialect, Executable

T = TypeVar("T")


class Transaction(Protocol):
    """A connection inside a transaction, as queries see it.

    SQLAlchemy's `AsyncConnection` is one, and so is the `InlineConnection` that writes to SQLite.
    The store's queries run on it as `Statement`s.
    """

    @property
    def dialect(self) -> Dialect:
        """Which database it is."""

    @property
    def sync_connection(self) -> SyncConnection | None:
        """SQLAlchemy's own connection, which knows the driver's; None once it is closed."""

    async def execute(self, statement: Executable, parameters: Any = None, /) -> CursorResult[Any]:
        """Run a Core statement: for the operator's commands and for tests."""

    async def run_sync(self, function: Callable[[SyncConnection], T], /) -> T:
        """Call a function that takes a synchronous connection."""


class WriteConnection(Transaction, Protocol):
    """A connection as the writer sees it."""

    def begin(self) -> Any:
        """Begin a transaction (to be awaited)."""

    def begin_nested(self) -> AbstractAsyncContextManager[Any]:
        """A savepoint that lasts for an `async with`."""

    async def commit(self) -> None:
        """Commit."""
