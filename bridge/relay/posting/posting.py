"""One message into Slack, exactly once, however often Slack fails.

A post whose answer is lost may stand in the channel or not. So its key goes along in the message's
metadata, and where the outcome is unknown the channel is looked up before anything is posted again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bridge.backoff import Backoff
from bridge.content.rendered import Rendered
from bridge.ids import ChannelId, MessageTs
from bridge.relay.posting.form import Form
from bridge.relay.posting.hold import Hold
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import Record
from bridge.slack.web.concerns import Concern
from bridge.slack.web.errors import SlackError, SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.sender import Mark, Post

log = structlog.get_logger(__name__)

MARK_PATIENCE = 60.0
"""Seconds after which a reaction that Slack cannot take holds the words up no longer."""
LOOK_BACK_MS = 5 * 60 * 1000
"""How far before its birth a post may seem to stand in the thread (clocks differ)."""
TRIES = 5
"""How often somebody is told something that no row remembers."""

UNCHANGEABLE = frozenset({"cant_update_message", "edit_window_closed", "message_not_found"})
"""What Slack says of a message that stays as it is: deleted, or too old."""

Bear = Callable[[SlackRefused], Awaitable[None]]
"""Waits after a refusal until it is to be tried again, or raises to give up."""


class Posting:
    """Posts for one session, while its owner holds the lease."""

    __slots__ = (
        "_deps",
        "_record",
        "hold",
    )

    def __init__(self, record: Record, deps: SessionDeps) -> None:
        self._record = record
        self._deps = deps
        self.hold = Hold(record, deps, self._tell)

    async def once(
        self,
        post: Post,
        *,
        key: str,
        thread_ts: MessageTs | None,
        born: int,
        doubtful: bool,
        bear: Bear | None = None,
    ) -> MessageTs:
        """Post exactly once, in the plainest form that is needed.

        `born`: when it was first to be posted (ms); it is looked for from then on. `doubtful`: a
        former owner may have posted it. `bear` waits between tries that are refused, or gives up;
        it is the session's hold if none is given.

        Raises `SlackRefused` for a message that Slack takes in no form, and `ThreadGoneError`.
        """
        sender, check = self._deps.sender, self._record.check_lease
        row, form = self._record.row, Form(post)
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
                    row.team_id,
                    row.channel_id,
                    form.post,
                    key=key,
                    thread_ts=thread_ts,
                    check=check,
                )
            except SlackUnknown as error:
                doubtful = True  # it may still be on its way into the thread: look after a while
                least = self._deps.timings.before_look
                await asyncio.sleep(max(least, backoff.next(error.retry_after)))
            except SlackUnavailable as error:
                await asyncio.sleep(backoff.next(error.retry_after))
            except SlackRefused as error:
                # While the look-up is refused nothing is known, so nothing is posted and no other
                # form of it helps: only waiting does.
                if not doubtful and form.plainer(error):
                    continue
                if not doubtful and error.concern is Concern.MESSAGE:
                    if bear is None:  # Slack has looked at the message: it would let us in
                        await self.hold.over()
                    raise
                await (bear or self.hold.bear)(error)

    async def update(self, ts: MessageTs, post: Post) -> None:
        """Change a message of ours, in the plainest form that is needed; the same twice.

        Raises like `once`. A message that is gone, or that nobody may change any more, needs none.
        """
        row, form, backoff = self._record.row, Form(post), self.backoff()
        check = self._record.check_lease
        while True:
            check()
            try:
                await self._deps.sender.update(
                    row.team_id, row.channel_id, ts, form.post, check=check
                )
            except (SlackUnknown, SlackUnavailable) as error:
                await asyncio.sleep(backoff.next(error.retry_after))
            except SlackRefused as error:
                if error.code in UNCHANGEABLE:
                    log.info("card.unchangeable", session=row.id, ts=ts, error=error.code)
                    return
                if form.plainer(error):
                    continue
                if error.concern is Concern.MESSAGE:
                    await self.hold.over()
                    raise
                await self.hold.bear(error)
            else:
                return

    async def mark(self, mark: Mark) -> None:
        """React to a message; a reaction is the same twice. Raises like `once`.

        A reaction holds words up only while words would be refused as well.
        """
        row, backoff = self._record.row, self.backoff()
        give_up = asyncio.get_running_loop().time() + MARK_PATIENCE
        while True:
            self._record.check_lease()
            try:
                return await self._deps.sender.mark(row.team_id, row.channel_id, mark)
            except (SlackUnknown, SlackUnavailable) as error:
                if asyncio.get_running_loop().time() > give_up:
                    raise SlackRefused(str(error), code=error.code) from error
                await asyncio.sleep(backoff.next(error.retry_after))
            except SlackRefused as error:
                if not concerns_words_too(error):
                    if concerns_its_message(error):
                        await self.hold.over()
                    raise
                await self.hold.bear(error)

    async def direct(self, post: Post, key: str) -> bool:
        """Tell the opener something outside the thread; False if Slack does not take it."""
        # A user's id in place of a channel: Slack delivers it as a direct message.
        row, person = self._record.row, ChannelId(self._record.row.opener_id)
        return await self.attempt(
            lambda: self._deps.sender.post(row.team_id, person, post, key=key, thread_ts=None)
        )

    async def _tell(self, told: Rendered, key: str) -> None:
        row, post = self._record.row, Post(text=told.text, blocks=told.blocks)
        url = row.response_url if row.thread_ts is None else None
        if url is None or not await self.respond(url, post):
            await self.direct(post, key)

    async def respond(self, url: str, post: Post) -> bool:
        """Answer the command that opened the session; False if Slack does not take it."""
        return await self.attempt(lambda: self._deps.sender.respond(url, post))

    async def attempt(self, tell: Callable[[], Awaitable[object]]) -> bool:
        """Tell somebody something, with some patience. False: it could not be told."""
        backoff = self.backoff()
        for left in reversed(range(TRIES)):
            self._record.check_lease()
            try:
                await tell()
            except SlackError as failure:
                if isinstance(failure, SlackUnknown | SlackUnavailable) and left:
                    await asyncio.sleep(backoff.next(failure.retry_after))
                    continue
                log.warning("session.not_told", session=self._record.row.id, error=failure.code)
                return False
            return True
        return False

    def backoff(self) -> Backoff:
        """How long to wait between tries."""
        timings = self._deps.timings
        return Backoff(first=timings.retry_first, cap=timings.retry_cap)


def concerns_words_too(error: SlackRefused) -> bool:
    """Whether what refuses a reaction refuses every message of the thread as well."""
    if error.concern is Concern.INSTALLATION:
        return error.code != "missing_scope"  # reactions have a scope of their own
    return error.code in {
        "channel_id_changed",
        "channel_not_found",
        "is_archived",
        "not_in_channel",
    }


def concerns_its_message(error: SlackRefused) -> bool:
    """Whether what refuses a reaction is the message that it is for: Slack has looked at it."""
    return error.concern is Concern.MESSAGE or error.code == "message_not_found"
