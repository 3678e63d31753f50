from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.slack.web import pace as pace_module
from bridge.slack.web.pace import Allowance, Pace


class Clock:
    """Time that passes only by sleeping, one sleeper at a time."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def times(pace: Pace, clock: Clock, turns: int, lane: str = "a") -> list[float]:
    start = clock.now
    out = []
    for _ in range(turns):
        await pace.turn(lane)
        out.append(round(clock.now - start, 6))
    return out


async def test_a_burst_goes_at_once_and_then_one_each_second() -> None:
    clock = Clock()
    pace = Pace(interval=1.0, burst=4, clock=clock, sleep=clock.sleep)
    assert await times(pace, clock, 7) == [0, 0, 0, 0, 1, 2, 3]


async def test_lanes_do_not_wait_for_each_other() -> None:
    clock = Clock()
    pace = Pace(interval=1.0, burst=1, clock=clock, sleep=clock.sleep)
    await pace.turn("a")
    await pace.turn("b")
    assert clock.now == 1_000.0


async def test_an_idle_lane_may_burst_again() -> None:
    clock = Clock()
    pace = Pace(interval=1.0, burst=2, clock=clock, sleep=clock.sleep)
    await times(pace, clock, 4)
    clock.now += 60
    assert await times(pace, clock, 3) == [0, 0, 1]


async def test_a_hold_stops_the_lane_and_no_burst_follows() -> None:
    clock = Clock()
    pace = Pace(interval=1.0, burst=4, clock=clock, sleep=clock.sleep)
    pace.hold("a", 10)
    assert await times(pace, clock, 3) == [10, 11, 12]
    clock.now = 1_000.0
    await pace.turn("b")
    assert clock.now == 1_000.0


async def test_a_hold_counts_for_who_waits_already() -> None:
    now = 0.0
    gates: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(seconds: float) -> None:
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gates.append((now + seconds, gate))
        await gate

    pace = Pace(interval=1.0, burst=1, clock=lambda: now, sleep=sleep)
    await pace.turn("a")
    waiting = asyncio.create_task(pace.turn("a"))
    await asyncio.sleep(0)
    pace.hold("a", 5)
    now, gate = gates.pop()
    gate.set_result(None)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    now, gate = gates.pop()
    assert now == 5.0
    gate.set_result(None)
    await waiting


async def test_idle_lanes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_module, "PRUNE_AT", 10)
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep)
    for lane in range(1_000):
        await pace.turn(lane)
        clock.now += 5
    assert len(pace._next) <= 10


@given(st.integers(1, 6), st.lists(st.floats(0, 3), max_size=30))
def test_no_window_ever_holds_more_than_the_burst_and_the_pace(
    burst: int, gaps: list[float]
) -> None:
    async def run() -> list[float]:
        clock = Clock()
        pace = Pace(interval=1.0, burst=burst, clock=clock, sleep=clock.sleep)
        out = []
        for gap in gaps:
            clock.now += gap
            await pace.turn("a")
            out.append(clock.now)
        return out

    went = asyncio.run(run())
    for first in range(len(went)):
        for last in range(first, len(went)):
            assert last - first + 1 <= burst + (went[last] - went[first]) + 1e-6


async def test_an_allowance_lets_a_burst_go_and_then_no_more_than_its_rate() -> None:
    now = 0.0
    allowance = Allowance(60, 3, clock=lambda: now)
    assert [allowance.take("a") for _ in range(5)] == [True, True, True, False, False]
    assert allowance.take("b"), "each lane has its own"
    assert allowance.wait("a") == 1.0
    now = 1.0
    assert [allowance.take("a") for _ in range(2)] == [True, False]
    now = 60.0
    taken = 0
    for now in range(60, 180):  # noqa: B007 - the clock reads it
        taken += allowance.take("a")
    assert taken <= 3 + 120
