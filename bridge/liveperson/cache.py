"""Remember what was looked up, and look the same thing up only once at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from bridge.liveperson.errors import LivePersonError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Flight:
    """A look-up under way: `done` is set in the end, with `error` if it failed."""

    __slots__ = ("done", "error")

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.error: LivePersonError | None = None


class Cache(Generic[K, V]):
    """Bounded, with a time to live per entry. Whoever asks during a look-up shares its outcome."""

    def __init__(self, size: int = 1_000, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._kept: dict[K, tuple[float, V]] = {}
        self._flights: dict[K, _Flight] = {}

    def forget(self, key: K) -> None:
        """Look it up anew next time."""
        self._kept.pop(key, None)

    async def get(self, key: K, fetch: Callable[[], Awaitable[tuple[V, float]]]) -> V:
        """Give what is remembered, else what `fetch` finds: (value, seconds to remember it).

        Raises what `fetch` raises; errors are shared with those who wait, and not remembered.
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
            # Otherwise it is remembered now; or whoever looked was cancelled, and we take over.

    async def _look_up(self, key: K, fetch: Callable[[], Awaitable[tuple[V, float]]]) -> V:
        flight = self._flights[key] = _Flight()
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
