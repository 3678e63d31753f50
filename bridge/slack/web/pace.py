"""Pacing: a rate for each lane, with small bursts; no lane waits for another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

PRUNE_AT: Final = 4_096
"""When so many lanes are remembered, the idle ones are forgotten."""


class Pace:
    """Give every lane its turns: one each `interval` seconds after a burst of `burst`.

    Slack: about one `chat.postMessage` a second per channel, short bursts tolerated. Turns of one
    lane are granted in the order of asking. `hold` stops a lane for as long as Slack said (429).
    """

    def __init__(
        self,
        *,
        interval: float = 1.0,
        burst: int = 4,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval = interval
        self._ahead = interval * (burst - 1)
        self._clock = clock
        self._sleep = sleep
        # GCRA: the time at which each lane is back to an even pace; a burst runs `_ahead` of it.
        self._next: dict[Hashable, float] = {}
        self._held: dict[Hashable, float] = {}
        self._prune_at = PRUNE_AT

    async def turn(self, lane: Hashable) -> None:
        """Wait until the lane may go once more."""
        now = self._clock()
        if len(self._next) + len(self._held) >= self._prune_at:
            self._prune(now)
        due = max(self._next.get(lane, now), now)
        self._next[lane] = due + self._interval
        await self._until(due - self._ahead)
        # A hold may begin, or get longer, while this turn waits.
        while (until := self._held.get(lane, 0.0)) > self._clock():
            await self._until(until)

    def hold(self, lane: Hashable, seconds: float) -> None:
        """Stop the lane for so many seconds, and allow no burst right after."""
        until = self._clock() + seconds
        self._held[lane] = max(self._held.get(lane, 0.0), until)
        self._next[lane] = max(self._next.get(lane, 0.0), until + self._ahead)

    async def _until(self, moment: float) -> None:
        delay = moment - self._clock()
        if delay > 0:
            await self._sleep(delay)

    def _prune(self, now: float) -> None:
        self._next = {lane: due for lane, due in self._next.items() if due > now}
        self._held = {lane: until for lane, until in self._held.items() if until > now}
        # If so many lanes are busy, do not search them again at every turn.
        self._prune_at = max(PRUNE_AT, 2 * (len(self._next) + len(self._held)))


class Allowance:
    """So many in a minute for each lane, and none of them waited for: what is too much is left out.

    For what is worth nothing later. `burst` of them may go at once.
    """

    def __init__(
        self, per_minute: float, burst: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = 60.0 / per_minute
        self._ahead = self._interval * (burst - 1)
        self._clock = clock
        self._next: dict[Hashable, float] = {}

    def take(self, lane: Hashable) -> bool:
        """Whether the lane may go once more now; if so, that is counted."""
        now = self._clock()
        if len(self._next) >= PRUNE_AT:
            self._next = {each: due for each, due in self._next.items() if due > now}
        due = max(self._next.get(lane, now), now)
        if due - now > self._ahead:
            return False
        self._next[lane] = due + self._interval
        return True

    def wait(self, lane: Hashable) -> float:
        """Seconds until the lane may go once more."""
        now = self._clock()
        return max(0.0, max(self._next.get(lane, now), now) - now - self._ahead)
