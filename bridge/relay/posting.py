"""One message into Slack, exactly once, however often Slack fails.

A post whose answer is lost may stand in the channel or not. So its key goes along in the message's
metadata, and where the outcome is unknown the channel is looked up before anything is posted again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from bridge.ids import ChannelId, MessageTs
from bridge.liveperson.backoff import Backoff
from bridge.relay.record import Record
from bridge.relay.tools import Tools
from bridge.slack.errors import SlackError, SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.sender import Mark, Post

log = structlog.get_logger(__name__)

THREAD_GONE = frozenset(
    {
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "thread_not_found",
        "cannot_reply_to_message",
    }
)
"""Slack's errors that mean: nothing can be told in this thread any more."""
CREDENTIALS = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "token_revoked",
        "token_expired",
        "account_inactive",
        "not_allowed_token_type",
        "foreign_team",
    }
)
"""Errors of the whole installation: they pass when the operator acts, so nothing is given up."""
CREDENTIALS_WAIT = 30.0
MARK_PATIENCE = 60.0
"""Seconds after which a reaction that Slack cannot take holds the words up no longer."""
LOOK_BACK_MS = 5 * 60 * 1000
"""How far before its birth a post may seem to stand in the thread (clocks differ)."""
TRIES = 5
"""How often somebody is told something that no row remembers."""


class ThreadGoneError(Exception):
    """The thread cannot be written to any more: deleted, archived, or the bot was removed."""

    def __init__(self, error: SlackError) -> None:
        super().__init__(str(error))
        self.error = error


class Posting:
    """Posts for one session, while its owner holds the lease."""

    __slots__ = (
        "_record",
        "_tools",
    )

    def __init__(self, record: Record, tools: Tools) -> None:
        self._record = record
        self._tools = tools

    async def once(
        self, post: Post, *, key: str, thread_ts: MessageTs | None, born: int, doubtful: bool
    ) -> MessageTs:
        """Post exactly once. Raises `SlackRefused`.

        `born`: when it was first to be posted (ms); it is looked for from then on. `doubtful`: a
        former owner may have posted it.
        """
        row, sender, check = self._record.row, self._tools.sender, self._record.check_lease
        oldest = MessageTs(f"{(born - LOOK_BACK_MS) // 1000}.000000")
        backoff = self.backoff()
        while True:
            check()
            try:
                if doubtful:
                    found = await sender.find(
                        row.team_id, row.channel_id, key=key, thread_ts=thread_ts, oldest=oldest
                    )
                    if found is not None:
                        return found
                    doubtful = False
                return await sender.post(
                    row.team_id, row.channel_id, post, key=key, thread_ts=thread_ts, check=check
                )
            except SlackUnknown as error:
                doubtful = True  # it may still be on its way into the thread: look after a while
                least = self._tools.timings.before_look
                await asyncio.sleep(max(least, backoff.next(retry_after(error))))
            except SlackUnavailable as error:
                await asyncio.sleep(backoff.next(retry_after(error)))
            except SlackRefused as error:
                post = await self._plainer(post, error)

    async def _plainer(self, post: Post, error: SlackRefused) -> Post:
        """What to post instead after a refusal: the words still count. Raises the refusal."""
        if error.code.startswith("invalid_blocks") and post.blocks:
            return msgspec.structs.replace(post, blocks=None)
        if error.code == "missing_scope" and post.username:
            return msgspec.structs.replace(post, username=None, icon_url=None)
        await self.bear(error)
        return post

    async def mark(self, mark: Mark) -> None:
        """React to a message; a reaction is the same twice. Raises `SlackRefused`."""
        row, backoff = self._record.row, self.backoff()
        give_up = asyncio.get_running_loop().time() + MARK_PATIENCE
        while True:
            self._record.check_lease()
            try:
                return await self._tools.sender.mark(row.team_id, row.channel_id, mark)
            except (SlackUnknown, SlackUnavailable) as error:
                if asyncio.get_running_loop().time() > give_up:
                    raise SlackRefused(str(error), code=error.code) from error
                await asyncio.sleep(backoff.next(retry_after(error)))
            except SlackRefused as error:
                await self.bear(error)

    async def direct(self, post: Post, key: str) -> bool:
        """Tell the opener something outside the thread; False if Slack does not take it."""
        # A user's id in place of a channel: Slack delivers it as a direct message.
        row, person = self._record.row, ChannelId(self._record.row.opener_id)
        return await self.attempt(
            lambda: self._tools.sender.post(row.team_id, person, post, key=key, thread_ts=None)
        )

    async def respond(self, url: str, post: Post) -> bool:
        """Answer the command that opened the session; False if Slack does not take it."""
        return await self.attempt(lambda: self._tools.sender.respond(url, post))

    async def attempt(self, tell: Callable[[], Awaitable[object]]) -> bool:
        """Tell somebody something, with some patience. False: it could not be told."""
        backoff = self.backoff()
        for left in reversed(range(TRIES)):
            self._record.check_lease()
            try:
                await tell()
            except SlackError as failure:
                if isinstance(failure, SlackUnknown | SlackUnavailable) and left:
                    await asyncio.sleep(backoff.next(retry_after(failure)))
                    continue
                log.warning("session.not_told", session=self._record.row.id, error=failure.code)
                return False
            return True
        return False

    async def bear(self, error: SlackRefused) -> None:
        """Wait out a refusal that concerns the whole installation; raise any other."""
        if error.code not in CREDENTIALS:
            raise error
        log.error("slack.credentials_refused", error=error.code, remedy=error.remedy)
        await asyncio.sleep(CREDENTIALS_WAIT)

    def backoff(self) -> Backoff:
        """How long to wait between tries."""
        timings = self._tools.timings
        return Backoff(first=timings.retry_first, cap=timings.retry_cap)


def thread_is_gone(error: SlackError) -> bool:
    """Whether a refusal means that nothing can be told in this thread any more."""
    return error.code in THREAD_GONE or error.code.startswith("restricted_action")


def retry_after(error: SlackError) -> float | None:
    """How long Slack asked us to wait, if it did."""
    return getattr(error, "retry_after", None)
