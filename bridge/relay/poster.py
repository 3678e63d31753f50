"""The outbox of one session on its way into the thread: in order, each once.

A post whose answer is lost may stand in the thread or not. So the outbox id goes along in the
message's metadata, and where the outcome is unknown (an answer lost, or a new owner who does not
know what the last one had under way) the thread is looked up before anything is posted again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import structlog

from bridge.content.rendered import Rendered
from bridge.ids import ChannelId, MessageTs
from bridge.liveperson.backoff import Backoff
from bridge.relay.crashpoints import crash_point
from bridge.relay.pump import Pump
from bridge.relay.record import Record
from bridge.relay.threads import Thread
from bridge.relay.tools import Tools
from bridge.slack.errors import SlackError, SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.sender import Mark, Post
from bridge.slack.views import notices, refusals
from bridge.slack.views.card import CardModel, card
from bridge.store import outbox
from bridge.store.rows import OutboxRow

log = structlog.get_logger(__name__)

THREAD_GONE = frozenset(
    {
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "thread_not_found",
        "cannot_reply_to_message",
        "restricted_action",
    }
)
"""Slack's errors that mean: nothing can be told in this thread any more."""
UNINVITED = frozenset({"not_in_channel", "channel_not_found"})
"""What Slack says before anybody has invited the bridge."""
CREDENTIALS = frozenset(
    {"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"}
)
"""Errors of the whole installation: they pass when the operator acts, so nothing is given up."""
CREDENTIALS_WAIT = 30.0


class ThreadGoneError(Exception):
    """The thread cannot be written to any more: deleted, archived, or the bot was removed."""

    def __init__(self, error: SlackError) -> None:
        super().__init__(str(error))
        self.error = error


