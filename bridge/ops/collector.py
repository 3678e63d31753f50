"""Python's garbage collector, told what lives long.

A full collection walks through every object there is: with thousands of sessions that is a second
in which nobody is served, and it finds nothing, for sessions are not garbage. So what has been
built by the start is frozen, and again whenever many sessions have been added; after many have
ended everything is handed back to the collector.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

YOUNG = 20_000
"""Objects that are made before the collector looks at the young ones (Python's default: 700)."""
LOOK_EVERY = 5.0
"""Seconds."""
GROWTH = 1.25
"""Freeze again when there are so many times as many sessions as at the last time."""


@contextmanager
def resting() -> Iterator[None]:
    """Import without it: modules stay, and it would look through them again and again.

    That was a fifth of the time to start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def settled() -> Iterator[None]:
    """Everything that is there will stay: do not look at it again, as long as this lasts."""
    before = gc.get_threshold()
    gc.set_threshold(YOUNG, 20, 20)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


async def keep_settled(sessions: Callable[[], int]) -> None:
    """Do so as the number of sessions changes, until cancelled."""
    frozen = sessions()
    while True:
        await asyncio.sleep(LOOK_EVERY)
        count = sessions()
        if count > frozen * GROWTH + 100:
            gc.freeze()
            frozen = count
        elif count < frozen / 2 - 100:
            gc.unfreeze()
            frozen = count
