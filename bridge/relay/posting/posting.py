"""Posts one message to Slack exactly once, however often Slack fails.

If the answer to a post is lost, the message may be in the channel or not. So each post carries a
key in its metadata for each message that it shows, and the channel is searched for those keys
before anything is posted again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from bridge.backoff import Backoff
from bridge.content.rendered import Rendered
from bridge.ids import ChannelId, MessageTs
from bridge.relay.posting.form import Form
from bridge.relay.posting.hold import Hold
from bridge.relay.posting.parcel import Parcel
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import Record
from bridge.slack.web.concerns import Concern
from bridge.slack.web.errors import SlackError, SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.search import Search
from bridge.slack.web.sender import Mark, Post
from bridge.store.sessions import now_ms

log = structlog.get_logger(__name__)

MARK_PATIENCE = 60.0
"""A reaction that Slack has not taken for so many seconds is dropped: messages wait behind it."""
CLOCKS_MS = 5 * 60 * 1000
"""Slack's clock and ours may differ by so much: beyond that, its signatures would not hold."""
TRIES = 5
"""How often a message outside the thread is tried, for which there is no row."""

UNCHANGEABLE = frozenset({"cant_update_message", "edit_window_closed", "message_not_found"})
"""What Slack says of a message that stays as it is: deleted, or too old."""

WaitOrGiveUp = Callable[[SlackRefused], Awaitable[None]]
"""Waits after a refusal until the next try, or raises to give up."""


