"""While Slack does not let a session's words into its thread: wait, tell, go on, or give up.

A bot that is removed from its channel for a moment, a channel that is archived by mistake, a token
that has to be renewed: none of this ends a conversation or costs an agent's words. What is to be
shown waits in the outbox, in order, and is tried again and again. Replies of people still reach the
agent, where Slack delivers them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from bridge.backoff import Backoff
from bridge.content.rendered import Rendered
from bridge.ids import ChannelId
from bridge.relay.shared.bell import Bell
from bridge.relay.shared.channels import CHANNEL, MOVED
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import Record, notice
from bridge.relay.shared.threads import Thread
from bridge.slack.views import notices
from bridge.slack.web.concerns import MISSING, Concern
from bridge.slack.web.errors import SlackError, SlackRefused
from bridge.store import presence, sessions
from bridge.store.connection import Transaction
from bridge.store.errors import StoreError
from bridge.store.sessions import now_ms
from bridge.store.wakeups import notify

TOLD_AFTER: Final = 5.0
"""Seconds after which the opener is told. What is over sooner is not worth a word."""
MISSING_SECONDS: Final = 3_600.0
"""How long a channel or thread that is not there is waited for, at most."""
CREDENTIALS_WAIT: Final = 30.0
"""Seconds between tries while the whole installation is refused: a person has to act."""

DEAF: Final = frozenset({Concern.THREAD, Concern.INSTALLATION})
"""What a refusal is about where Slack may deliver no events either."""
FOLLOWED: Final = 3
"""How often in a row a channel is followed to a new id; Slack cannot mean more."""

log = structlog.get_logger(__name__)


class ThreadGoneError(Exception):
    """The thread cannot be written to, and has not been for so long that it is given up."""

    def __init__(self, error: SlackError) -> None:
        super().__init__(str(error))
        self.error = error


class Hold:
    """How long Slack has refused, and what follows.

    When it began is in the session's row from the moment that the opener is told: a new owner
    neither counts anew nor tells again.
    """

    __slots__ = (
        "_backoff",
        "_bell",
        "_deaf",
        "_deps",
        "_followed",
        "_record",
        "_since",
        "_sure",
        "_tell",
        "resting",
    )

    def __init__(
        self, record: Record, deps: SessionDeps, tell: Callable[[Rendered, str], Awaitable[object]]
    ) -> None:
        """`tell` says something to the opener, outside the thread, under a key."""
        self._record = record
        self._deps = deps
        self._tell = tell
        self._since: int | None = None
        self._deaf = False
        """Whether Slack may not have told what people have written meanwhile."""
        self._sure = now_ms()
        """When Slack last took something, or this owner began: before, it told everything."""
        self._followed = 0
        self._backoff: Backoff | None = None
        self._bell = Bell()
        self.resting = False
        """Whether nothing is under way but a wait: it can be cut off at any time."""

    def nudge(self) -> None:
        """Something says that it may work again: try now."""
        if self._since is not None:
            self._bell.ring()

    async def bear(self, error: SlackRefused) -> None:
        """Wait until it is to be tried again. Raises `ThreadGoneError` when that is no use."""
        if await self.follow(error):
            return
        row, now = self._record.row, now_ms()
        if self._since is None:
            self._since = row.held_since or now
            log.warning("slack.holds", session=row.id, error=error.code, remedy=error.remedy)
        self._deaf = self._deaf or error.concern in DEAF
        patience = self._patience(error)
        lasted = (now - self._since) / 1000
        if patience is not None and lasted >= patience:
            raise ThreadGoneError(error)
        if row.held_since is None and lasted >= TOLD_AFTER:
            await self._tell_of(error)
        await self._rest(error, None if patience is None else patience - lasted)

    async def follow(self, error: SlackRefused) -> bool:
        """Whether the channel has a new id, which is the session's from now on: try again there.

        Slack says so here, or has said so by an event that any worker has noted in the row.
        """
        row = self._record.row
        if error.concern is not Concern.THREAD or self._followed == FOLLOWED:
            return False
        channel = error.moved_to
        if channel is None or channel == row.channel_id:
            channel = await self._noted_channel()
        if channel is None or channel == row.channel_id:
            return False
        self._followed += 1
        log.info("session.channel_moved", session=row.id)
        await move(self._record, self._deps, ChannelId(channel), unheard_since=self._sure)
        return True

    async def _noted_channel(self) -> str | None:
        try:
            async with self._deps.database.read() as connection:
                row = await sessions.session_by_id(connection, self._record.row.id)
        except StoreError:
            return None  # there will be another try
        return None if row is None else row.channel_id

    async def over(self) -> None:
        """Slack took something: if the opener was told of trouble, the thread tells its end.

        A bot that is not let into its channel is told nothing of what is written there: the thread
        is then read, however short that was.
        """
        row, since = self._record.row, self._record.row.held_since
        if self._deaf or since is not None:  # what a former owner met with is not known
            unheard = min(self._sure, since or self._sure)
            await self._record.commit(
                lambda connection: presence.mark_session(connection, row.id, unheard)
            )
            self._deps.to_read.set()
        self._backoff, self._since, self._followed, self._deaf = None, None, 0, False
        self._sure = now_ms()
        if since is not None:
            log.info("slack.takes_again", session=row.id)
            told = notice(notices.held_back(since, now_ms()))
            await self._record.write(told, held_since=None)

    def _patience(self, error: SlackRefused) -> float | None:
        """How long this is borne, in seconds; None: for ever."""
        if error.concern is not Concern.THREAD:
            return None
        longest = self._deps.settings.bridge_thread_gone_seconds
        return min(longest, MISSING_SECONDS) if error.code in MISSING else longest

    async def _tell_of(self, error: SlackRefused) -> None:
        row = self._record.row
        told = notices.held(row.label or row.account, str(error), error.remedy)
        await self._tell(told, f"held:{row.id}:{self._since}")
        await self._record.write(held_since=self._since)
        log.info("slack.hold_told", session=row.id)

    async def _rest(self, error: SlackRefused, left: float | None) -> None:
        if self._backoff is None:
            timings = self._deps.timings
            self._backoff = Backoff(first=timings.retry_first, cap=timings.retry_cap)
        wait = self._backoff.next()
        if error.concern is Concern.INSTALLATION:
            wait = CREDENTIALS_WAIT
        if left is not None:
            wait = min(wait, left)
        if self._record.row.held_since is None:
            wait = min(wait, TOLD_AFTER)
        self.resting = True
        try:
            await self._bell.heard(wait)
        finally:
            self.resting = False
            self._bell.clear()


async def move(
    record: Record, deps: SessionDeps, channel: ChannelId, *, unheard_since: int
) -> None:
    """Have the session's thread in another channel: its own has got a new id.

    Replies there may have been looked up already, by any worker, and found to be nobody's: what was
    written since `unheard_since` is read.
    """
    row = record.row

    async def work(connection: Transaction) -> None:
        await sessions.change_session(connection, row.id, row.epoch, channel_id=channel)
        await presence.mark_session(connection, row.id, unheard_since)
        await notify(connection, CHANNEL, MOVED)

    await record.commit(work)
    record.changed([], channel_id=channel)
    deps.threads.moved()
    deps.to_read.set()
    if row.thread_ts is not None:
        deps.threads.learn((row.team_id, channel, row.thread_ts), Thread(row.id, row.opener_id))
