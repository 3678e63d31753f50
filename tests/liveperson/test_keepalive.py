"""The pings of many sockets: each in its turn, a few at a time."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from bridge.liveperson.keepalive import LOT, TURNS, Keepalive

INTERVAL = 20.0
TIMEOUT = 2.0


class Clock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def call_later(self, seconds: float, function: Callable[..., None], *arguments: object) -> None:
        due = (self.now + seconds, next(self._order), lambda: function(*arguments))
        heapq.heappush(self._due, due)

    def advance(self, seconds: float) -> None:
        """Let so much time pass, and call what is due meanwhile."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, call = heapq.heappop(self._due)
            call()
        self.now = end

    @property
    def idle(self) -> bool:
        """Whether nothing is due any more."""
        return not self._due


class Heard:
    """A socket that notes what it is told, and answers or not."""

    def __init__(self, clock: Clock, *, answers: bool = True) -> None:
        self._clock = clock
        self.answers = answers
        self.pings: list[float] = []
        self.given_up: float | None = None

    def ping(self) -> None:
        """A ping: noted."""
        self.pings.append(self._clock.now)

    def expect_pong(self, timeout: float) -> None:
        """As a real socket does, from the times alone."""
        now = self._clock.now
        if self.pings and not self.answers and now - self.pings[-1] >= timeout:
            self.given_up = self.given_up or now


def test_many_are_pinged_a_few_at_a_time() -> None:
    clock = Clock()
    keeper = Keepalive(INTERVAL, TIMEOUT, clock.call_later)
    sockets = [Heard(clock) for _ in range(TURNS * LOT * 3)]
    turns = [keeper.add(socket) for socket in sockets]
    assert set(Counter(turns).values()) == {LOT * 3}

    clock.advance(INTERVAL * 2.5)

    for socket in sockets:
        assert len(socket.pings) in {2, 3}
        assert all(abs(b - a - INTERVAL) < INTERVAL / 100 for a, b in pairwise(socket.pings))
    at_once = Counter(round(at, 6) for socket in sockets for at in socket.pings)
    assert set(at_once.values()) == {LOT}, "those of one turn leave in lots, not all together"


def test_one_that_does_not_answer_is_given_up_in_time_also_in_the_last_lot() -> None:
    clock = Clock()
    keeper = Keepalive(INTERVAL, TIMEOUT, clock.call_later)
    sockets = [Heard(clock, answers=False) for _ in range(TURNS * LOT * 3)]
    for socket in sockets:
        keeper.add(socket)

    clock.advance(INTERVAL + TIMEOUT + 2 * INTERVAL / TURNS)

    waited = [s.given_up - s.pings[0] for s in sockets if s.given_up is not None]
    assert len(waited) == len(sockets)
    assert min(waited) >= TIMEOUT
    assert max(waited) <= TIMEOUT + 2 * INTERVAL / TURNS, "not an interval later"


def test_the_clock_rests_when_the_last_socket_has_gone_and_ticks_for_the_next_one() -> None:
    clock = Clock()
    keeper = Keepalive(INTERVAL, TIMEOUT, clock.call_later)
    first = Heard(clock)
    turn = keeper.add(first)
    clock.advance(INTERVAL * 1.5)
    keeper.remove(first, turn)
    clock.advance(INTERVAL)
    assert len(first.pings) in {1, 2}
    assert clock.idle

    second = Heard(clock)
    keeper.add(second)
    clock.advance(INTERVAL * 1.1)
    assert second.pings
