"""Works for the writer to run, and looks at what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import insert, select

from bridge.store.connection import Transaction
from bridge.store.database import Database
from bridge.store.models import Worker

WORKERS = Worker.__table__
Work = Callable[[Transaction], Awaitable[str]]


def add(name: str) -> Work:
    """A work that adds one row and returns its name."""

    async def work(transaction: Transaction) -> str:
        await transaction.execute(
            insert(Worker).values(id=name, started_at=1, heartbeat_at=1, capacity=1)
        )
        return name

    return work


async def names(database: Database) -> set[str]:
    """What is committed: read on another connection."""
    async with database.read() as transaction:
        return set((await transaction.execute(select(WORKERS.c.id))).scalars())


class Held:
    """A work that keeps the writer busy until it is released: what is asked for waits together."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.release = asyncio.Event()
        self.runs = 0

    async def __call__(self, transaction: Transaction) -> str:
        self.runs += 1
        await transaction.execute(select(1))
        self.begun.set()
        await self.release.wait()
        return "held"


async def held(database: Database) -> tuple[Held, asyncio.Task[str]]:
    work = Held()
    task = asyncio.create_task(database.writer.run(work))
    async with asyncio.timeout(10):
        await work.begun.wait()
    return work, task


async def started(*tasks: asyncio.Task[str]) -> None:
    """Let `tasks` reach the writer's queue: each does in its first step."""
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
