"""Several workers on one database, in one process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from bridge.ids import WorkerId
from bridge.relay.shared.lease import Lease
from bridge.relay.worker.presence import Presence
from bridge.relay.worker.supervisor import Supervisor
from bridge.state import State
from bridge.store.rows import SessionRow
from tests.relay.bench import WORKER, Bench

LEASE = 30.0
"""Seconds."""


@dataclass
class Fleet:
    """Workers on one database, in one process. Their clocks stand still unless told."""

    bench: Bench
    workers: list[Supervisor]
    now: float = 0.0
    """What the leases' clock shows, in seconds."""

    def worker(
        self, name: str = WORKER, *, alone: bool = False, capacity: int = 100, lease: float = LEASE
    ) -> Supervisor:
        deps = replace(
            self.bench.configured(bridge_lease_seconds=lease),
            worker=WorkerId(name),
            lease=Lease(lease, clock=lambda: self.now),
        )
        supervisor = Supervisor(deps, Presence(deps), alone=alone, capacity=capacity)
        self.workers.append(supervisor)
        return supervisor

    async def started(self, name: str = WORKER, **options: Any) -> Supervisor:
        supervisor = self.worker(name, **options)
        await supervisor.take_name(asyncio.Event())
        await supervisor.start()
        return supervisor

    async def free(self, count: int = 1, **columns: Any) -> list[SessionRow]:
        """Sessions that want an owner, and have none."""
        rows = [await self.bench.session(State.WAITING, **columns) for _ in range(count)]
        for row in rows:
            await self.bench.change(row, owner=None)
        return rows

    async def owner(self, row: SessionRow) -> str | None:
        """Whose it is, by the store."""
        owner: str | None = (await self.bench.stored(row)).owner
        return owner

    async def idle(self, row: SessionRow) -> None:
        """Let the session's card and its first words be posted."""
        await self.bench.until(lambda: self.bench.slack.messages(row.channel_id))
