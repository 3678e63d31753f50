"""Limits log lines that strangers can cause, so that nobody can fill the log from outside.

It imports nothing and logs nothing itself, so that every room can use it with its own logger.
"""

from __future__ import annotations

import time
from collections.abc import Callable

KINDS = 100
"""Most kinds that are counted separately; all others count as one."""


class _Kind:
    __slots__ = ("left_out", "since", "told")

    def __init__(self, since: float) -> None:
        self.since = since
        self.told = 0
        self.left_out = 0


class Seldom:
    """Tells whether to log something now: `at_most` times in `window` seconds for each kind."""

    __slots__ = ("_at_most", "_clock", "_kinds", "_window")

    def __init__(
        self,
        at_most: int,
        window: float = 60.0,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at_most = at_most
        self._window = window
        self._clock = clock
        self._kinds: dict[tuple[str, ...], _Kind] = {}

    def ask(self, *kind: str) -> int | None:
        """Ask before logging. None: do not log, it is counted. Else: so many were left out."""
        now = self._clock()
        if kind not in self._kinds and len(self._kinds) >= KINDS:
            kind = ()
        found = self._kinds.setdefault(kind, _Kind(now))
        if now - found.since >= self._window:
            found.since, found.told = now, 0
        if found.told >= self._at_most:
            found.left_out += 1
            return None
        found.told += 1
        left_out, found.left_out = found.left_out, 0
        return left_out
