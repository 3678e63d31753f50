"""Log lines that strangers can cause: logged a few times, then only counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from bridge.seldom import Seldom

AT_MOST: Final = 10
"""Lines of one kind within `WINDOW`."""
WINDOW: Final = 60.0
"""Seconds."""


class SeldomLog:
    """Warns at most ten times a minute of one kind; the next line tells how many were left out."""

    def __init__(
        self,
        log: structlog.typing.FilteringBoundLogger,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._seldom = Seldom(AT_MOST, WINDOW, clock=clock)

    def warning(self, event: str, *, reason: str, **facts: Any) -> None:
        """Log a warning, unless its kind (event and reason) was logged often enough lately."""
        left_out = self._seldom.ask(event, reason)
        if left_out is None:
            return
        if left_out:
            facts["left_out"] = left_out
        self._log.warning(event, reason=reason, **facts)
