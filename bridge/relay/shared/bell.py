"""Wakes one waiting task, at the latest after a timeout; cheaper than an event and a timeout."""

from __future__ import annotations

import asyncio


class Bell:
    """Anybody may ring it; one task waits for it. A ring is kept until the task next waits."""

    __slots__ = ("_rung", "_waiter")

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake the waiting task, or let its next wait end at once."""
        self._rung = True
        self._stop_waiting()

    def clear(self) -> None:
        """Forget the rings up to now."""
        self._rung = False

    async def heard(self, seconds: float) -> bool:
        """Wait for a ring, for `seconds` at most; False if none came."""
        if not self._rung:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(seconds, self._stop_waiting)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        return self._rung

    def _stop_waiting(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
