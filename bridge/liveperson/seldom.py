"""Warnings that somebody else can cause: at most one a minute, whoever causes how many."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

SECONDS = 60.0


class Seldom:
    """Logs one kind of warning, and how many like it were left out since."""

    __slots__ = ("_clock", "_logger", "_next_at", "_unsaid")

    def __init__(
        self, logger: logging.Logger, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._clock = clock
        self._next_at = float("-inf")
        self._unsaid = 0

    def warning(self, message: str, *args: Any) -> None:
        """Say it, or count it."""
        if (now := self._clock()) < self._next_at:
            self._unsaid += 1
            return
        self._next_at = now + SECONDS
        more = f" (and {self._unsaid} times before)" if self._unsaid else ""
        self._unsaid = 0
        self._logger.warning(message + more, *args)
