"""Log lines that strangers can cause: told a few times, then counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

AT_MOST: Final = 10
"""Lines of one kind within `WINDOW`."""
WINDOW: Final = 60.0
"""Seconds."""
KINDS: Final = 100
"""Kinds that are kept apart; all others count as one."""


@dataclass(slots=True)
class _Kind:
    since: float
    told: int = 0
    left_out: int = 0


class Seldom:
    """Warns at most ten times a minute about one thing; the next line says how many it left out."""

    def __init__(
        self,
        log: structlog.typing.FilteringBoundLogger,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._clock = clock
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def warning(self, event: str, *, reason: str, **facts: Any) -> None:
        """Log it, unless there was enough of it lately. Event and reason make the kind."""
        now = self._clock()
        key = (event, reason)
        if key not in self._kinds and len(self._kinds) >= KINDS:
            key = ("", "")
        kind = self._kinds.setdefault(key, _Kind(now))
        if now - kind.since >= WINDOW:
            kind.since, kind.told = now, 0
        if kind.told >= AT_MOST:
            kind.left_out += 1
            return
        kind.told += 1
        if kind.left_out:
            facts["left_out"], kind.left_out = kind.left_out, 0
        self._log.warning(event, reason=reason, **facts)
