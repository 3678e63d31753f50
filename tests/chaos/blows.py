"""What hits more than one session: dying workers, a database that is away, faults for all."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable

import psycopg

from tests.chaos.plan import Blow, Plan
from tests.chaos.players import Stage
from tests.chaos.workers import Workers

Restart = Callable[[float], None]
"""Stops the database's server for so many seconds; blocks meanwhile."""


class Blows:
    """Carries a plan's blows out."""

    def __init__(
        self, plan: Plan, stage: Stage, workers: Workers, url: str, restart: Restart | None
    ) -> None:
        self._plan = plan
        self._stage = stage
        self._workers = workers
        self._url = url
        self._restart = restart
        self._diary = stage.diary

    async def strike(self) -> None:
        """Strike as planned; a blow that is undone later takes its time. Cancel it to end it."""
        start = self._stage.start
        async with asyncio.TaskGroup() as under_way:
            for blow in self._plan.blows:
                await asyncio.sleep(max(0.0, start + blow.at - time.monotonic()))
                under_way.create_task(self._blow(blow))
            if self._plan.hasty:  # a storm ends on time, whoever is not ready yet
                await asyncio.sleep(max(0.0, start + self._plan.seconds - time.monotonic()))
                self._stage.calm_down()

    async def _blow(self, blow: Blow) -> None:
        workers = self._workers
        if blow.fault is not None:
            self._stage.set(blow.fault)
            return
        if blow.kind == "pause":
            if workers.pause(blow.worker):
                self._diary.faults["worker paused"] += 1
                await asyncio.sleep(blow.seconds)
                workers.resume(blow.worker)
        elif blow.kind == "kill":
            self._diary.faults["worker killed"] += 1
            slot = await workers.victim(blow.worker)
            await workers.kill(slot)
            await asyncio.sleep(blow.seconds)
            await workers.start(slot)
        elif blow.kind == "restart":
            self._diary.faults["worker restarted"] += 1
            await workers.stop(blow.worker)
            await asyncio.sleep(blow.seconds)
            await workers.start(blow.worker)
        elif blow.kind == "restart database" and self._restart is not None:
            self._diary.faults["database restarted"] += 1
            self._diary.note(f"the database is away for {blow.seconds:.1f} s")
            await asyncio.to_thread(self._restart, blow.seconds)
        elif blow.kind in ("cut database", "restart database"):
            self._diary.faults["database connections cut"] += 1
            with contextlib.suppress(psycopg.OperationalError):  # it is away just now
                cut = await cut_connections(self._url)
                self._diary.note(f"{cut} database connections are cut")
        else:
            self._diary.faults["database locked"] += 1
            self._diary.note(f"the database is locked for {blow.seconds:.1f} s")
            await asyncio.to_thread(lock_file, path_of(self._url), blow.seconds)


def path_of(url: str) -> str:
    """The file of an SQLite address."""
    return url.removeprefix("sqlite:///")


async def cut_connections(url: str) -> int:
    """End all connections of others to a PostgreSQL database; how many there were."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        found = await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return len(await found.fetchall())


def lock_file(path: str, seconds: float) -> None:
    """Hold an SQLite file's write lock, as another process would."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    finally:
        connection.close()
