"""Reads dialogs again until it is certain what they hold (see `bridge.liveperson.dialog`).

This does the I/O: it subscribes, waits for events that prove something, and asks again. Silence
proves nothing, so it never waits for that; `Patience` says how long it waits for an event that may
never come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bridge.liveperson.connection import Connection
from bridge.liveperson.dialog import Dialog
from bridge.liveperson.errors import (
    ReplayMissing,
    RequestRefused,
    RequestTimeout,
    ServerFailed,
    Throttled,
)
from bridge.liveperson.ids import DialogId


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, in seconds."""

    replay: float = 2.5
    """A replay that has not come by then is requested again."""
    straggler: float = 0.3
    """When a replay has proven what it can, the rest of it may still be coming for so long: it may
    come in several frames, in any order."""
    probe: float = 5.0
    """How long to wait for the answer to a receipt."""
    asks: int = 8
    """After so many requests that prove nothing, the connection is given up."""


class CatchUp:
    """Reads the dialogs of one conversation again, over one connection after the other."""

    __slots__ = (
        "_arrival",
        "_asked_over",
        "_dialogs",
        "_look",
        "_patience",
        "_uncounted",
        "_unreadable",
    )

    def __init__(
        self,
        dialogs: Mapping[str, Dialog],
        look: Callable[[bool], Awaitable[object]],
        patience: Patience | None = None,
    ) -> None:
        """`look` is called after each replay: it judges the dialogs and takes their next events.
        Its argument says whether a proof is needed, because a message is in doubt (`certain`).

        `dialogs` by their ids; the owner may add to them meanwhile.
        """
        self._dialogs = dialogs
        self._look = look
        self._patience = patience or Patience()
        self._arrival: asyncio.Event | None = None
        self._asked_over: Connection | None = None
        self._unreadable: set[str] = set()
        self._uncounted: set[str] = set()
        """Dialogs whose receipts prove nothing: refused, not answered, or without a number."""

    def arrived(self) -> None:
        """Events have been fed to the dialogs."""
        if self._arrival is not None:
            self._arrival.set()

    async def subscribe(self, connection: Connection, *, look_back: bool = True) -> None:
        """Subscribe to every dialog from its cursor on; its events then come as notifications.

        A dialog other than the first (a survey's, a call's) is left out if it may not be read.
        """
        for number, (name, dialog) in enumerate(list(self._dialogs.items())):
            if name in self._unreadable:
                continue
            start = dialog.ask(look_back=look_back)
            try:
                await connection.subscribe_events(DialogId(name), start)
            except RequestRefused:
                if number == 0:
                    raise
                self._unreadable.add(name)

    async def read(self, connection: Connection, *, certain: bool) -> None:
        """Read until nothing that is known to exist is missing.

        `certain`: until it is also proven that nothing else exists (`Dialog.whole`). Raises
        `ReplayMissing`, and what the requests raise.
        """
        for dialog in self._dialogs.values():
            dialog.begin()
        if connection is not self._asked_over:
            self._asked_over = connection
            self._uncounted.clear()
        asks, before = 0, self._progress
        while asks < self._patience.asks:
            await self.subscribe(connection, look_back=not certain)
            if certain:
                await self._probe(connection)
            await self._shown(certain=certain)
            await self._look(certain)
            if self._done(certain=certain):
                return
            asks = asks + 1 if self._progress == before else 0
            before = self._progress
        raise ReplayMissing

    @property
    def _progress(self) -> list[int]:
        return [dialog.cursor for dialog in self._dialogs.values()]

    @property
    def _readable(self) -> list[Dialog]:
        return [each for name, each in self._dialogs.items() if name not in self._unreadable]

    def _done(self, *, certain: bool) -> bool:
        return all(dialog.whole if certain else not dialog.gap for dialog in self._readable)

    async def _probe(self, connection: Connection) -> None:
        """Publish receipts: what a dialog held before has a lower number than its receipt.

        The receipt says what is true: the event at the cursor has arrived. Any client sends such.
        """
        for name, dialog in list(self._dialogs.items()):
            if name in self._uncounted or name in self._unreadable:
                continue
            before = dialog.cursor
            try:
                sequence = await connection.publish_receipt(
                    name, "ACCEPT", [max(before, 0)], timeout=self._patience.probe
                )
            except (Throttled, ServerFailed):
                continue  # it may work the next time
            except (RequestRefused, RequestTimeout):
                sequence = None
            if sequence == 0 and before < 0:
                continue  # the dialog was empty, or LivePerson numbers all receipts 0
            if sequence is None or sequence <= before:
                self._uncounted.add(name)
            else:
                dialog.barrier(sequence)

    async def _shown(self, *, certain: bool) -> None:
        """Wait until the replays have proven what they can, and then for stragglers."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience.replay
        while not self._done(certain=certain):
            left = end - loop.time()
            if all(dialog.shown for dialog in self._readable):
                left = min(left, self._patience.straggler)
            if not await self._next(left):
                return

    async def _next(self, seconds: float) -> bool:
        """Wait for the next event, for `seconds` at most; False if none came."""
        self._arrival = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await self._arrival.wait()
        except TimeoutError:
            return False
        finally:
            self._arrival = None
        return True
