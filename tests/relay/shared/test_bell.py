"""The bell: a ring wakes the waiting task or ends its next wait at once; a wait can time out."""

from __future__ import annotations

import asyncio

from bridge.relay.shared.bell import Bell


async def test_a_ring_wakes_whoever_waits() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.heard(10))
    await asyncio.sleep(0)
    bell.ring()
    assert await asyncio.wait_for(waiting, 1)


async def test_a_ring_that_nobody_waited_for_is_kept_until_it_is_cleared() -> None:
    bell = Bell()
    bell.ring()
    assert await bell.heard(10)
    assert await bell.heard(10)
    bell.clear()
    assert not await bell.heard(0.01)


async def test_a_cancelled_wait_leaves_the_bell_as_it_was() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.heard(10))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    bell.ring()
    assert await bell.heard(10)
