"""Who goes next in a lane: what is urgent before what is not, and otherwise who has waited longest.

`Pace` says when a lane may go; this says who goes then. Whoever has gone stands at the end of the
line again, so those who share a lane take turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Final

from bridge.slack.web.pace import Pace

PATIENT: Final = 20.0
"""Seconds after which what is not urgent counts as urgent, so that it goes at all."""

Urgent = Callable[[], bool]
"""Whether what waits is urgent now: asked again whenever somebody may go."""


class _Waiter:
    __slots__ = ("front", "since", "urgent")

    def __init__(self, urgent: Urgent | None, since: float) -> None:
        self.urgent = urgent
        self.since = since
        self.front: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Turns:
    """The lines in front of a pace's lanes. A lane in which nobody waits costs nothing."""

    def __init__(self, pace: Pace, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.pace = pace
        self._clock = clock
        self._lines: dict[Hashable, list[_Waiter]] = {}
        """Behind the one in front; a lane is missing while nobody is in front."""

    async def turn(self, lane: Hashable, urgent: Urgent | None = None) -> bool:
        """Wait for a turn of the lane. Returns whether that took any waiting.

        `urgent` tells whether it goes before those who are not; None: it is.
        """
        waited = False
        if (line := self._lines.get(lane)) is None:
            self._lines[lane] = []
        else:
            waited = True
            waiter = _Waiter(urgent, self._clock())
            line.append(waiter)
            try:
                await waiter.front
            except asyncio.CancelledError:
                if waiter.front.done() and not waiter.front.cancelled():
                    self._step_aside(lane)  # it had just been let to the front
                elif waiter in line:
                    line.remove(waiter)
                raise
        try:
            return await self.pace.turn(lane) or waited
        finally:
            self._step_aside(lane)

    def ahead(self, lane: Hashable) -> int:
        """How many wait for their turn in this lane."""
        line = self._lines.get(lane)
        return 0 if line is None else len(line) + 1

    def _step_aside(self, lane: Hashable) -> None:
        """Let the next one to the front."""
        line = self._lines[lane]
        while line:
            waiter = line.pop(self._next(line))
            if not waiter.front.done():
                waiter.front.set_result(None)
                return
        del self._lines[lane]

    def _next(self, line: list[_Waiter]) -> int:
        late = self._clock() - PATIENT
        for place, waiter in enumerate(line):
            if waiter.urgent is None or waiter.since <= late or waiter.urgent():
                return place
        return 0
