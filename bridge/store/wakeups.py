"""Wakes other processes through PostgreSQL's LISTEN and NOTIFY. On SQLite there are none.

A wake-up may be lost: a connection that breaks loses those under way. So it only says "look now",
and each listener also looks by itself now and then, and after each reconnect.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import psycopg
from psycopg import sql
from sqlalchemy import Text, bindparam, func, select

from bridge.backoff import Backoff
from bridge.store.connection import Transaction
from bridge.store.database import Database
from bridge.store.driver_errors import describe
from bridge.store.statement import Statement

log = logging.getLogger(__name__)

ALIVE_SECONDS = 20.0
"""A connection that was silent for so long is checked."""
ANSWER_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between attempts to connect."""

# No table. Twice in one transaction, it wakes once.
_NOTIFY = Statement(
    lambda _: select(
        func.pg_notify(bindparam("channel", type_=Text), bindparam("payload", type_=Text))
    )
)


async def notify(transaction: Transaction, channel: str, payload: str) -> None:
    """Wake whoever listens to `channel`, when this transaction is committed. No-op on SQLite.

    `payload` has at most 7,999 bytes. The same one twice in a transaction arrives once.
    """
    if transaction.dialect.name == "postgresql":
        await _NOTIFY.run(transaction, channel=channel, payload=payload)


class Wakeups:
    """Listens on a connection of its own, which it makes anew whenever it breaks."""

    def __init__(self, database: Database) -> None:
        """Listen to the server of `database`."""
        self._database = database
        self._callbacks: dict[str, list[Callable[[str], None]]] = {}
        self._on_gap: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    def subscribe(self, channel: str, callback: Callable[[str], None]) -> None:
        """Call `callback(payload)` for each wake-up on `channel`. Subscribe before `start`.

        The callback must not block. If it raises, that is logged and the others are called.
        """
        self._callbacks.setdefault(channel, []).append(callback)

    def on_gap(self, callback: Callable[[], None]) -> None:
        """Call `callback()` after each reconnect: wake-ups may have been lost meanwhile."""
        self._on_gap.append(callback)

    async def start(self, deadline: float = 5.0) -> None:
        """Start listening. After `deadline` seconds this returns anyway, and goes on trying."""
        if not self._database.is_postgresql or self._task is not None:
            return
        self._task = asyncio.create_task(self._run(), name="store-wakeups")
        try:
            async with asyncio.timeout(deadline):
                await self._listening.wait()
        except TimeoutError:
            log.warning("No wake-ups from the database yet; looking by the clock meanwhile")

    async def stop(self) -> None:
        """Stop listening."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        backoff = Backoff(first=FIRST_PAUSE, cap=LONGEST_PAUSE, jitter=0.5)
        first = True
        while True:
            try:
                async with await self._connect() as connection:
                    self._listening.set()
                    backoff.reset()
                    if not first:
                        log.info("Listening to the database again")
                        for gap in self._on_gap:
                            _call(gap)
                    first = False
                    await self._listen(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.warning("No wake-ups from the database: %s", describe(error))
            self._listening.clear()
            await asyncio.sleep(backoff.next())

    async def _connect(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        # The same arguments as the engine's own connections get.
        _, options = self._database.engine.dialect.create_connect_args(self._database.url)
        connection = await psycopg.AsyncConnection.connect(
            **options, autocommit=True, connect_timeout=5, application_name="lp-bridge wake-ups"
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                for channel in self._callbacks:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _listen(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        while True:
            async for wakeup in connection.notifies(timeout=ALIVE_SECONDS):
                for callback in self._callbacks.get(wakeup.channel, ()):
                    _call(callback, wakeup.payload)
            async with asyncio.timeout(ANSWER_SECONDS):
                await connection.execute("SELECT 1")


def _call(callback: Callable[..., None], *arguments: str) -> None:
    try:
        callback(*arguments)
    except Exception:
        log.exception("A wake-up's callback failed")
