"""`GET /metrics`: what the process has counted, and what it looks up when it is asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bridge import metrics
from bridge.ops.health import Probe, ask
from bridge.state import State
from bridge.store.database import Database
from bridge.store.errors import StoreError
from bridge.store.queues import waiting

SAMPLE = 1.0
"""Seconds between two looks at how late the event loop is."""

log = structlog.get_logger(__name__)


def add_route(
    app: web.Application,
    *,
    database: Database,
    states: Callable[[], Mapping[str, int]],
    lease_valid: Callable[[], bool],
    probes: Mapping[str, Probe],
) -> None:
    """Add the route. `states`: how many sessions of this worker are in which state."""

    async def show(request: web.Request) -> web.Response:
        count = Counter(states())
        for state in State:
            metrics.SESSIONS.labels(state.value).set(count[state.value])
        metrics.LEASE.set(lease_valid())
        await asyncio.gather(_look(database), *(_probe(*item) for item in probes.items()))
        return web.Response(
            body=generate_latest(metrics.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app.router.add_get("/metrics", show)


async def _probe(name: str, probe: Probe) -> None:
    metrics.READY.labels(name).set((await ask(name, probe)) is None)


async def _look(database: Database) -> None:
    """Look at the queues; if the database does not answer, the former numbers stay."""
    try:
        async with database.read() as transaction:
            found = await waiting(transaction)
    except StoreError as error:
        log.warning("metrics.queues_unknown", error=str(error))
        return
    for queue, (rows, seconds) in found.items():
        metrics.QUEUE_ROWS.labels(queue).set(rows)
        metrics.QUEUE_SECONDS.labels(queue).set(seconds)


@contextmanager
def loop_watched() -> Iterator[None]:
    """Measure how late the event loop is, for the duration of a `with`."""
    task = asyncio.create_task(_watch(asyncio.sleep), name="event loop lag")
    try:
        yield
    finally:
        task.cancel()


async def _watch(sleep: Callable[[float], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + SAMPLE
        await sleep(SAMPLE)
        metrics.LOOP_LAG.observe(max(loop.time() - due, 0.0))
