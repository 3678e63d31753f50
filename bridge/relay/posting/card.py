"""The session's card: the thread's first message, posted once and updated from then on."""

from __future__ import annotations

import hashlib

import msgspec
import structlog

from bridge.backoff import Backoff
from bridge.content.rendered import Rendered
from bridge.ids import MessageTs
from bridge.relay.posting.form import Form
from bridge.relay.posting.hold import ThreadGoneError
from bridge.relay.posting.posting import Posting
from bridge.relay.shared.channels import CHANNEL, THREAD
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import Record
from bridge.relay.shared.threads import Thread
from bridge.slack.views import notices, refusals
from bridge.slack.views.card import CardModel, card
from bridge.slack.web.concerns import MISSING, Concern
from bridge.slack.web.errors import SlackError, SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.sender import Post
from bridge.state import State
from bridge.store import sessions
from bridge.store.connection import Transaction
from bridge.store.wakeups import notify

log = structlog.get_logger(__name__)

UNINVITED = frozenset({"not_in_channel", "channel_not_found"})
"""Slack's errors for a channel to which nobody has invited the bridge."""


class Card:
    """Posts the card and keeps it up to date."""

    __slots__ = (
        "_deps",
        "_form",
        "_posting",
        "_record",
        "_shown",
        "doubtful",
        "missing",
    )

    def __init__(self, record: Record, deps: SessionDeps, posting: Posting) -> None:
        self._record = record
        self._deps = deps
        self._posting = posting
        self._form: Form | None = None
        self._shown: CardModel | None = None
        """What the card shows; None if that is not known."""
        self.missing = False
        """Whether the card is gone. Then nothing is posted: without a first message, Slack might
        show a reply in the channel itself."""
        self.doubtful = False
        """Whether a former owner may have posted the card without noting its thread."""

    async def post(self) -> None:
        """Post the card, which opens the thread. Raises `ThreadGoneError` if Slack refuses it."""
        row, shown = self._record.row, card(self._model())
        try:
            ts = await self._posting.post_once(
                Post(text=shown.text, blocks=shown.blocks),
                key=f"card:{row.id}",
                thread_ts=None,
                born=row.created_at,
                doubtful=self.doubtful,
                wait_or_give_up=self._wait_or_give_up,
            )
        except SlackRefused as error:
            raise ThreadGoneError(error) from error
        crash_point("card.answered")
        await self._note(ts, fingerprint(shown))
        crash_point("card.noted")
        await self._posting.hold.over()
        self._deps.threads.learn((row.team_id, row.channel_id, ts), Thread(row.id, row.opener_id))

    async def _wait_or_give_up(self, error: SlackRefused) -> None:
        """Wait after a refusal of the card, or raise `ThreadGoneError` where waiting is no use."""
        if self.doubtful:  # the card may be posted already, and people may have replied
            await self._posting.hold.wait_or_give_up(error)
            return
        if await self._posting.hold.follow(error):
            return
        if error.concern is Concern.THREAD or error.code == "missing_scope":
            raise ThreadGoneError(error)  # the person who typed the command can do something
        await self._posting.hold.wait_or_give_up(error)

    async def _note(self, ts: MessageTs, shown: str) -> None:
        """Store the thread's `ts`, and wake the messages that wait for it at any worker."""
        row = self._record.row

        async def work(transaction: Transaction) -> None:
            await sessions.change_session(
                transaction, row.id, row.epoch, thread_ts=ts, card_shown=shown
            )
            await notify(transaction, CHANNEL, THREAD)

        await self._record.commit(work)
        self._record.changed([], thread_ts=ts, card_shown=shown)

    async def refresh(self, backoff: Backoff) -> float | None:
        """Update the card. Returns None if it shows the present state, else seconds to wait.

        Raises `ThreadGoneError` if Slack has refused it for too long: perhaps it was deleted.
        """
        row, model = self._record.row, self._model()
        if row.thread_ts is None or (model == self._shown and not self.missing):
            return None
        shown = card(model)
        if fingerprint(shown) == row.card_shown and not self.missing:
            self._shown = model
            return None
        meant = Post(text=shown.text, blocks=shown.blocks)
        if self._form is None or self._form.meant != meant:
            self._form = Form(meant)
        self._shown = None  # not known until Slack has answered
        check = self._record.check_lease
        check()
        try:
            await self._deps.sender.update(
                row.team_id, row.channel_id, row.thread_ts, self._form.post, check=check
            )
        except (SlackUnknown, SlackUnavailable) as error:  # updating twice does no harm
            return backoff.next(error.retry_after)
        except SlackRefused as error:
            if self._form.plainer(error):
                return 0.0
            if error.concern is not Concern.MESSAGE:
                self.missing = error.code in MISSING
                await self._posting.hold.wait_or_give_up(error)
                return 0.0
            log.warning("card.refused", session=row.id, error=error.code)
        else:
            await self._posting.hold.over()
        self.missing = False
        await self._record.write(card_shown=fingerprint(shown))
        return 0.0

    async def say_elsewhere(self, error: SlackError) -> None:
        """Tell the opener outside the thread that the thread cannot be written to."""
        row = self._record.row
        if row.thread_ts is None and error.code in UNINVITED:
            bot = self._deps.workspaces.bot_user_id(row.team_id)
            post = Post(text=refusals.not_in_channel(bot))
        else:
            told = notices.thread_unreachable(row.label or row.account, str(error), error.remedy)
            post = Post(text=told.text, blocks=told.blocks)
        url = row.response_url if row.thread_ts is None else None
        if url is None or not await self._posting.respond(url, post):
            await self._posting.direct(post, f"gone:{row.id}")

    def _model(self) -> CardModel:
        row = self._record.row
        return CardModel(
            session=row.id,
            account=row.account,
            label=row.label,
            state=State(row.state),
            agent_name=row.agent_name,
            agent_avatar=row.agent_avatar,
            opener=row.opener_id,
            reason=row.reason,
            live=row.live,
            ttr=row.ttr,
        )


def fingerprint(shown: Rendered) -> str:
    """A hash of what a card shows, to compare with what was posted."""
    return hashlib.sha256(msgspec.json.encode(shown)).hexdigest()[:32]
