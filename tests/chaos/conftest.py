"""Where the short runs' processes are forked from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.warm import Warm, warm_up


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """A process that has imported everything already."""
    with warm_up() as process:
        yield process
