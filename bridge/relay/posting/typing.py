"""Shows in the thread that an agent is typing, and no longer than that.

It is worth nothing later, so nothing of it is stored and nothing waits for it: what comes at a bad
moment (a message is about to be posted, the workspace's share of calls is used up) is left out.
Slack takes a status away with our next message in the thread, and after two minutes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import Record
from bridge.slack.web.errors import SlackError, SlackRefused

log = structlog.get_logger(__name__)

STATUS: Final = "is typing…"
"""What stands behind the agent's name."""
SILENCE: Final = 60.0
"""Seconds after which somebody who has not shown that they type any more has stopped."""
REFRESH: Final = 90.0
"""Seconds after which the status is shown anew: Slack takes it away after 120."""
GAP: Final = 3.0
"""Seconds between two calls for one thread."""

Who = Callable[[], Awaitable[tuple[str, str | None]]]
"""Looks up the name and the picture of somebody who types."""


class Typing:
    """Whether somebody is typing to the people of one thread."""

    __slots__ = (
        "_busy",
        "_called",
        "_deps",
        "_off",
        "_record",
        "_shown_at",
        "_silence",
        "_task",
        "_who",
    )

    def __init__(self, record: Record, deps: SessionDeps, *, busy: Callable[[], bool]) -> None:
        """`busy`: a message is about to be posted."""
        self._record = record
        self._deps = deps
        self._busy = busy
        self._off = False
        self._who: Who | None = None
        """Who types, if anybody does."""
        self._shown_at: float | None = None
        """Since when the thread shows it."""
        self._called = 0.0
        self._silence: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def saw(self, who: Who | None) -> None:
        """Somebody types, or has stopped (None)."""
        if who is not None:
            self._who = who
            self._expect_silence()
        else:
            self._stops()
        self._kick()

    def posted(self) -> None:
        """A message was posted: with it, Slack has taken the status away."""
        self._stops()
        self._shown_at = None  # if Slack is being told just now, that comes too late: see `_call`

    async def stop(self) -> None:
        """Tell nothing more."""
        self._off = True
        self._stops()
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.wait([task])

    def _stops(self) -> None:
        self._who = None
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _expect_silence(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
        self._silence = asyncio.get_running_loop().call_later(SILENCE, self._fell_silent)

    def _fell_silent(self) -> None:
        self._stops()
        self._kick()

    @property
    def _due(self) -> bool:
        """Whether the thread shows something else than it should."""
        if self._who is None:
            return self._shown_at is not None
        return self._shown_at is None or time.monotonic() - self._shown_at > REFRESH

    def _kick(self) -> None:
        if self._task is None and not self._off and self._due:
            self._task = asyncio.create_task(self._tell(), name="typing")

    async def _tell(self) -> None:
        try:
            while self._due and not self._off:
                wait = self._called + GAP - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                elif not await self._call():
                    return
        finally:
            self._task = None

    async def _call(self) -> bool:
        """Tell Slack how it is now. False: not now, or never."""
        row, who = self._record.row, self._who
        if row.thread_ts is None or (who is not None and self._busy()):
            return False
        name, icon = (None, None) if who is None else await who()
        if self._who is None and who is not None:
            return True  # they have stopped meanwhile
        if not self._deps.typing_allowance.take(row.team_id):
            return False
        self._called = time.monotonic()
        try:
            await self._deps.sender.status(
                row.team_id,
                row.channel_id,
                row.thread_ts,
                "" if who is None else STATUS,
                username=name,
                icon_url=icon,
            )
        except SlackRefused as error:
            log.warning("typing.refused", session=row.id, error=error.code)
            self._off = True
            self._stops()
            return False
        except SlackError as error:
            log.debug("typing.failed", session=row.id, error=error.code)
            return False
        # If a message was posted meanwhile, nobody types any more: then it is taken away again.
        self._shown_at = None if who is None else time.monotonic()
        return True
