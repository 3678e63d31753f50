"""The pace at which threads are read."""

from __future__ import annotations

import asyncio

import pytest

from bridge.relay.worker.catching_up import Rate


async def seconds(rate: Rate, turns: int) -> float:
    """How long so many turns take."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(turns):
        await rate.turn()
    return loop.time() - began


@pytest.mark.parametrize(("workers", "least"), [(1, 0.15), (3, 0.5)])
async def test_after_a_burst_it_keeps_to_the_pace(workers: int, least: float) -> None:
    rate = Rate(per_minute=6_000, burst=3)
    rate.shared_by(workers)
    assert await seconds(rate, 20) >= least


async def test_a_burst_comes_at_once() -> None:
    rate = Rate(per_minute=1, burst=5)
    async with asyncio.timeout(1):
        await seconds(rate, 5)


async def test_a_429_slows_it_down_and_pages_that_come_speed_it_up() -> None:
    rate = Rate(per_minute=60_000, burst=1)
    rate.slow_down(0.5)
    rate.slow_down(0.4)
    assert await seconds(rate, 1) >= 0.89
    rate.speed_up()
    async with asyncio.timeout(0.8):
        await rate.turn()
