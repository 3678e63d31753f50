"""Workers of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.relay.bench import Bench
from tests.relay.worker.fleet import Fleet


@pytest.fixture
async def fleet(bench: Bench) -> AsyncIterator[Fleet]:
    fleet = Fleet(bench, [])
    yield fleet
    for worker in fleet.workers:
        await worker.stop()
