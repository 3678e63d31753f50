"""The pings of many sockets: each in its turn, a few at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise

from bridge.liveperson.keepalive import LOT, TURNS, Keepalive

INTERVAL = 2.25
TIMEOUT = 0.2


class Heard:
    """A socket that notes what it is told, and answers or not."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.pings: list[float] = []
        self.given_up: float | None = None

    def ping(self) -> None:
        """A ping: noted."""
        self.pings.append(asyncio.get_running_loop().time())

    def expect_pong(self, timeout: float) -> None:
        """As a real socket does, from the times alone."""
        now = asyncio.get_running_loop().time()
        if self.pings and not self.answers and now - self.pings[-1] >= timeout:
            self.given_up = self.given_up or now


async def test_many_are_pinged_a_few_at_a_time() -> None:
    keeper = Keepalive(INTERVAL, TIMEOUT)
    sockets = [Heard() for _ in range(TURNS * LOT * 3)]
    turns = [keeper.add(socket) for socket in sockets]
    assert set(Counter(turns).values()) == {LOT * 3}

    await asyncio.sleep(INTERVAL * 2.5)
    for socket, turn in zip(sockets, turns, strict=True):
        keeper.remove(socket, turn)

    for socket in sockets:
        assert len(socket.pings) >= 2
        assert all(later - sooner >= INTERVAL * 0.9 for sooner, later in pairwise(socket.pings))
    # Those of one turn do not all leave together.
    one_turn = [s.pings[0] for s, turn in zip(sockets, turns, strict=True) if turn == turns[0]]
    assert len({round(at, 3) for at in one_turn}) >= 3


async def test_one_that_does_not_answer_is_given_up_in_time_also_in_the_last_lot() -> None:
    keeper = Keepalive(INTERVAL, TIMEOUT)
    sockets = [Heard(answers=False) for _ in range(TURNS * LOT * 3)]
    turns = [keeper.add(socket) for socket in sockets]

    await asyncio.sleep(INTERVAL * 1.9)
    for socket, turn in zip(sockets, turns, strict=True):
        keeper.remove(socket, turn)

    waited = [s.given_up - s.pings[0] for s in sockets if s.given_up is not None]
    assert len(waited) > len(sockets) * 0.7, "an interval and a timeout have passed for most"
    assert max(waited) < INTERVAL * 0.75, "found when its timeout has passed, not a turn later"
