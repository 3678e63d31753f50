"""What the listeners call. It answers only after the commit that makes the answer true."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from bridge.ids import ChannelId, InboxId, MessageTs, SessionId, TeamId, UserId, new_session_id
from bridge.relay.intake.access import Access
from bridge.relay.intake.changing import Changing
from bridge.relay.intake.first_words import first_words, meant, store
from bridge.relay.intake.intake import SLACK_WAITS, Intake, markable
from bridge.relay.intake.limits import limited, over_limit
from bridge.relay.intake.overviews import Overviews, summary
from bridge.relay.intake.pressing import Pressing
from bridge.relay.intake.rating import Ratings
from bridge.relay.intake.targets import (
    Target,
    accounts_for,
    resolve,
    unknown_to_liveperson,
    with_channel_name,
)
from bridge.relay.intake.uninstalling import Uninstalling
from bridge.relay.shared.channels import CHANNEL, MOVED, REACTED
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.worker.presence import Presence
from bridge.relay.worker.supervisor import Supervisor
from bridge.slack.port import (
    Accounts,
    AlreadyOpen,
    ChannelClosed,
    Click,
    ConnectCommand,
    Connecting,
    Dialog,
    DirectMessage,
    Objections,
    Overview,
    Press,
    Pressed,
    Quoted,
    Reaction,
    Refused,
    SessionSummary,
    ThreadChange,
    ThreadDeleted,
    ThreadMessage,
    Uninstalled,
)
from bridge.slack.views import refusals
from bridge.state import State
from bridge.store import people, sessions
from bridge.store import presence as unheard
from bridge.store.connection import Transaction
from bridge.store.errors import StoreUnavailable
from bridge.store.rows import InboxRow, NewOutbox, SessionRow
from bridge.store.wakeups import notify

log = structlog.get_logger(__name__)
T = TypeVar("T")

Outcome = SessionRow | AlreadyOpen | Refused | None

MOVED_BEFORE_MS = 5 * 60 * 1000
"""A channel may have had its new id for so long before Slack's event says so."""
OPEN_AGAIN = 0.2
"""Seconds between two tries to open a session while the database is away."""


