"""How long to wait before trying again: the one formula of the whole bridge.

It imports nothing, so every room may use it, also `bridge.liveperson`, which imports no other.

Libraries (tenacity, stamina, aiohttp-retry) were considered and not used. They wrap a *call* that
is repeated until it succeeds. Here loops wait that run for months. They succeed again and again,
and start over after each success (`reset`). Some need the delay as a number, because they wait for
something else at the same time (the person ends the session, a wake-up, a deadline). All must add
what the other side asks for with Retry-After. Without the wrapping, only these few lines are left.
"""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Exponential backoff with jitter: callers that fail together do not retry together."""

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

        `jitter` is the random share of each wait. With 1.0 (full jitter: anything from nothing to
        all of it) many callers spread best. With 0.5 a wait is at least half of its maximum, for
        callers that must not retry at once.
        """
        self._first = first
        self._factor = factor
        self._cap = cap
        self._jitter = jitter
        self._rng = rng
        self._ceiling = min(first, cap)

    def next(self, retry_after: float | None = None) -> float:
        """Seconds to wait now: the backoff plus `retry_after`."""
        delay = self._ceiling * (1.0 - self._jitter * (1.0 - self._rng()))
        self._ceiling = min(self._ceiling * self._factor, self._cap)
        return delay + (retry_after or 0.0)

    def reset(self) -> None:
        """Start over with short waits, after a success."""
        self._ceiling = min(self._first, self._cap)
