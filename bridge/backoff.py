"""How long to wait before trying again: the one formula of the whole bridge.

It imports nothing, so every room may use it, also `bridge.liveperson`, which knows no other.

Libraries (tenacity, stamina, aiohttp-retry) were looked at and not taken. They wrap a *call* that
is repeated until it succeeds. What waits here are loops that live for months: they succeed again
and again and begin anew after each success (`reset`); some need the delay as a number, because they
wait for something else at the same time (a person who leaves, a doorbell, a deadline); and all must
add what the other side asks for with Retry-After. Without the wrapping these few lines are left.
"""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Exponential backoff with jitter: many that fail together do not return together."""

    __slots__ = (
        "_cap",
        "_ceiling",
        "_factor",
        "_first",
        "_jitter",
        "_rng",
    )

    def __init__(
        self,
        first: float = 1.0,
        factor: float = 2.0,
        cap: float = 60.0,
        *,
        jitter: float = 1.0,
        rng: Callable[[], float] = random.random,
    ) -> None:
        """Wait up to `first` seconds, then up to `factor` times as long each time, up to `cap`.

        `jitter` is the share of each wait that is left to chance. With 1.0 (full jitter: anything
        between nothing and all of it) a crowd spreads best; with 0.5 a wait is at least half of
        what it may be, for whoever must not ask again at once.
        """
        self._first = first
        self._factor = factor
        self._cap = cap
        self._jitter = jitter
        self._rng = rng
        self._ceiling = min(first, cap)

    def next(self, retry_after: float | None = None) -> float:
        """Seconds to wait now; never less than `retry_after`, which the wait is added to."""
        delay = self._ceiling * (1.0 - self._jitter * (1.0 - self._rng()))
        self._ceiling = min(self._ceiling * self._factor, self._cap)
        return delay + (retry_after or 0.0)

    def reset(self) -> None:
        """Begin anew, after a success."""
        self._ceiling = min(self._first, self._cap)
