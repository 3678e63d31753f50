"""Tells LivePerson what became of its events: they are in the thread (ACCEPT), were seen (READ).

Receipts go beside the messages, and nothing waits for one: at most one frame a second for each
session, with all the numbers that have come together. What is to be told stands in memory only.
That costs no transaction. The next owner tells of the last events once more, unless the replay
shows that they are told; to LivePerson a receipt that comes twice says nothing new.

A receipt takes a number in the dialog like a message, if LivePerson counts them: see
`docs/delivery.md`. Where they are refused, none are sent over this connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Literal

import structlog

from bridge.ids import MessageTs, ts_key
from bridge.liveperson.connection import Connection
from bridge.liveperson.errors import (
    LivePersonError,
    OutcomeUnknown,
    RequestRefused,
    Throttled,
)
from bridge.relay.delivery.machine import Delivery
from bridge.store.handover import Handover

log = structlog.get_logger(__name__)

Status = Literal["ACCEPT", "READ"]

MOST: Final = 100
"""Numbers in one frame."""
KEPT: Final = 400
"""Numbers of one dialog that wait to be told, at most: the oldest give way."""
UNREAD: Final = 200
"""Events in the thread that nobody has reacted to yet, as far as they are remembered."""
UNAUTHORISED: Final = 401
FAILURES: Final = 5
"""After so many failures in a row, no receipt is sent over this connection any more."""

STATUSES: Final[tuple[Status, ...]] = ("ACCEPT", "READ")


class Receipts:
    """The receipts of one session."""

    __slots__ = (
        "_connection",
        "_delivery",
        "_failures",
        "_off",
        "_pause",
        "_task",
        "_timer",
        "_unread",
        "_waiting",
        "_wake",
    )

    def __init__(self, delivery: Delivery, *, pause: float, wake: Callable[[], None]) -> None:
        """`pause`: seconds between two frames. `wake`: an answer has shown that something is
        missing, or decided what waited for it."""
        self._delivery = delivery
        self._pause = pause
        self._wake = wake
        self._connection: Connection | None = None
        self._waiting: dict[tuple[str, Status], list[int]] = {}
        """What is to be told, by dialog and status, the oldest first."""
        self._unread: list[tuple[tuple[int, int], str, int]] = []
        """What stands in the thread and was not acted upon: when it was posted, and its event."""
        self._off: set[str] = set()
        """Dialogs in which LivePerson takes none over this connection."""
        self._failures = 0
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def take_over(self, left: Handover) -> None:
        """What a former owner has posted was perhaps not told: tell the last of it again."""
        for dialog, shown in left.shown.items():
            for sequence, ts in shown:
                self.posted(dialog, sequence, ts)

    # What happens

    def posted(self, dialog: str, sequence: int, ts: MessageTs) -> None:
        """An event stands in the thread as a whole; its last message is `ts`."""
        self._unread.append((ts_key(ts), dialog, sequence))
        del self._unread[:-UNREAD]
        self._add("ACCEPT", dialog, sequence)

    def acted(self, ts: MessageTs) -> None:
        """Somebody has acted in the thread at this time: what stood there before was seen."""
        moment = ts_key(ts)
        seen = [each for each in self._unread if each[0] < moment]
        if seen:
            self._unread = [each for each in self._unread if each[0] >= moment]
        for _, dialog, sequence in seen:
            self._add("READ", dialog, sequence)

    def told(self, dialog: str, status: str, sequences: tuple[int, ...]) -> None:
        """A receipt of ours has come back: what it says need not be said again."""
        if status not in STATUSES:
            return
        for each in STATUSES[: STATUSES.index(status) + 1]:  # what was read has arrived
            waiting = self._waiting.get((dialog, each))
            if waiting:
                self._waiting[dialog, each] = [n for n in waiting if n not in sequences]

    def _add(self, status: Status, dialog: str, sequence: int) -> None:
        waiting = self._waiting.setdefault((dialog, status), [])
        if sequence not in waiting:
            waiting.append(sequence)
            del waiting[:-KEPT]
        self._soon()

    # How it is told

    def attach(self, connection: Connection) -> None:
        """Tell it over this connection from now on."""
        self._connection = connection
        self._off.clear()
        self._failures = 0
        self._soon()

    async def detach(self) -> None:
        """The connection is gone. What was under way is told again over the next one."""
        self._connection = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.wait([task])
            self._task = None

    def _soon(self, seconds: float | None = None) -> None:
        """Send a frame after the pause, with all that has come by then."""
        if self._connection is None or self._timer is not None or self._task is not None:
            return
        if self._next() is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._pause if seconds is None else seconds, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if self._connection is not None:
            self._task = asyncio.create_task(self._send(self._connection), name="receipt")

    def _next(self) -> tuple[str, Status, list[int]] | None:
        for (dialog, status), numbers in self._waiting.items():
            if numbers and dialog not in self._off and dialog in self._delivery.dialogs:
                return dialog, status, sorted(numbers[:MOST])
        return None

    async def _send(self, connection: Connection) -> None:
        pause: float | None = None
        try:
            if (found := self._next()) is not None:
                pause = await self._tell(connection, *found)
        finally:
            self._task = None
        self._soon(pause)

    async def _tell(
        self, connection: Connection, dialog: str, status: Status, numbers: list[int]
    ) -> float | None:
        """Send one frame. Gives how long to wait before the next; None: as always."""
        highest = self._delivery.dialogs[dialog].highest
        try:
            sequence = await connection.publish_receipt(dialog, status, numbers)
        except Throttled as error:
            return max(self._pause, error.retry_after or 1.0)
        except RequestRefused as error:  # the dialog is closed, or it takes none from anybody
            log.debug("receipts.refused", dialog=dialog, status=error.status)
            self._off.add(dialog)
            if error.status != UNAUTHORISED:  # else the next connection has a fresh token
                self._forget(dialog, status, numbers)
            return None
        except OutcomeUnknown:
            return self._failed(dialog)
        except LivePersonError as error:
            log.info("receipts.failed", error=error.code)
            return self._failed(dialog)
        self._failures = 0
        self._forget(dialog, status, numbers)
        # Where receipts are not counted the answer may say anything, 0 as a rule.
        counted = sequence is not None and sequence > highest
        if sequence is not None and counted and self._delivery.receipted(dialog, sequence):
            self._wake()
        return None

    def _failed(self, dialog: str) -> float:
        """It may have arrived or not: it is told again, which does no harm."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._off.add(dialog)
        return float(self._pause * 2**self._failures)

    def _forget(self, dialog: str, status: Status, numbers: list[int]) -> None:
        told = set(numbers)
        kept = [n for n in self._waiting.get((dialog, status), ()) if n not in told]
        self._waiting[dialog, status] = kept
