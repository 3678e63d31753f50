"""A session with an open conversation, and one whose conversation is followed: without an actor."""

from __future__ import annotations

import pytest

from tests.relay.bench import Bench
from tests.relay.delivery.conftest import line
from tests.relay.session.watched import Watched, watched_by

__all__ = ["line", "watched"]


@pytest.fixture
async def watched(bench: Bench) -> Watched:
    """It has no conversation yet."""
    return watched_by(bench, await bench.session())
