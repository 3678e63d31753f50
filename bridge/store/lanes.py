"""The one connection that writes, and how a batch of works runs on it.

PostgreSQL's is here, SQLite's in `inline`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bridge.store.connection import WriteConnection

T = TypeVar("T")
Attempt = Callable[[WriteConnection], Coroutine[Any, Any, T]]

WRITES = "bridge_writes"
"""Execution option of a connection whose transactions write: SQLite takes the lock at once."""


class Lane(Protocol):
    """A connection that writes, made when it is first needed and kept."""

    async def run(self, attempt: Attempt[T]) -> T:
        """Run `attempt` with the connection.

        When this returns or raises, `attempt` has ended. If it is cancelled too late, it returns
        all the same.
        """

    async def roll_back(self) -> None:
        """Roll back the transaction of a failed attempt."""

    async def give_back(self, *, broken: bool) -> None:
        """Give the connection back; a broken one is closed. The next attempt takes a new one."""

    def end(self) -> None:
        """End the lane: nothing runs on it any more."""


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

    async def give_back(self, *, broken: bool) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if broken:
                await connection.invalidate()
            await connection.close()

    def end(self) -> None:
        """Nothing is left to end."""
