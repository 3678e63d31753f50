"""Keeps Python's garbage collector from searching objects that live long.

A full collection walks through every object. With thousands of sessions that takes a second in
which nothing else runs, and finds nothing, for sessions are not garbage. So the objects that exist
after the start are frozen, and again whenever many sessions have been added. After many have ended,
everything is given back to the collector.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

YOUNG = 20_000
"""New objects before the collector looks at the young ones (Python's default: 700)."""
LOOK_EVERY = 5.0
"""Seconds between two looks at the number of sessions."""
GROWTH = 1.25
"""Freeze again when the number of sessions has grown by this factor."""


@contextmanager
def resting() -> Iterator[None]:
    """Switch the collector off, for imports: modules stay, and it would search them repeatedly.

    That took a fifth of the start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def settled() -> Iterator[None]:
    """Freeze all present objects, so that the collector does not search them meanwhile."""
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
    """Freeze again as the number of sessions changes, until cancelled."""
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
