"""How many sessions may connect to LivePerson at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Bounds how many sessions connect at once: in all, and to one account.

    So an account that cannot be reached does not keep the other accounts waiting.
    """

    def __init__(self, total: int = 32, each: int = 8) -> None:
        self._total = asyncio.Semaphore(total)
        self._each = each
        self._accounts: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def enter(self, account: str) -> AsyncIterator[None]:
        """Wait for a place, and hold it during the `async with`."""
        mine = self._accounts.setdefault(account, asyncio.Semaphore(self._each))
        async with mine, self._total:
            yield