class Posting:
    """Posts for one session, while its owner holds the lease."""

    __slots__ = (
        "_begun",
        "_deps",
        "_record",
        "hold",
    )

    def __init__(self, record: Record, deps: SessionDeps) -> None:
        self._record = record
        self._deps = deps
        self._begun = time.monotonic()
        self.hold = Hold(record, deps, self._tell)

    async def post_once(
        self,
        post: Post,
        *,
        key: str,
        thread_ts: MessageTs | None,
        born: int,
        doubtful: bool,
        wait_or_give_up: WaitOrGiveUp | None = None,
    ) -> MessageTs:
        """Post a message exactly once, in the plainest form that is needed. Else as `send`."""
        return await self.send(
            Parcel(post, key),
            thread_ts=thread_ts,
            born=born,
            doubtful=doubtful,
            wait_or_give_up=wait_or_give_up,
        )

    async def send(
        self,
        parcel: Parcel,
        *,
        thread_ts: MessageTs | None,
        born: int,
        doubtful: bool = False,
        wait_or_give_up: WaitOrGiveUp | None = None,
    ) -> MessageTs:
        """Post a parcel exactly once. `parcel.keys` are those of what was posted.

        `born`: when the row was created (ms). `doubtful`: a former owner may have posted it; the
        search begins shortly before it was born. `wait_or_give_up` waits after each refusal, or
        raises to give up; by default the session's hold does.

        Raises `SlackRefused` for a message that Slack takes in no form, and `ThreadGoneError`.
        """
        row, check, backoff = self._record.row, self._record.check_lease, self.backoff()
        wait = wait_or_give_up or self.hold.wait_or_give_up
        if doubtful:
            found = await self.look_up(parcel.keys, thread_ts, since=born, wait_or_give_up=wait)
            if found:
                return found[parcel.keys[0]]
        began = now_ms()
        while True:
            check()
            try:
                return await self._deps.sender.load_and_post(
                    row.team_id,
                    row.channel_id,
                    parcel.load,
                    thread_ts=thread_ts,
                    check=check,
                    urgent=parcel.urgent,
                )
            except SlackUnknown as error:
                # It may still be on its way into the thread: search after a while.
                least = self._deps.timings.before_look
                await asyncio.sleep(max(least, backoff.next(error.retry_after)))
                # What is there, is there as a whole.
                found = await self.look_up(
                    parcel.keys, thread_ts, since=began, wait_or_give_up=wait
                )
                if found:
                    return found[parcel.keys[0]]
            except SlackUnavailable as error:
                await asyncio.sleep(backoff.next(error.retry_after))
            except SlackRefused as error:
                if parcel.plainer(error):
                    continue
                if error.concern is Concern.MESSAGE:
                    if wait_or_give_up is None:
                        # Slack judged the message itself: it lets us into the thread.
                        await self.hold.over()
                    raise
                await wait(error)

    async def look_up(
        self,
        keys: Sequence[str],
        thread_ts: MessageTs | None,
        *,
        since: int,
        wait_or_give_up: WaitOrGiveUp | None = None,
    ) -> dict[str, MessageTs]:
        """Find out which of these were posted since a moment (ms), however often that fails.

        Gives where each stands, and with it whatever else the same posts carry. If the search is
        refused, the outcome is still unknown: only waiting helps, as for `send`.
        """
        search = Search(
            keys, thread_ts, oldest=_ts(since - CLOCKS_MS), latest=_ts(now_ms() + CLOCKS_MS)
        )
        backoff = self.backoff()
        left = self._begun + self._deps.timings.before_search - time.monotonic()
        if left > 0:  # what a former owner has sent may still be on its way
            await asyncio.sleep(left)
        while True:
            self._record.check_lease()
            row = self._record.row
            try:
                return await self._deps.sender.search(row.team_id, row.channel_id, search)
            except (SlackUnknown, SlackUnavailable) as error:
                await asyncio.sleep(backoff.next(error.retry_after))
            except SlackRefused as error:
                await (wait_or_give_up or self.hold.wait_or_give_up)(error)

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
                await self.hold.wait_or_give_up(error)
            else:
                return

    async def mark(self, mark: Mark) -> None:
        """React to a message; doing so twice does no harm. Raises like `post_once`.

        A refused reaction is waited out only if Slack would refuse a message for the same reason.
        """
        row, backoff = self._record.row, self.backoff()
        deadline = asyncio.get_running_loop().time() + MARK_PATIENCE
        while True:
            self._record.check_lease()
            try:
                return await self._deps.sender.mark(row.team_id, row.channel_id, mark)
            except (SlackUnknown, SlackUnavailable) as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise SlackRefused(str(error), code=error.code) from error
                await asyncio.sleep(backoff.next(error.retry_after))
            except SlackRefused as error:
                if not concerns_words_too(error):
                    if concerns_its_message(error):
                        await self.hold.over()
                    raise
                await self.hold.wait_or_give_up(error)

    async def unmark(self, mark: Mark) -> None:
        """Take a reaction of ours away, with a few tries: nobody misses anything if it stays.

        Raises `SlackRefused` where it stays.
        """
        row = self._record.row
        try:
            await self._deps.sender.unmark(row.team_id, row.channel_id, mark)
        except (SlackUnknown, SlackUnavailable) as error:
            raise SlackRefused(str(error), code=error.code) from error

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
        """Reply to the command that opened the session; False if Slack does not take it."""
        return await self.attempt(lambda: self._deps.sender.respond(url, post))

    async def attempt(self, tell: Callable[[], Awaitable[object]]) -> bool:
        """Try a few times to send a message outside the thread. False: Slack did not take it."""
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


def _ts(milliseconds: int) -> MessageTs:
    return MessageTs(f"{milliseconds // 1000}.000000")


def concerns_words_too(error: SlackRefused) -> bool:
    """Whether Slack would refuse messages in the thread for the same reason as this reaction."""
    if error.concern is Concern.INSTALLATION:
        return error.code != "missing_scope"  # reactions have a scope of their own
    return error.code in {
        "channel_id_changed",
        "channel_not_found",
        "is_archived",
        "not_in_channel",
    }


def concerns_its_message(error: SlackRefused) -> bool:
    """Whether Slack refused the reaction because of the message to react to."""
    return error.concern is Concern.MESSAGE or error.code == "message_not_found"
