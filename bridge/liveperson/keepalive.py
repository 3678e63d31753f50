"""Pings for many sockets, a few at a time.

A timer for each socket would wake the process for each. Here the sockets are spread over the
interval, and one timer pings those whose turn it is: in small lots, for pings that leave together
come back together, and whoever has something to say then waits behind them.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

TURNS: Final = 45
"""Into so many turns an interval is divided."""
LOT: Final = 12
"""So many sockets are pinged at once."""


class Pinged(Protocol):
    """A socket."""

    def ping(self) -> None:
        """Send a ping, unless the answer to the last one is still awaited."""

    def expect_pong(self, timeout: float) -> None:
        """Give the connection up if a ping has not been answered for `timeout` seconds."""


class Keepalive:
    """Pings sockets each `interval` seconds; one that does not answer in `timeout` is given up."""

    def __init__(
        self, interval: float, timeout: float, call_later: Callable[..., Any] | None = None
    ) -> None:
        """`call_later(seconds, function, *arguments)` is the running loop's if not given."""
        self._call_later = call_later
        self._timeout = timeout
        self._pause = interval / TURNS
        self._turns: list[dict[Pinged, None]] = [{} for _ in range(TURNS)]
        self._next_turn = itertools.cycle(range(TURNS))
        # One more than the timeout takes: a ping may leave as late as the next turn.
        self._behind = min(TURNS - 1, math.ceil(timeout / self._pause) + 1)
        self._now = 0
        self._ticking = False

    def add(self, socket: Pinged) -> int:
        """Ping this one too; gives its turn."""
        turn = next(self._next_turn)
        self._turns[turn][socket] = None
        if not self._ticking:
            self._ticking = True
            self._later(self._pause, self._tick)
        return turn

    def remove(self, socket: Pinged, turn: int) -> None:
        """Ping it no more."""
        self._turns[turn].pop(socket, None)

    def _tick(self) -> None:
        self._now = (self._now + 1) % TURNS
        for turn in (self._now, (self._now - self._behind) % TURNS):
            for socket in list(self._turns[turn]):
                socket.expect_pong(self._timeout)
        self._ping(list(self._turns[self._now]))
        self._ticking = any(self._turns)
        if self._ticking:
            self._later(self._pause, self._tick)

    def _ping(self, sockets: list[Pinged]) -> None:
        """Ping them, spread over the time until the next turn."""
        lots = -(-len(sockets) // LOT)
        for number in range(lots):
            lot = sockets[number * LOT : (number + 1) * LOT]
            self._later(self._pause * number / lots, _ping_all, lot)

    def _later(self, seconds: float, function: Callable[..., None], *arguments: object) -> None:
        (self._call_later or asyncio.get_running_loop().call_later)(seconds, function, *arguments)


def _ping_all(sockets: list[Pinged]) -> None:
    for socket in sockets:
        socket.ping()


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[float, float], Keepalive]] = (
    WeakKeyDictionary()
)


def keepalive(interval: float, timeout: float) -> Keepalive:
    """The one that all sockets of this event loop with the same times share."""
    kept = _shared.setdefault(asyncio.get_running_loop(), {})
    if (found := kept.get((interval, timeout))) is None:
        found = kept[interval, timeout] = Keepalive(interval, timeout)
    return found
