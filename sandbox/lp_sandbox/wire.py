"""The wire as the page shows it: every frame and call that passes a stand-in, in order.

Both stand-ins record here; the page and the tests read. Nothing is interpreted.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

KEPT = 2_000
"""How many entries are remembered for a page that opens later."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One frame or call."""

    number: int
    at: float
    """Seconds since 1970."""
    side: Literal["liveperson", "slack"]
    direction: Literal["in", "out"]
    """`in`: the bridge → the stand-in. `out`: the stand-in → the bridge."""
    channel: str
    """What carried it: `csds`, `idp`, `accdn`, `ums`, `web api`, `events`, `socket mode`, …"""
    title: str
    """One line: a frame's type, a call's method and outcome."""
    body: Any
    """A value that can be written as JSON; a string if it was not JSON."""
    conversation: str | None = None
    """LivePerson's conversation id, where it is known."""
    thread: str | None = None
    """Slack's thread ts, where it is known."""

    def as_dict(self) -> dict[str, Any]:
        """The entry as JSON-able fields."""
        return asdict(self)


class Wire:
    """Remembers the last `kept` entries and hands new ones to whoever watches."""

    def __init__(self, kept: int = KEPT) -> None:
        self._numbers = itertools.count(1)
        self._kept: deque[Entry] = deque(maxlen=kept)
        self._watchers: set[asyncio.Queue[Entry]] = set()

    def record(
        self,
        side: Literal["liveperson", "slack"],
        direction: Literal["in", "out"],
        channel: str,
        title: str,
        body: Any,
        *,
        conversation: str | None = None,
        thread: str | None = None,
    ) -> None:
        """Remember one frame or call, and tell the watchers."""
        if not (self._kept.maxlen or self._watchers):
            return
        entry = Entry(
            number=next(self._numbers),
            at=time.time(),
            side=side,
            direction=direction,
            channel=channel,
            title=title,
            body=body,
            conversation=conversation,
            thread=thread,
        )
        self._kept.append(entry)
        for watcher in self._watchers:
            if not watcher.full():  # a page that does not read must not hold memory for ever
                watcher.put_nowait(entry)

    def entries(self) -> list[Entry]:
        """What is remembered, oldest first."""
        return list(self._kept)

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[asyncio.Queue[Entry]]:
        """A queue that gets every entry from now on."""
        queue: asyncio.Queue[Entry] = asyncio.Queue(maxsize=10_000)
        self._watchers.add(queue)
        try:
            yield queue
        finally:
            self._watchers.discard(queue)
