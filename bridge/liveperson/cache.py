"""A cache of look-ups, which makes each look-up only once at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from bridge.liveperson.errors import LivePersonError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _LookUp:
    """A look-up under way: `done` is set when it ends, with `error` if it failed."""

    __slots__ = ("done", "error")

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.error: LivePersonError | None = None


class Cache(Generic[K, V]):
    """Bounded, with a time to live per entry. Concurrent callers share one look-up's outcome."""

    def __init__(self, size: int = 1_000, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._kept: dict[K, tuple[float, V]] = {}
        self._flights: dict[K, _LookUp] = {}

    def forget(self, key: K) -> None:
        """Look the entry up again next time."""
        self._kept.pop(key, None)

    async def get(self, key: K, fetch: Callable[[], Awaitable[tuple[V, float]]]) -> V:
        """Return the remembered value, else the one that `fetch` finds: (value, seconds to live).

        Raises what `fetch` raises; an error goes to all who wait for it, and is not remembered.
        """
        while True:
            kept = self._kept.get(key)
            if kept is not None and kept[0] > self._clock():
                return kept[1]
            flight = self._flights.get(key)
            if flight is None:
                return await self._look_up(key, fetch)
            await flight.done.wait()
            if flight.error is not None:
                raise flight.error
            # Now it is remembered, or the task that looked it up was cancelled and this one does.

    async def _look_up(self, key: K, fetch: Callable[[], Awaitable[tuple[V, float]]]) -> V:
        flight = self._flights[key] = _LookUp()
        try:
            value, ttl = await fetch()
            self._keep(key, value, ttl)
            return value
        except LivePersonError as error:
            flight.error = error
            raise
        finally:
            del self._flights[key]
            flight.done.set()

    def _keep(self, key: K, value: V, ttl: float) -> None:
        self._kept.pop(key, None)
        while len(self._kept) >= self._size:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (self._clock() + ttl, value)
