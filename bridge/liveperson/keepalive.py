"""Sends the pings of many sockets, a few at a time.

A timer for each socket would wake the process for each. Here the sockets are spread over the
interval, and one timer pings those whose turn it is. It sends them in small lots: pings that leave
together are answered together, and messages would have to wait behind the answers.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

TURNS: Final = 45
"""How many turns an interval has."""
LOT: Final = 12
"""How many sockets are pinged at once."""


class Pinged(Protocol):
    """A socket."""

    def ping(self) -> None:
        """Send a ping, unless the answer to the last one is still awaited."""

    def expect_pong(self, timeout: float) -> None:
        """Close the connection if a ping has not been answered for `timeout` seconds."""


class Keepalive:
    """Pings each socket every `interval` seconds; closes it without an answer in `timeout`."""

    def __init__(
        self, interval: float, timeout: float, call_later: Callable[..., Any] | None = None
    ) -> None:
        """`call_later(seconds, function, *arguments)`: by default the running loop's."""
        self._call_later = call_later
        self._timeout = timeout
        self._pause = interval / TURNS
        self._turns: list[dict[Pinged, None]] = [{} for _ in range(TURNS)]
        self._next_turn = itertools.cycle(range(TURNS))
        # One turn more than the timeout takes, since a ping may be sent as late as the next turn.
        self._behind = min(TURNS - 1, math.ceil(timeout / self._pause) + 1)
        self._now = 0
        self._ticking = False

    def add(self, socket: Pinged) -> int:
        """Ping this socket too; returns its turn."""
        turn = next(self._next_turn)
        self._turns[turn][socket] = None
        if not self._ticking:
            self._ticking = True
            self._later(self._pause, self._tick)
        return turn

    def remove(self, socket: Pinged, turn: int) -> None:
        """Stop pinging a socket."""
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
    """The keepalive that all sockets of this event loop with the same times share."""
    kept = _shared.setdefault(asyncio.get_running_loop(), {})
    if (found := kept.get((interval, timeout))) is None:
        found = kept[interval, timeout] = Keepalive(interval, timeout)
    return found
