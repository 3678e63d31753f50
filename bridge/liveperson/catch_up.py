"""Reads dialogs again until it is certain what they hold (see `bridge.liveperson.dialog`).

The I/O for it: subscribe, wait for what proves something, look, and ask again. It waits for events
and not for silence; how long it waits for one that may never come is in `Patience`.
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
    """How long to wait, in seconds."""

    replay: float = 2.5
    """A replay that has not come by then is asked for again."""
    straggler: float = 0.3
    """When a replay has shown what it can, more of it may still be on its way for so long: it may
    come in several frames, and nothing is promised of their order."""
    probe: float = 5.0
    """The answer to a receipt is waited for so long."""
    asks: int = 8
    """After so many requests that prove nothing the connection is given up."""


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
        """`look` is called after each replay: it judges the dialogs and takes what they give out.
        It is told whether something hangs on it (`certain`).

        `dialogs` by their ids; who reads may add to them meanwhile.
        """
        self._dialogs = dialogs
        self._look = look
        self._patience = patience or Patience()
        self._arrival: asyncio.Event | None = None
        self._asked_over: Connection | None = None
        self._unreadable: set[str] = set()
        self._uncounted: set[str] = set()
        """Dialogs whose receipts tell nothing: refused, not answered, or without a number."""

    def arrived(self) -> None:
        """Events have been fed to the dialogs."""
        if self._arrival is not None:
            self._arrival.set()

    async def subscribe(self, connection: Connection, *, look_back: bool = True) -> None:
        """Ask for every dialog from its cursor on; what follows comes as notifications.

        A dialog beside the first one (a survey's, a call's) that may not be read is left out.
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
        """Read until nothing that is known to be there is missing.

        `certain`: until it is proven, too, that nothing else is there (`Dialog.whole`). Raises
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
        """Publish receipts, whose numbers tell how much the dialogs held before.

        A receipt says what is so: the event at the cursor has come. Any client sends such.
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
                continue  # perhaps the next time
            except (RequestRefused, RequestTimeout):
                sequence = None
            if sequence == 0 and before < 0:
                continue  # the dialog was empty, or receipts are not counted and all get a 0
            if sequence is None or sequence <= before:
                self._uncounted.add(name)
            else:
                dialog.barrier(sequence)

    async def _shown(self, *, certain: bool) -> None:
        """Wait until the replays have shown what they can, and for what may come right behind."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience.replay
        while not self._done(certain=certain):
            left = end - loop.time()
            if all(dialog.shown for dialog in self._readable):
                left = min(left, self._patience.straggler)
            if not await self._next(left):
                return

    async def _next(self, seconds: float) -> bool:
        """Wait until something comes, for `seconds` at most; False if nothing has."""
        self._arrival = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await self._arrival.wait()
        except TimeoutError:
            return False
        finally:
            self._arrival = None
        return True
