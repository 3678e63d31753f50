"""Shows on people's messages that the agent has them (✓), or has read them (👀).

Which message an agent's receipt means is known by the number that LivePerson gave it: of the last
ones from memory, of older ones from the inbox. Several receipts are looked up together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from bridge.ids import MessageTs
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import Record
from bridge.store import inbox
from bridge.store.errors import StoreError

log = structlog.get_logger(__name__)

LEVELS: Final = {"ACCEPT": 1, "READ": 2}
PAUSE: Final = 1.0
"""Seconds to wait for further receipts."""
PENDING: Final = 200
"""Numbers that wait to be looked up, at most."""
REMEMBERED: Final = 64
"""Messages whose state is remembered."""


class Seen:
    """How far the messages of one thread have come at the agent's."""

    __slots__ = ("_deps", "_known", "_names", "_pending", "_record", "_shown", "_task")

    def __init__(
        self,
        record: Record,
        deps: SessionDeps,
        known: Callable[[str, int], MessageTs | None],
    ) -> None:
        """`known` gives the message that became this event, if it is one of the last."""
        self._record = record
        self._deps = deps
        self._known = known
        settings = deps.settings
        self._names = {1: settings.bridge_delivered_reaction, 2: settings.bridge_read_reaction}
        self._pending: dict[tuple[str, int], int] = {}
        self._shown: dict[MessageTs, int] = {}
        self._task: asyncio.Task[None] | None = None

    def heard(self, dialog: str, status: str, sequences: Iterable[int]) -> None:
        """An agent has these events, or has read them."""
        level = LEVELS.get(status, 0)
        if not self._names.get(level):
            return
        for sequence in sequences:
            key = dialog, sequence
            self._pending[key] = max(level, self._pending.get(key, 0))
        while len(self._pending) > PENDING:
            del self._pending[next(iter(self._pending))]
        if self._task is None and self._pending:
            self._task = asyncio.create_task(self._show(), name="seen")

    async def stop(self) -> None:
        """Show nothing more."""
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _show(self) -> None:
        try:
            while self._pending:
                await asyncio.sleep(PAUSE)
                pending, self._pending = self._pending, {}
                for ts, level in (await self._found(pending)).items():
                    self._want(ts, level)
        except StoreError as error:  # it is no message: nothing is lost
            log.debug("seen.not_found", session=self._record.row.id, error=str(error))
        finally:
            self._task = None

    async def _found(self, pending: dict[tuple[str, int], int]) -> dict[MessageTs, int]:
        """The messages, and the state of each; what is no message is left out."""
        found: dict[MessageTs, int] = {}
        unknown: dict[str, list[int]] = {}
        for (dialog, sequence), level in pending.items():
            if (ts := self._known(dialog, sequence)) is not None:
                found[ts] = max(level, found.get(ts, 0))
            else:
                unknown.setdefault(dialog, []).append(sequence)
        if unknown:
            async with self._deps.database.read() as transaction:
                for dialog, numbers in unknown.items():
                    stamps = await inbox.messages_by_number(
                        transaction, self._record.row.id, dialog, numbers
                    )
                    for number, ts in stamps.items():
                        found[ts] = max(pending[dialog, number], found.get(ts, 0))
        return found

    def _want(self, ts: MessageTs, level: int) -> None:
        if level <= self._shown.get(ts, 0):
            return
        self._shown[ts] = level
        if len(self._shown) > REMEMBERED:
            del self._shown[next(iter(self._shown))]
        row = self._record.row
        self._deps.reactions.want(
            self._deps.sender, row.team_id, row.channel_id, ts, self._names[level]
        )
