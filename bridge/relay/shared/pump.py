"""Runs a session's work in a task that exists only while there is work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Pump:
    """Runs `work` after each kick, never twice at the same time.

    So an idle session costs no task. An exception of `work` is handed to `failed` once; the pump
    then stays idle until it is kicked again.
    """

    __slots__ = (
        "_again",
        "_failed",
        "_name",
        "_resting",
        "_task",
        "_work",
        "ending",
    )

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        failed: Callable[[Exception], None],
        *,
        resting: Callable[[], bool] = lambda: False,
    ) -> None:
        """`resting` tells whether the work is only waiting, so that it may be cancelled at once."""
        self._name = name
        self._resting = resting
        self._work = work
        self._failed = failed
        self._again = False
        self._task: asyncio.Task[None] | None = None
        self.ending = False
        """Whether the work is to stop after the item that is under way."""

    @property
    def busy(self) -> bool:
        """Whether there is work under way."""
        return self._task is not None

    def kick(self) -> None:
        """Run the work, now or right after the run that is under way."""
        self._again = not self.ending
        if self._task is None and self._again:
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def drained(self) -> None:
        """Wait until no run is under way."""
        while (task := self._task) is not None:
            await asyncio.wait([task])
            if self._task is task:  # cancelled before its first step: its `finally` never ran
                self._task = None

    async def finish(self, limit: float) -> None:
        """Let the item under way finish, for `limit` seconds at most, and begin no other.

        An item that is cut off is in doubt; one that has finished is not.
        """
        self.ending = True
        self._again = False
        if self._task is not None:
            if not self._resting():
                await asyncio.wait([self._task], timeout=limit)
            await self.stop()

    async def stop(self) -> None:
        """Cancel the run under way and wait for its end."""
        self._again = False
        if self._task is not None:
            self._task.cancel()
            await self.drained()

    async def _run(self) -> None:
        try:
            while self._again:
                self._again = False
                await self._work()
        except Exception as error:  # noqa: BLE001 - the owner decides; nothing is swallowed
            self._failed(error)
        finally:
            self._task = None
