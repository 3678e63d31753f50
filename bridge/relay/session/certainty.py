"""When one session reads its dialogs again, and what it does if that proves nothing.

The delivery machine decides what is certain; here is decided when LivePerson is asked again, and
what follows if it does not show what it was asked for.
"""

from __future__ import annotations

import asyncio
import random
import time

import structlog

from bridge.liveperson.connection import Connection
from bridge.liveperson.errors import ReplayMissing, RequestRefused, Transient
from bridge.relay.delivery.machine import Delivery
from bridge.relay.delivery.publisher import Publisher
from bridge.relay.delivery.reader import Reader
from bridge.relay.shared.bell import Bell
from bridge.relay.shared.deps import Timings
from bridge.relay.shared.items import Queued

log = structlog.get_logger(__name__)

QUIETER = 4
"""A session in which nobody writes is read again up to this many times less often."""
REPLAYS = 3
"""So often a dialog is subscribed to again whose replay does not show that it runs."""


class Certainty:
    """Has the dialogs read again whenever an event may be missing."""

    __slots__ = (
        "_asked",
        "_bell",
        "_delivery",
        "_gap_since",
        "_publisher",
        "_quiet",
        "_reader",
        "_timings",
        "_uncertain_since",
    )

    def __init__(
        self,
        delivery: Delivery,
        reader: Reader,
        publisher: Publisher,
        bell: Bell,
        timings: Timings,
    ) -> None:
        self._delivery = delivery
        self._reader = reader
        self._publisher = publisher
        self._bell = bell
        self._timings = timings
        self._quiet = timings.quiet
        self._asked = 0
        self._gap_since: float | None = None
        self._uncertain_since: float | None = None
        """Since when LivePerson has not shown a dialog that it was asked for."""

    async def quiet(self) -> bool:
        """Wait for something to do. True: it was quiet so long that everything should be checked.

        If the last notification is lost, no gap shows it. So the dialogs are read again soon after
        somebody wrote, and now and then while nobody does; the longer it stays quiet, the less
        often.
        """
        if self._delivery.replayed:
            self._asked = 0
        unproven = self._asked < REPLAYS and not self._delivery.replayed
        wait = self._timings.replays.replay if unproven else self._quiet
        if self._reader.moved:
            wait = min(wait, self._timings.after_talk)
        if await self._bell.heard(wait * random.uniform(0.75, 1.25)):
            self._quiet = self._timings.quiet
            return False
        self._reader.stale = True
        if unproven:
            self._asked += 1
            return False
        if self._reader.moved:
            return False
        self._quiet = min(self._quiet * 2, self._timings.quiet * QUIETER)
        return True

    async def read_again(self, connection: Connection) -> None:
        """Read the dialogs again, since something is missing or may be."""
        if not self._delivery.gap:
            self._gap_since = self._uncertain_since = None
            await self._reader.subscribe(connection)
            return
        now = time.monotonic()
        if self._gap_since is None:
            self._gap_since = now
        if (left := self._gap_since + self._timings.gap_grace - now) > 0:
            await self._bell.heard(left)  # the missing event may arrive right behind
            return
        self._gap_since = None
        try:
            await self._reader.read_again(connection, certain=False)
        except ReplayMissing:
            if self._keeps_waiting():
                raise
            self._stop_waiting()
            await self._reader.absorb()
        else:
            self._uncertain_since = None

    async def look_for_doubtful(self, connection: Connection) -> None:
        """Find out whether a message has arrived whose answer is lost."""
        # It may still be on its way into the dialog, having been sent over the old socket. No
        # request to LivePerson can rule that out, so a fixed time has to pass.
        await asyncio.sleep(self._timings.before_replay)
        try:
            await self._reader.read_again(connection, certain=True)
        except ReplayMissing:
            if self._keeps_waiting():
                raise
            await self._publisher.leave_in_doubt(self._stop_waiting())
        else:
            self._uncertain_since = None
        self._delivery.resolve()
        await self._reader.absorb()

    async def read_to_the_end(self, connection: Connection) -> None:
        """The conversation is closed: read the rest of it.

        If it cannot be read, a message in doubt stays in doubt: `ending` tells the person.
        """
        try:
            await self._reader.read_again(connection, certain=True)
        except (RequestRefused, Transient) as error:  # LivePerson may refuse to show a closed one
            if not isinstance(error, RequestRefused | ReplayMissing) and self._keeps_waiting():
                raise
            log.info("session.end_unread", error=error.code, detail=str(error))
            self._delivery.give_up()
        else:
            self._delivery.resolve()
        await self._reader.absorb()

    def _keeps_waiting(self) -> bool:
        """Whether to keep waiting for a dialog that LivePerson does not show."""
        now = time.monotonic()
        if self._uncertain_since is None:
            self._uncertain_since = now
        return now - self._uncertain_since < self._timings.certainty

    def _stop_waiting(self) -> list[Queued]:
        """Go on with the dialog as far as it is known. Returns the messages that stay in doubt."""
        log.error("session.replay_missing")
        self._uncertain_since = None
        return self._delivery.give_up()
