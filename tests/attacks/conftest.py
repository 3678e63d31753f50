"""What the attacks on whole bridges share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.warm import Warm, warm_up


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Where bridges are forked from."""
    with warm_up() as process:
        yield process
