"""A running stand-in for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.wire import Wire


@pytest.fixture
def wire() -> Wire:
    """The wire that the stand-in records to."""
    return Wire()


@pytest.fixture
async def sandbox(wire: Wire) -> AsyncIterator[LivePersonSandbox]:
    """The stand-in, listening."""
    async with LivePersonSandbox(wire) as running:
        yield running
