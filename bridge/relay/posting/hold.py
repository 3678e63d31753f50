"""While Slack refuses a session's posts: wait, tell the opener, go on, or give the thread up.

A bot that is removed from its channel for a moment, a channel that is archived by mistake, a token
that has to be renewed: none of this ends a conversation or loses an agent's message. The posts wait
in the outbox, in order, and are tried again and again. As far as Slack still delivers people's
replies, they reach the agent meanwhile.
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
from bridge.slack.web.workspaces import REMOVED_APP
from bridge.store import presence, sessions
from bridge.store.connection import Transaction
from bridge.store.errors import StoreError
from bridge.store.sessions import now_ms
from bridge.store.wakeups import notify

TOLD_AFTER: Final = 5.0
"""The opener is told after so many seconds. A shorter refusal is not mentioned."""
MISSING_SECONDS: Final = 3_600.0
"""Seconds after which a missing channel or thread is given up."""
CREDENTIALS_WAIT: Final = 30.0
"""Seconds between tries while Slack refuses the whole installation: a person has to act."""

WITHHOLDING: Final = frozenset({Concern.THREAD, Concern.INSTALLATION})
"""Concerns of a refusal during which Slack may deliver no events either."""
FOLLOWED: Final = 3
"""How often in a row a session follows its channel to a new id."""

log = structlog.get_logger(__name__)


class ThreadGoneError(Exception):
    """Slack has refused the thread for so long that it is given up."""

    def __init__(self, error: SlackError) -> None:
        super().__init__(str(error))
        self.error = error


class Hold:
    """How long Slack has refused a session's posts, and what follows from it.

    The time of the first refusal is in the session's row once the opener is told. So a new owner
    goes on counting from there, and does not tell it again.
    """

    __slots__ = (
        "_backoff",
        "_bell",
        "_deps",
        "_events_withheld",
        "_followed",
        "_heard_until",
        "_record",
        "_since",
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
        self._events_withheld = False
        """Whether Slack may have withheld events since the refusals began."""
        self._heard_until = now_ms()
        """When Slack last took a post, or this owner began: up to then it delivered all events."""
        self._followed = 0
        self._backoff: Backoff | None = None
        self._bell = Bell()
        self.resting = False
        """Whether it only waits, so that it can be cancelled without leaving a post in doubt."""

    def nudge(self) -> None:
        """Try now: something suggests that Slack takes posts again."""
        if self._since is not None:
            self._bell.ring()

    async def wait_or_give_up(self, error: SlackRefused) -> None:
        """Wait before the next try. Raises `ThreadGoneError` when the thread is given up."""
        if await self.follow(error):
            return
        if error.code == REMOVED_APP:
            raise ThreadGoneError(error)  # whoever removes the app ends its conversations
        row, now = self._record.row, now_ms()
        if self._since is None:
            self._since = row.held_since or now
            log.warning("slack.holds", session=row.id, error=error.code, remedy=error.remedy)
        self._events_withheld = self._events_withheld or error.concern in WITHHOLDING
        patience = self._patience(error)
        lasted = (now - self._since) / 1000
        if patience is not None and lasted >= patience:
            raise ThreadGoneError(error)
        if row.held_since is None and lasted >= TOLD_AFTER:
            await self._tell_of(error)
        await self._wait(error, None if patience is None else patience - lasted)

    async def follow(self, error: SlackRefused) -> bool:
        """Move the session to its channel's new id, if it has one. True: try again there.

        Slack tells the new id in this error, or some worker stored it after Slack's event.
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
        await move(self._record, self._deps, ChannelId(channel), unheard_since=self._heard_until)
        return True

    async def _noted_channel(self) -> str | None:
        try:
            async with self._deps.database.read() as transaction:
                row = await sessions.session_by_id(transaction, self._record.row.id)
        except StoreError:
            return None  # the next refusal asks again
        return None if row is None else row.channel_id

    async def over(self) -> None:
        """Slack took a post. If the opener was told of the refusals, tell the thread of their end.

        Slack delivers no events to a bot that is not in the channel. So the thread is read for what
        people wrote meanwhile, however short the time was.
        """
        row, since = self._record.row, self._record.row.held_since
        if (
            self._events_withheld or since is not None
        ):  # a former owner's refusals may have been of any kind
            unheard = min(self._heard_until, since or self._heard_until)
            await self._record.commit(
                lambda transaction: presence.mark_session(transaction, row.id, unheard)
            )
            self._deps.to_read.set()
        self._backoff, self._since, self._followed, self._events_withheld = None, None, 0, False
        self._heard_until = now_ms()
        if since is not None:
            log.info("slack.takes_again", session=row.id)
            told = notice(notices.held_back(since, now_ms()))
            await self._record.write(told, held_since=None)

    def _patience(self, error: SlackRefused) -> float | None:
        """Seconds for which a refusal is waited out; None: for ever."""
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

    async def _wait(self, error: SlackRefused, left: float | None) -> None:
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
    """Move the session to its channel's new id.

    Some worker may have looked up replies there and found no session. So the thread is marked to be
    read since `unheard_since`.
    """
    row = record.row

    async def work(transaction: Transaction) -> None:
        await sessions.change_session(transaction, row.id, row.epoch, channel_id=channel)
        await presence.mark_session(transaction, row.id, unheard_since)
        await notify(transaction, CHANNEL, MOVED)

    await record.commit(work)
    record.changed([], channel_id=channel)
    deps.threads.moved()
    deps.to_read.set()
    if row.thread_ts is not None:
        deps.threads.learn((row.team_id, channel, row.thread_ts), Thread(row.id, row.opener_id))
