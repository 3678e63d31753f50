"""A world for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.e2e.warm import Warm, warm_up
from tests.e2e.world import World, world_of


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Where bridges are forked from, in tests that start many of them."""
    with warm_up() as process:
        yield process


@pytest.fixture
async def world(database_url: str, encryption_key: str) -> AsyncIterator[World]:
    """Both stand-ins and a fresh database; start a bridge with `await world.bridge()`."""
    async with world_of(database_url, encryption_key) as world:
        yield world
