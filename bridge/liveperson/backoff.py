"""How long to wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Exponential backoff with full jitter: many that fail together do not return together."""

    __slots__ = (
        "_cap",
        "_ceiling",
        "_factor",
        "_first",
        "_rng",
    )

    def __init__(
        self,
        first: float = 1.0,
        factor: float = 2.0,
        cap: float = 60.0,
        *,
        rng: Callable[[], float] = random.random,
    ) -> None:
        """Wait up to `first` seconds, then up to `factor` times as long each time, up to `cap`."""
        self._first = first
        self._factor = factor
        self._cap = cap
        self._rng = rng
        self._ceiling = min(first, cap)

    def next(self, retry_after: float | None = None) -> float:
        """Seconds to wait now; never less than `retry_after`, which the jitter is added to."""
        delay = self._rng() * self._ceiling
        self._ceiling = min(self._ceiling * self._factor, self._cap)
        return delay + (retry_after or 0.0)

    def reset(self) -> None:
        """Begin anew, after a success."""
        self._ceiling = min(self._first, self._cap)
