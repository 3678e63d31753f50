"""A session with an open conversation, without its actor."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.relay.bench import Bench
from tests.relay.delivery.line import Line, line_of


@pytest.fixture
async def line(bench: Bench) -> AsyncIterator[Line]:
    """Nothing is published before `line.attach()`."""
    async with line_of(bench) as line:
        yield line