class Poster:
    """Posts what waits, then brings the card up to date."""

    def __init__(self, record: Record, tools: Tools, failed: Callable[[Exception], None]) -> None:
        self._record = record
        self._tools = tools
        self._waiting: deque[OutboxRow] = deque()
        self._doubtful: int | None = None
        self._card_doubtful = False
        self.pump = Pump(f"poster {record.row.id}", self._work, failed)
        self._reload = False
        self._finished: deque[int] = deque(maxlen=64)
        record.posted = self._added
        record.reload = self.refresh

    async def load(self) -> None:
        """Take over what a former owner left; it may have posted the first of it, or the card."""
        await self._read()
        if self._waiting:
            self._doubtful = self._waiting[0].id
        self._card_doubtful = True

    def refresh(self) -> None:
        """Look for rows that somebody else has committed."""
        self._reload = True
        self.pump.kick()

    async def _read(self) -> None:
        self._reload = False
        async with self._tools.database.read() as connection:
            self._take(await outbox.waiting(connection, self._record.row.id))

    @property
    def waiting(self) -> bool:
        """Whether something is still to be posted."""
        return bool(self._waiting)

    def _added(self, rows: Sequence[OutboxRow]) -> None:
        self._take(rows)
        self.pump.kick()

    def _take(self, rows: Sequence[OutboxRow]) -> None:
        """Queue rows, each once: they may come from a commit and from a look at the store."""
        known = {row.id for row in self._waiting}.union(self._finished)
        new = [row for row in rows if row.id not in known]
        if new:
            self._waiting = deque(sorted([*self._waiting, *new], key=lambda row: row.id))

    async def _work(self) -> None:
        if self._record.row.thread_ts is None:
            await self._post_card()
        while self._waiting or self._reload:
            if self._reload:
                await self._read()
                continue
            row = self._waiting[0]
            gone = await self._deliver(row)
            self._waiting.remove(row)
            self._finished.append(row.id)
            if gone is not None:
                raise ThreadGoneError(gone)
        await self._refresh_card()

    async def _deliver(self, row: OutboxRow) -> SlackRefused | None:
        """Have one thing shown, or noted as failed; returns why if the whole thread is gone."""
        crash_point("post.before")
        try:
            ts = await (self._mark(row) if row.kind == "mark" else self._post(row))
            crash_point("post.answered")
        except SlackRefused as error:
            log.warning(
                "outbox.refused", session=self._record.row.id, outbox=row.id, error=error.code
            )
            reason = f"{error} {error.remedy}"
            await self._record.commit(
                lambda connection: outbox.mark_failed(connection, row.id, reason)
            )
            return error if error.code in THREAD_GONE else None
        await self._record.commit(lambda connection: outbox.mark_posted(connection, row.id, ts))
        crash_point("post.noted")
        return None

    async def _post(self, row: OutboxRow) -> MessageTs:
        post = msgspec.json.decode(row.payload, type=Post)
        doubtful = row.id == self._doubtful
        return await self._post_once(
            post, key=f"outbox:{row.id}", thread_ts=self._record.row.thread_ts, doubtful=doubtful
        )

    async def _mark(self, row: OutboxRow) -> None:
        mark = msgspec.json.decode(row.payload, type=Mark)
        backoff = self._backoff()
        while True:
            self._record.check_lease()
            try:
                return await self._tools.sender.mark(
                    self._record.row.team_id, self._record.row.channel_id, mark
                )
            except (SlackUnknown, SlackUnavailable) as error:  # a reaction is the same twice
                await asyncio.sleep(backoff.next(retry_after(error)))
            except SlackRefused as error:
                await self._bear(error)

    async def _post_once(
        self, post: Post, *, key: str, thread_ts: MessageTs | None, doubtful: bool
    ) -> MessageTs:
        """Post, however often Slack fails, exactly once. Raises `SlackRefused`."""
        row, sender = self._record.row, self._tools.sender
        backoff = self._backoff()
        while True:
            self._record.check_lease()
            try:
                if doubtful:
                    oldest = (
                        None if thread_ts else MessageTs(f"{row.created_at // 1000 - 60}.000000")
                    )
                    found = await sender.find(
                        row.team_id, row.channel_id, key=key, thread_ts=thread_ts, oldest=oldest
                    )
                    if found is not None:
                        return found
                    doubtful = False
                    self._record.check_lease()
                return await sender.post(
                    row.team_id, row.channel_id, post, key=key, thread_ts=thread_ts
                )
            except SlackUnknown as error:
                doubtful = True
                await asyncio.sleep(backoff.next(retry_after(error)))
            except SlackUnavailable as error:
                await asyncio.sleep(backoff.next(retry_after(error)))
            except SlackRefused as error:
                if error.code.startswith("invalid_blocks") and post.blocks:
                    post = msgspec.structs.replace(post, blocks=None)  # the words still count
                    continue
                await self._bear(error)

    async def _bear(self, error: SlackRefused) -> None:
        """Wait out a refusal that concerns the whole installation; raise any other."""
        if error.code not in CREDENTIALS:
            raise error
        log.error("slack.credentials_refused", error=error.code, remedy=error.remedy)
        await asyncio.sleep(CREDENTIALS_WAIT)

    # The card

    async def _post_card(self) -> None:
        row = self._record.row
        shown = self._card()
        try:
            ts = await self._post_once(
                Post(text=shown.text, blocks=shown.blocks),
                key=f"card:{row.id}",
                thread_ts=None,
                doubtful=self._card_doubtful,
            )
        except SlackRefused as error:
            raise ThreadGoneError(error) from error
        crash_point("card.answered")
        await self._record.write(thread_ts=ts, card_shown=fingerprint(shown))
        crash_point("card.noted")
        self._tools.threads.learn((row.team_id, row.channel_id, ts), Thread(row.id, row.opener_id))

    async def _refresh_card(self) -> None:
        row = self._record.row
        backoff = self._backoff()
        while row.thread_ts is not None and fingerprint(shown := self._card()) != row.card_shown:
            self._record.check_lease()
            try:
                await self._tools.sender.update(
                    row.team_id,
                    row.channel_id,
                    row.thread_ts,
                    Post(text=shown.text, blocks=shown.blocks),
                )
            except (SlackUnknown, SlackUnavailable) as error:  # an update is the same twice
                await asyncio.sleep(backoff.next(retry_after(error)))
                continue
            except SlackRefused as error:
                if error.code in CREDENTIALS:
                    await self._bear(error)
                    continue
                log.warning("card.refused", session=row.id, error=error.code)
                if error.code in THREAD_GONE or error.code == "message_not_found":
                    raise ThreadGoneError(error) from error
            await self._record.write(card_shown=fingerprint(shown))

    def _card(self) -> Rendered:
        row = self._record.row
        return card(
            CardModel(
                session=row.id,
                account=row.account,
                label=row.label,
                state=row.state,  # type: ignore[arg-type]  # the column holds `State` values
                agent_name=row.agent_name,
                agent_avatar=row.agent_avatar,
                opener=row.opener_id,
                reason=row.reason,
                live=row.live,
            )
        )

    async def say_elsewhere(self, error: SlackError) -> None:
        """Tell the opener, outside the thread, that there is no thread to tell it in."""
        row, sender = self._record.row, self._tools.sender
        if row.thread_ts is None and error.code in UNINVITED:
            bot = self._tools.workspaces.bot_user_id(row.team_id)
            post = Post(text=refusals.not_in_channel(bot))
        else:
            told = notices.thread_unreachable(row.label or row.account, str(error), error.remedy)
            post = Post(text=told.text, blocks=told.blocks)
        try:
            if row.thread_ts is None and row.response_url is not None:
                await sender.respond(row.response_url, post)
            else:
                # A user's id in place of a channel: Slack delivers it as a direct message.
                await sender.post(
                    row.team_id,
                    ChannelId(row.opener_id),
                    post,
                    key=f"gone:{row.id}",
                    thread_ts=None,
                )
        except SlackError as failure:
            log.warning("session.opener_not_told", session=row.id, error=failure.code)

    def _backoff(self) -> Backoff:
        timings = self._tools.timings
        return Backoff(first=timings.retry_first, cap=timings.retry_cap)


def retry_after(error: SlackError) -> float | None:
    """How long Slack asked us to wait, if it did."""
    return getattr(error, "retry_after", None)


def fingerprint(shown: Rendered) -> str:
    """Identity of what a card shows."""
    return hashlib.sha256(msgspec.json.encode(shown)).hexdigest()[:32]