class BridgeService:
    """Opens sessions, takes messages, ends sessions, lists them."""

    def __init__(self, deps: SessionDeps, supervisor: Supervisor, presence: Presence) -> None:
        self._deps = deps
        self._presence = presence
        self._supervisor = supervisor
        self._intake = Intake(deps, supervisor)
        self._ratings = Ratings(deps, self._intake)
        self._changing = Changing(deps, supervisor, self._intake)
        self._pressing = Pressing(deps, supervisor, self._intake)
        self._overviews = Overviews(deps)
        self._access = Access(deps, supervisor, self._intake)
        self._uninstalling = Uninstalling(deps, supervisor, self._intake)

    async def connect(self, command: ConnectCommand) -> Connecting | AlreadyOpen | Refused:
        """Open a session, once per `request_key`. Its thread and conversation are made later.

        An authenticated consumer has one conversation with an account: the session that is open is
        named then.

        Raises `UndecidedError` or `StoreUnavailable`; then nothing may be acknowledged.
        """
        if command.pressed is not None:
            pressed = await self._pressed(command.pressed)
            if isinstance(pressed, Refused):
                return pressed
            if pressed.account != command.target:
                return Refused(refusals.no_such_session())
        command = await with_channel_name(self._deps, meant(self._deps.settings, command))
        target = resolve(self._deps.settings, command)
        if isinstance(target, Refused):
            return target
        words = first_words(self._deps, command)
        if isinstance(words, Refused):
            return words
        if (unknown := await unknown_to_liveperson(self._deps, target.account)) is not None:
            return unknown
        if self._supervisor.full:
            return Refused(refusals.bridge_full())
        key = command.request_key[:255]
        values = {
            "id": new_session_id(),
            "request_key": key,
            "team_id": command.team,
            "channel_id": command.channel,
            "opener_id": command.user,
            "response_url": command.response_url,
            "account": target.account,
            "label": target.label,
            "state": State.CONNECTING.value,
        }
        worker = self._deps.worker
        sole = self._deps.settings.account(target.account).auth == "authenticated"

        said: list[InboxRow] = []

        async def work(transaction: Transaction) -> tuple[Outcome, bool, bool]:
            said.clear()
            if sole and (open_ := await self._sole(transaction, command, target, key)) is not None:
                return open_, False, False
            if (refused := await self._over_limit(transaction, command, key)) is not None:
                return refused, False, False
            added = await sessions.add_session(transaction, values, worker)
            if added is not None:
                said.extend(await store(transaction, added.id, words))
                return added, True, True
            row = await sessions.session_by_request(transaction, key)
            ours = row is not None and await sessions.is_owner(transaction, row.id, worker)
            return row, False, ours

        row, fresh, ours = await self._open(work, alone=sole or limited(self._deps.settings))
        if isinstance(row, Refused | AlreadyOpen):
            return row
        crash_point("session.committed")
        if row is None:
            return Refused(refusals.trouble("The request could not be stored.", "Try again."))
        # A retry may find the row that its own first attempt committed. Run it only if this worker
        # owns it at epoch 1: with another owner two actors would share an epoch, and fencing would
        # not separate them.
        if fresh or (ours and row.live and row.epoch == 1):
            log.info("session.opened", session=row.id, account=row.account)
            self._supervisor.adopt(row, fresh=fresh)
            if said:
                self._supervisor.deliver(row.id, said)
                self._supervisor.look(row.id)  # the post that shows it waits in the outbox
        return Connecting(row.id, target.label, words.plain if words is not None else None)

    async def _open(self, work: Callable[[Transaction], Awaitable[T]], *, alone: bool) -> T:
        """Run a transaction that opens a session.

        Where the number of sessions is limited (`alone`), openings of all workers wait for each
        other. They then have a transaction of their own, so that no message has to wait with them.
        """
        database, clock = self._deps.database, asyncio.get_running_loop().time
        if not (alone and database.is_postgresql):
            return await database.writer.run(work, deadline=SLACK_WAITS)
        end = clock() + SLACK_WAITS
        while True:
            try:
                return await database.at_once(work, deadline=max(end - clock(), 0.1))
            except StoreUnavailable:  # a retry finds the row if the first attempt committed it
                if clock() + OPEN_AGAIN > end:
                    raise
            await asyncio.sleep(OPEN_AGAIN)

    async def _sole(
        self, transaction: Transaction, command: ConnectCommand, target: Target, key: str
    ) -> AlreadyOpen | None:
        """The session that the person has open with the account, where one is all there can be.

        Not one whose talk is over: what is left of that ends when the next conversation begins.
        """
        await people.open_one_at_a_time(transaction)
        if await sessions.session_by_request(transaction, key) is not None:
            return None  # a retry: this is the one that is open
        row = await sessions.open_with(
            transaction, command.team, command.user, target.account, but=State.ENDED.value
        )
        return None if row is None else AlreadyOpen(summary(row))

    async def _over_limit(
        self, transaction: Transaction, command: ConnectCommand, key: str
    ) -> Refused | None:
        settings = self._deps.settings
        if not limited(settings):
            return None
        await people.open_one_at_a_time(transaction)
        if await sessions.session_by_request(transaction, key) is not None:
            return None  # a retry: its session is open already, and counted
        return await over_limit(transaction, settings, command.team, command.channel, command.user)

    def foreign(self, team: TeamId, channel: ChannelId, thread_ts: MessageTs) -> bool:
        """Whether a thread is known not to be bridged; False if that has to be looked up."""
        return self._deps.threads.foreign((team, channel, thread_ts))

    async def message(self, message: ThreadMessage) -> None:
        """Take a thread message: it is committed when this returns. Raises as `Intake.message`."""
        try:
            await self._intake.message(message)
        except Exception:
            self._presence.refused(message.team, message.channel, message.thread_ts, message.ts)
            raise

    async def reacted(self, reaction: Reaction) -> None:
        """Somebody has put a reaction on a message of an app: it was seen.

        Who has posted it is known to the worker that did. Not stored: it may be lost.
        """
        channel, ts, at = reaction.channel, reaction.ts, reaction.at
        if self._supervisor.reacted(channel, ts, at) or self._supervisor.alone:
            return

        async def work(transaction: Transaction) -> None:
            await notify(transaction, CHANNEL, f"{REACTED}{channel} {ts} {at}")

        with contextlib.suppress(StoreUnavailable):
            await self._deps.database.writer.run(work, deadline=SLACK_WAITS)

    async def changed(self, change: ThreadChange) -> None:
        """Take an edit or a deletion: committed when this returns. Raises as `message`."""
        message = change.message
        try:
            await self._changing.changed(change)
        except Exception:
            self._presence.refused(message.team, message.channel, message.thread_ts, message.ts)
            raise

    async def thread_deleted(self, gone: ThreadDeleted) -> None:
        """A thread's first message is deleted: see `Changing.thread_deleted`."""
        await self._changing.thread_deleted(gone)

    async def tell(
        self,
        session: SessionId,
        items: list[NewOutbox],
        *,
        first: Callable[[Transaction], Awaitable[bool]],
    ) -> None:
        """Say something in a session's thread; see `Intake.tell`."""
        await self._intake.tell(session, items, first=first)

    async def end(self, session: SessionId, click: Click) -> Refused | None:
        """End a conversation by the button in its own thread. Pressing twice does no harm.

        Raises `UndecidedError` or `StoreUnavailable`; then nothing may be acknowledged.
        """
        row = await self._pressed(click)
        if isinstance(row, Refused):
            return row
        if row.id != session:
            return Refused(refusals.no_such_session())
        if row.live:
            await self._intake.close(row, click.user, MessageTs(click.key))
        return None

    async def end_own(
        self, session: SessionId, team: TeamId, user: UserId, key: MessageTs
    ) -> Refused | None:
        """End a conversation from the home of who has opened it. Pressing twice does no harm.

        Nobody else may, whatever the button says. Raises as `end`.
        """
        async with self._deps.database.read() as transaction:
            row = await sessions.session_by_id(transaction, session)
        if row is None or (row.team_id, row.opener_id) != (team, user):
            return Refused(refusals.no_such_session())
        if row.live:
            await self._intake.close(row, user, key)
        return None

    async def mark(self, session: SessionId, click: Click, *, urgent: bool) -> Refused | None:
        """Say how soon an answer is wanted, by a button of the card. Twice does no harm.

        Raises `UndecidedError` or `StoreUnavailable`; then nothing may be acknowledged.
        """
        row = await self._pressed(click)
        if isinstance(row, Refused):
            return row
        if row.id != session:
            return Refused(refusals.no_such_session())
        if not markable(row):
            return Refused(refusals.not_markable())
        await self._intake.mark(row, click.user, MessageTs(click.key), urgent=urgent)
        return None

    async def rate(self, click: Click, answer: str) -> Refused | None:
        """Take the answer to the question how a conversation was, in its own thread; once.

        Raises `UndecidedError` or `StoreUnavailable`; then nothing may be acknowledged.
        """
        row = await self._pressed(click)
        if isinstance(row, Refused):
            return row
        return await self._ratings.take(row, click, answer)

    async def retry(self, rows: str, click: Click) -> Refused | None:
        """Send messages again that were not delivered. `rows`: as the button carries them.

        Raises `UndecidedError` or `StoreUnavailable`; then nothing may be acknowledged.
        """
        row = await self._pressed(click)
        if isinstance(row, Refused):
            return row
        if not row.live:
            return Refused(refusals.conversation_over())
        only = {InboxId(int(each)) for each in rows.split(",") if each.isdecimal()}
        done = await self._intake.retry(row, MessageTs(click.key), only)
        return None if done else Refused(refusals.sent_again_already())

    async def press(self, press: Press) -> Pressed | Refused | Dialog | Objections:
        """Take a press in a card, in the card's own thread; what it says leaves in thread order.

        Raises `UndecidedError` or `StoreUnavailable`; then nothing may be acknowledged.
        """
        row = await self._pressed(press.click)
        return row if isinstance(row, Refused) else await self._pressing.press(row, press)

    async def _pressed(self, click: Click) -> SessionRow | Refused:
        """The session in whose thread a button was pressed, if that person may press it.

        Slack shows a thread only to the members of its channel. What a button carries proves
        nothing: the session is found by the thread in which it was pressed.
        """
        if click.thread_ts is None:
            return Refused(refusals.no_such_session())
        thread = await self._deps.threads.find((click.team, click.channel, click.thread_ts))
        if thread is None:
            return Refused(refusals.no_such_session())
        if click.home not in (None, click.team):
            return Refused(refusals.other_workspace())
        async with self._deps.database.read() as transaction:
            row = await sessions.session_by_id(transaction, thread.session)
        return row if row is not None else Refused(refusals.no_such_session())

    async def channel_moved(self, team: TeamId, old: ChannelId, new: ChannelId) -> None:
        """Move a channel's sessions to its new id. Their owners learn of it when they next post.

        Messages that came under the new id before this were acknowledged as belonging to no
        session. So the threads are marked to be read since then.
        """
        since = sessions.now_ms() - MOVED_BEFORE_MS

        async def work(transaction: Transaction) -> None:
            await sessions.move_channel(transaction, team, old, new)
            await unheard.mark_channel(transaction, team, new, since)
            await notify(transaction, CHANNEL, MOVED)

        await self._deps.database.at_once(work, deadline=SLACK_WAITS)
        self._deps.threads.moved()
        self._deps.to_read.set()
        log.info("channel.moved", old=old, new=new)

    async def channel_closed(self, closed: ChannelClosed) -> None:
        """Tell the threads of a channel that was closed to the bridge. Raises `StoreError`."""
        await self._access.closed(closed)

    async def channel_opened(self, team: TeamId, channel: ChannelId) -> None:
        """Post what waits for a channel. Raises `StoreError`."""
        await self._access.opened(team, channel)

    async def uninstalled(self, gone: Uninstalled) -> None:
        """End the sessions of an install that is gone, and note that it is. Raises `StoreError`."""
        await self._uninstalling.end(gone)

    async def sessions(
        self, team: TeamId, user: UserId, channel: ChannelId | None = None
    ) -> list[SessionSummary]:
        """The open sessions that this person has opened, newest first, then the channel's."""
        return await self._overviews.sessions(team, user, channel)

    async def overview(self, team: TeamId, user: UserId) -> Overview:
        """What this person has opened, for their home."""
        return await self._overviews.overview(team, user)

    async def direct(self, message: DirectMessage) -> None:
        """Say where a message belongs that was written outside of any thread."""
        await self._overviews.direct(message)

    async def quotation(self, quoted: Quoted) -> str:
        """Put a message into words that can be sent. Plain text; never fails."""
        return await self._overviews.quotation(quoted)

    def accounts(self, channel: ChannelId | None, channel_name: str | None) -> Accounts:
        """The accounts that may be connected to from this channel; None: from any."""
        return accounts_for(self._deps.settings, channel, channel_name)
