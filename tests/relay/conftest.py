"""One actor's dependencies (`bench`), and the whole bridge in the test's own process (`world`).

Both with real sockets and a real database, and without a start-up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.app import bound_port, running
from bridge.config import load
from bridge.slack.receiver.ingress import PATH
from bridge.store.database import Database
from tests.e2e.world import World, world_of
from tests.relay.bench import Bench, bench_of
from tests.relay.counter import Counter, counter_of


@pytest.fixture
async def world(database_url: str, encryption_key: str) -> AsyncIterator[World]:
    """Both stand-ins, and a bridge that runs here. Its waits can be shortened before it needs them:
    `monkeypatch.setattr(module, "SOME_SECONDS", …)`."""
    patience = (0.2,) * 200
    async with (
        world_of(database_url, encryption_key, redelivery_delays=patience) as world,
        running(load(world.env), stop=asyncio.Event()) as runner,
    ):
        world.slack.events_url = f"http://127.0.0.1:{bound_port(runner)}{PATH}"
        yield world


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    """A session's dependencies with the sandbox behind them, for tests of one actor by itself."""
    async with bench_of(database) as bench:
        yield bench


@pytest.fixture
async def counter(bench: Bench) -> AsyncIterator[Counter]:
    """Everything is allowed; what is opened runs here."""
    counter = counter_of(bench)
    yield counter
    await counter.supervisor.stop()
