"""What the listeners call: each answer is given only after the commit that makes it true."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from bridge.content.markup import is_blank
from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId, WorkerId, new_session_id
from bridge.relay.crashpoints import crash_point
from bridge.relay.decisions import State
from bridge.relay.messages import translate
from bridge.relay.news import CHANNEL, FREE, channel_of
from bridge.relay.presence import Presence
from bridge.relay.record import mark, notice
from bridge.relay.supervisor import Supervisor
from bridge.relay.targets import accounts_for, resolve
from bridge.relay.threads import Thread
from bridge.relay.tools import Tools
from bridge.relay.types import (
    Accounts,
    ConnectCommand,
    Connecting,
    Disposition,
    Refused,
    SessionSummary,
    ThreadMessage,
)
from bridge.relay.words import Word, word_for_bridge
from bridge.slack.views import notices, refusals
from bridge.store import inbox, outbox, sessions
from bridge.store.connection import Connection
from bridge.store.rows import InboxRow, NewOutbox, SessionRow
from bridge.store.wakeups import notify

log = structlog.get_logger(__name__)

NOTE_PREFIX = "//"
SLACK_WAITS = 2.5
"""Seconds that a commit may take: Slack waits for three, and delivers again what gets a 5xx."""
CLOSED_WORDS_MS = 60_000
"""A closed thread answers with words at most this often; the mark comes on each message."""


class BridgeService:
    """Opens sessions, takes messages, ends sessions, lists them."""

    def __init__(self, tools: Tools, supervisor: Supervisor, presence: Presence) -> None:
        self._tools = tools
        self._presence = presence
        self._supervisor = supervisor

    async def connect(self, command: ConnectCommand) -> Connecting | Refused:
        """Open a session, once per `request_key`. Its thread and its conversation follow.

        Raises `StoreUnavailable`; then nothing may be acknowledged.
        """
        target = resolve(self._tools.settings, command)
        if isinstance(target, Refused):
            return target
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
        worker = self._tools.worker

        async def work(connection: Connection) -> tuple[SessionRow | None, bool, bool]:
            added = await sessions.add_session(connection, values, worker)
            if added is not None:
                return added, True, True
            row = await sessions.session_by_request(connection, key)
            ours = row is not None and await sessions.is_owner(connection, row.id, worker)
            return row, False, ours

        row, fresh, ours = await self._tools.database.writer.run(work, deadline=SLACK_WAITS)
        crash_point("session.committed")
        if row is None:
            return Refused(refusals.trouble("The request could not be stored.", "Try again."))
        # Known, though ours: the first try's commit may have taken effect before it failed. A known
        # one of another worker is that worker's: two with one epoch would not be fenced.
        if fresh or (ours and row.live and row.epoch == 1):
            log.info("session.opened", session=row.id, account=row.account)
            self._supervisor.adopt(row, fresh=fresh)
        return Connecting(row.id, target.label)

    def foreign(self, team: TeamId, channel: ChannelId, thread_ts: MessageTs) -> bool:
        """Whether a thread is known to be none of ours; False if that is to be found out."""
        return self._tools.threads.foreign((team, channel, thread_ts))

    async def message(self, message: ThreadMessage) -> Disposition:
        """Take a thread message: committed when this returns.

        Raises `UndecidedError` or `StoreUnavailable`; then it must not be acknowledged.
        """
        try:
            return await self._message(message)
        except Exception:
            self._presence.refused(message.team, message.channel, message.thread_ts, message.ts)
            raise

    async def _message(self, message: ThreadMessage) -> Disposition:
        thread = await self._tools.threads.find((message.team, message.channel, message.thread_ts))
        if thread is None:
            return Disposition.FOREIGN
        bot = self._tools.workspaces.bot_user_id(message.team)
        if (word := word_for_bridge(message.text, bot)) is not None:
            return await self._word(thread, message, word)
        if message.text.lstrip().startswith(NOTE_PREFIX):
            return await self._keep(thread, message, "note", Disposition.NOTE, _locked(message))
        writer = message.user if message.user != thread.opener else None
        texts = translate(message.text, writer, self._tools, message.team)
        if is_blank(message.text) or texts == []:
            files = message.files
            told = notices.files_not_relayed(files) if files else notices.nothing_to_relay()
            items = _constant([mark(message.ts), notice(told)])
            return await self._keep(thread, message, "note", Disposition.NOTE, items)
        return await self._relay(thread, message, texts)

    async def _relay(
        self, thread: Thread, message: ThreadMessage, texts: list[str] | None
    ) -> Disposition:
        session = thread.session

        async def work(
            connection: Connection,
        ) -> tuple[bool, WorkerId | None, list[InboxRow], bool]:
            live, owner = await sessions.lock_live(connection, session)
            rows = await inbox.add_message(
                connection,
                session=session,
                team=message.team,
                channel=message.channel,
                ts=message.ts,
                user=message.user,
                source=message.text,
                texts=texts,
                state="waiting" if live else "failed",
                error=None if live else "The conversation was over already.",
            )
            said: list[NewOutbox] = []
            if rows and not live:
                said = await self._closed_answer(connection, session, message.ts)
            elif rows and message.files:
                said = [mark(message.ts), notice(notices.files_not_relayed(message.files))]
            if said:
                await self._say(connection, session, said)
            else:
                await self._wake_owner(connection, session, owner)
            if rows and live and self._supervisor.shares(session):
                # An earlier one may lie here that another worker took: not to be overtaken,
                # although the wake-up for it is still to come.
                rows = await inbox.waiting(connection, session)
            return live, owner, rows, bool(said)

        done = await self._tools.database.writer.run(work, deadline=SLACK_WAITS)
        live, owner, rows, said = done
        crash_point("inbox.committed")
        if live and rows:
            # If it runs elsewhere, its worker has been notified, or somebody will claim it.
            self._supervisor.deliver(session, rows)
        if not live or said or not rows:  # known: its first wake-up may have been lost
            self._wake(session, owner)
        if not rows:
            return Disposition.DUPLICATE
        return Disposition.ACCEPTED if live else Disposition.CLOSED

    async def _closed_answer(
        self, connection: Connection, session: SessionId, ts: MessageTs
    ) -> list[NewOutbox]:
        """Say that the conversation is over: a mark on the message, and words now and then."""
        row = await sessions.session_by_id(connection, session)
        since = sessions.now_ms() - CLOSED_WORDS_MS
        if row is None:
            return []
        if await outbox.count_since(connection, session, "closed", since):
            return [mark(ts)]
        told = notice(notices.thread_closed(row.account))
        return [mark(ts), NewOutbox(kind="closed", payload=told.payload)]

    async def _word(self, thread: Thread, message: ThreadMessage, word: Word) -> Disposition:
        if word is Word.END and not await self._is_live(thread.session):
            word = Word.STATUS  # it tells that the conversation has ended
        if word is Word.END:
            await self._end(thread.session, message.user, message.team, message.channel, message.ts)
            return Disposition.WORD
        bot = self._tools.workspaces.bot_user_id(message.team)

        async def items(connection: Connection) -> list[NewOutbox]:
            row = await sessions.session_by_id(connection, thread.session)
            if word is Word.STATUS and row is not None:
                said = notices.status(row.label or row.account, row.state, row.agent_name)
            else:
                said = notices.word_help(bot)
            return [notice(said)]

        return await self._keep(thread, message, "word", Disposition.WORD, items)

    async def _is_live(self, session: SessionId) -> bool:
        async with self._tools.database.read() as connection:
            row = await sessions.session_by_id(connection, session)
        return row is not None and row.live

    async def _keep(
        self, thread: Thread, message: ThreadMessage, kind: str, kept: Disposition, items: Items
    ) -> Disposition:
        """Note a message that is not for LivePerson, and answer it, once."""

        async def work(connection: Connection) -> tuple[bool, WorkerId | None]:
            rows = await inbox.add_message(
                connection,
                session=thread.session,
                team=message.team,
                channel=message.channel,
                ts=message.ts,
                user=message.user,
                source="",  # what stays in Slack is not copied
                texts=[""],
                kind=kind,
                state="kept",
            )
            if not rows:
                return False, None
            said = await items(connection)
            return True, await self._say(connection, thread.session, said)

        added, owner = await self._tools.database.writer.run(work, deadline=SLACK_WAITS)
        self._wake(thread.session, owner)
        return kept if added else Disposition.DUPLICATE

    async def _say(
        self, connection: Connection, session: SessionId, items: list[NewOutbox]
    ) -> WorkerId | None:
        """Add to the outbox of a session, and wake whoever owns it, or may. Returns who does."""
        owner = await sessions.call_for_attention(connection, session)
        await outbox.add(connection, session, items)
        if owner is None:
            await notify(connection, CHANNEL, FREE)
        await self._wake_owner(connection, session, owner)
        return owner

    async def tell(
        self,
        session: SessionId,
        items: list[NewOutbox],
        *,
        first: Callable[[Connection], Awaitable[bool]],
    ) -> None:
        """Say something in a session's thread, if `first`, in the same transaction, agrees."""

        async def work(connection: Connection) -> tuple[bool, WorkerId | None]:
            if not await first(connection):
                return False, None
            return True, await self._say(connection, session, items)

        told, owner = await self._tools.database.writer.run(work)
        if told:
            self._wake(session, owner)

    async def _wake_owner(
        self, connection: Connection, session: SessionId, owner: WorkerId | None
    ) -> None:
        """Tell another worker of a row for its session.

        One that nobody owns will be claimed, and whoever claims it reads everything.
        """
        if owner is not None and owner != self._tools.worker:
            await notify(connection, channel_of(owner), session)

    def _wake(self, session: SessionId, owner: WorkerId | None) -> None:
        """Have the session look, if it runs here; a closed one runs nowhere until it is claimed."""
        if not self._supervisor.look(session) and owner is None:
            self._supervisor.claim_soon()

    async def end(self, session: SessionId, user: UserId, team: TeamId, key: str) -> Refused | None:
        """End a conversation (the card's button); `key` is the click's own timestamp. Idempotent.

        A session of another workspace is none that this one can see.
        """
        async with self._tools.database.read() as connection:
            row = await sessions.session_by_id(connection, session)
        if row is None or row.team_id != team:
            return Refused(refusals.no_such_session())
        if row.live:
            await self._end(session, user, team, row.channel_id, MessageTs(key))
        return None

    async def _end(
        self, session: SessionId, user: UserId, team: TeamId, channel: ChannelId, ts: MessageTs
    ) -> None:
        async def work(connection: Connection) -> list[InboxRow]:
            live, owner = await sessions.lock_live(connection, session)
            if not live:
                return []
            rows = await inbox.add_message(
                connection,
                session=session,
                team=team,
                channel=channel,
                ts=ts,
                user=user,
                source="",
                texts=[""],
                kind="close",
            )
            await self._wake_owner(connection, session, owner)
            return rows

        rows = await self._tools.database.writer.run(work, deadline=SLACK_WAITS)
        crash_point("close.committed")
        self._supervisor.deliver(session, rows)

    async def sessions(self, team: TeamId, user: UserId) -> list[SessionSummary]:
        """The open sessions that this person has opened, newest first."""
        async with self._tools.database.read() as connection:
            found = await connection.execute(sessions.listing(team=team, user=user, live=True))
        return [
            SessionSummary(
                session=row.id,
                channel=row.channel_id,
                thread_ts=row.thread_ts,
                opener=row.opener_id,
                account=row.account,
                label=row.label or row.account,
                state=row.state,
                agent=row.agent_name,
                created_at=row.created_at,
            )
            for row in found
        ]

    def accounts(self, channel: ChannelId, channel_name: str | None) -> Accounts:
        """The accounts that may be connected to from this channel."""
        return accounts_for(self._tools.settings, channel, channel_name)


Items = Callable[[Connection], Awaitable[list[NewOutbox]]]


def _constant(items: list[NewOutbox]) -> Items:
    async def give(connection: Connection) -> list[NewOutbox]:
        return items

    return give


def _locked(message: ThreadMessage) -> Items:
    return _constant([mark(message.ts, "lock")])
