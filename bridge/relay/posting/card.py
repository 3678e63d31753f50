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
"""What Slack says before anybody has invited the bridge."""


class Card:
    """Posts the card and keeps it true."""

    __slots__ = (
        "_deps",
        "_form",
        "_posting",
        "_record",
        "_true",
        "doubtful",
        "missing",
    )

    def __init__(self, record: Record, deps: SessionDeps, posting: Posting) -> None:
        self._record = record
        self._deps = deps
        self._posting = posting
        self._form: Form | None = None
        self._true: CardModel | None = None
        """What the card is known to show."""
        self.missing = False
        """Whether it is not there: then nothing is posted below it, for Slack might show that in
        the channel itself."""
        self.doubtful = False
        """Whether a former owner may have posted it."""

    async def post(self) -> None:
        """Open the thread. Raises `ThreadGoneError` if Slack lets us open none."""
        row, shown = self._record.row, card(self._model())
        try:
            ts = await self._posting.once(
                Post(text=shown.text, blocks=shown.blocks),
                key=f"card:{row.id}",
                thread_ts=None,
                born=row.created_at,
                doubtful=self.doubtful,
                bear=self._bear,
            )
        except SlackRefused as error:
            raise ThreadGoneError(error) from error
        crash_point("card.answered")
        await self._note(ts, fingerprint(shown))
        crash_point("card.noted")
        await self._posting.hold.over()
        self._deps.threads.learn((row.team_id, row.channel_id, ts), Thread(row.id, row.opener_id))

    async def _bear(self, error: SlackRefused) -> None:
        """Wait a little for a thread that Slack does not let us open; nothing is lost with it."""
        if self.doubtful:  # it may stand there already, and people may have written below it
            await self._posting.hold.bear(error)
            return
        if await self._posting.hold.follow(error):
            return
        if error.concern is Concern.THREAD or error.code == "missing_scope":
            raise ThreadGoneError(error)  # whoever typed the command can do something about it
        await self._posting.hold.bear(error)

    async def _note(self, ts: MessageTs, shown: str) -> None:
        """Note which thread it is; messages in it may wait for that at any worker."""
        row = self._record.row

        async def work(connection: Transaction) -> None:
            await sessions.change_session(
                connection, row.id, row.epoch, thread_ts=ts, card_shown=shown
            )
            await notify(connection, CHANNEL, THREAD)

        await self._record.commit(work)
        self._record.changed([], thread_ts=ts, card_shown=shown)

    async def refresh(self, backoff: Backoff) -> float | None:
        """Have it show what is so. Returns None if it does, else the seconds until the next try.

        Raises `ThreadGoneError` if Slack has not let us for too long: it was deleted, perhaps.
        """
        row, model = self._record.row, self._model()
        if row.thread_ts is None or (model == self._true and not self.missing):
            return None
        shown = card(model)
        if fingerprint(shown) == row.card_shown and not self.missing:
            self._true = model
            return None
        meant = Post(text=shown.text, blocks=shown.blocks)
        if self._form is None or self._form.meant != meant:
            self._form = Form(meant)
        self._true = None  # until it is known again: what is so may change back meanwhile
        check = self._record.check_lease
        check()
        try:
            await self._deps.sender.update(
                row.team_id, row.channel_id, row.thread_ts, self._form.post, check=check
            )
        except (SlackUnknown, SlackUnavailable) as error:  # an update is the same twice
            return backoff.next(error.retry_after)
        except SlackRefused as error:
            if self._form.plainer(error):
                return 0.0
            if error.concern is not Concern.MESSAGE:
                self.missing = error.code in MISSING
                await self._posting.hold.bear(error)
                return 0.0
            log.warning("card.refused", session=row.id, error=error.code)
        else:
            await self._posting.hold.over()
        self.missing = False
        await self._record.write(card_shown=fingerprint(shown))
        return 0.0

    async def say_elsewhere(self, error: SlackError) -> None:
        """Tell the opener, outside the thread, that there is no thread to tell it in."""
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
        )


def fingerprint(shown: Rendered) -> str:
    """Identity of what a card shows."""
    return hashlib.sha256(msgspec.json.encode(shown)).hexdigest()[:32]
