"""The time for which a worker may act for its sessions."""

from __future__ import annotations

import time
from collections.abc import Callable


def lease_clock() -> float:
    """A clock (seconds) that goes on while the machine sleeps, where the system has one."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Lease:
    """How long (seconds) this worker may act for its sessions after its last heartbeat.

    It is checked right before anything is sent: a worker that was paused beyond its lease posts and
    publishes nothing more, even before it learns that others took over.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = lease_clock) -> None:
        self.seconds = seconds
        self._clock = clock
        self.term = 0
        """Counts how often the lease ran out before it was renewed. Work begun in an earlier term
        may belong to another worker by now, although the lease is valid again."""
        self._renewed = clock()

    def renewed(self, at: float) -> None:
        """A heartbeat that was begun at `at` (a value of `now`) is committed."""
        if not self.valid:
            self.term += 1
        self._renewed = at

    @property
    def now(self) -> float:
        """The lease's own clock, in seconds."""
        return self._clock()

    @property
    def valid(self) -> bool:
        """Whether nobody else can have taken over yet."""
        return self._clock() - self._renewed < self.seconds
