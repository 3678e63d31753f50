"""What is written in threads: passed on, kept, or answered; committed before it is acknowledged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from bridge.content.markup import is_blank
from bridge.ids import MessageTs, SessionId, UserId, WorkerId
from bridge.relay.delivery.messages import Wording, wording
from bridge.relay.intake.mentions import MentionWord, word_for_bridge
from bridge.relay.shared import items
from bridge.relay.shared.cards import over, read_open
from bridge.relay.shared.channels import CHANNEL, FREE, channel_of
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import packed, text_items
from bridge.relay.shared.record import mark, notice
from bridge.relay.shared.threads import Thread, key_of
from bridge.relay.worker.supervisor import Supervisor
from bridge.slack.port import ThreadMessage, WriterKind
from bridge.slack.views import notices
from bridge.state import State
from bridge.store import inbox, outbox, people, sessions
from bridge.store.connection import Transaction
from bridge.store.rows import InboxRow, NewOutbox, SessionRow
from bridge.store.sessions import Locked
from bridge.store.wakeups import notify

NOTE_PREFIX = "//"
SLACK_WAITS = 2.5
"""Seconds that a commit may take: Slack waits for three, and delivers again what gets a 5xx."""
CLOSED_WORDS_MS = 60_000
"""A closed thread answers with words at most this often; the mark comes on each message."""
APPS = "bridge:apps"
"""In place of a dialog's id: the one notice of a thread about messages by apps."""

Answer = Callable[[Transaction], Awaitable[list[NewOutbox]]]


class Intake:
    """Takes what people write in bridged threads."""

    def __init__(self, deps: SessionDeps, supervisor: Supervisor) -> None:
        self._deps = deps
        self._supervisor = supervisor

    async def message(self, message: ThreadMessage) -> None:
        """Take a thread message: committed when this returns.

        Raises `UndecidedError`, `StoreUnavailable`, or `SlackError` while Slack does not say who
        has written it; then it must not be acknowledged.
        """
        thread = await self._deps.threads.find(key_of(message))
        if thread is None:
            return
        if not await self._by_person(message):
            await self._leave_out(thread, message)
            return
        bot = self._deps.workspaces.bot_user_id(message.team)
        if (word := word_for_bridge(message.text, bot)) is not None:
            await self._word(thread, message, word)
            return
        if message.text.lstrip().startswith(NOTE_PREFIX):
            await self._keep(thread, message, items.Note(), _constant(mark(message.ts, "lock")))
            return
        words = wording(message.text, message.user, self._deps, message.team)
        if is_blank(message.text) or (words.plain is not None and is_blank(words.plain)):
            files = message.files
            told = notices.files_not_relayed(files) if files else notices.nothing_to_relay()
            answer = _constant(mark(message.ts), notice(told))
            await self._keep(thread, message, items.Note(), answer)
            return
        await self._relay(thread, message, words)

    async def _by_person(self, message: ThreadMessage) -> bool:
        if message.writer is WriterKind.THROUGH_APP:
            return await self._deps.names.is_person(message.team, message.user)
        return message.writer is WriterKind.PERSON

    async def _relay(self, thread: Thread, message: ThreadMessage, words: Wording) -> None:
        session = thread.session
        stranger = message.user != thread.opener

        async def work(connection: Transaction) -> tuple[Locked, list[InboxRow], bool]:
            said: list[NewOutbox] = []
            if stranger and not thread.several_writers:
                await people.another_writes(connection, session)
            held = await sessions.lock_live(connection, session)
            texts = words.texts(named=stranger or held.several_writers)
            rows = await inbox.add(
                connection,
                session=session,
                team=message.team,
                channel=message.channel,
                ts=message.ts,
                user=message.user,
                items=[packed(item) for item in text_items(message.text, texts)],
                state="waiting" if held.live else "failed",
                error=None if held.live else "The conversation was over already.",
            )
            if rows and not held.live:
                said = await self._closed_answer(connection, session, message.ts)
            elif rows and message.files:
                said = [mark(message.ts), notice(notices.files_not_relayed(message.files))]
            if rows and held.live and held.quick_replies != thread.quick_replies_over:
                said += over(read_open(held.quick_replies))
            if said:
                await self._say(connection, session, said, held)
            else:
                await self.wake_owner(connection, session, held.owner)
            if rows and held.live and self._supervisor.shares(session):
                # An earlier one may lie here that another worker took: not to be overtaken,
                # although the wake-up for it is still to come.
                rows = await inbox.waiting(connection, session)
            return held, rows, bool(said)

        held, rows, said = await self._deps.database.writer.run(work, deadline=SLACK_WAITS)
        crash_point("inbox.committed")
        if rows and held.live:
            now = replace(
                thread,
                several_writers=thread.several_writers or held.several_writers,
                quick_replies_over=held.quick_replies,
            )
            if now != thread:
                self._deps.threads.note(key_of(message), now)
        if held.live and rows:
            # If it runs elsewhere, its worker has been notified, or somebody will claim it.
            self._supervisor.deliver(session, rows)
        if not held.live or said or not rows:  # known: its first wake-up may have been lost
            self.wake(session, held.owner)

    async def _closed_answer(
        self, connection: Transaction, session: SessionId, ts: MessageTs
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

    async def _leave_out(self, thread: Thread, message: ThreadMessage) -> None:
        """Tell once in a thread, while somebody might wonder, that apps are not passed on."""
        if thread.apps_told:
            return
        session = thread.session
        told = replace(notice(notices.apps_not_relayed()), dialog_id=APPS)

        async def work(connection: Transaction) -> tuple[bool, WorkerId | None]:
            held = await sessions.lock_live(connection, session)
            if not held.live or not await outbox.add(connection, session, [told]):
                return held.live, None
            return True, await self._say(connection, session, [], held)

        live, owner = await self._deps.database.writer.run(work, deadline=SLACK_WAITS)
        if live:
            self._deps.threads.note(key_of(message), replace(thread, apps_told=True))
            self.wake(session, owner)

    async def _word(self, thread: Thread, message: ThreadMessage, word: MentionWord) -> None:
        stranger = message.home not in (None, message.team)
        if word is MentionWord.END and not stranger:
            row = await self._session(thread.session)
            if row is not None and row.live:
                await self.close(row, message.user, message.ts)
                return
            word = MentionWord.STATUS  # it tells that the conversation has ended
        bot = self._deps.workspaces.bot_user_id(message.team)

        async def answer(connection: Transaction) -> list[NewOutbox]:
            row = await sessions.session_by_id(connection, thread.session)
            if word is MentionWord.END:
                said = notices.other_workspace()
            elif word is MentionWord.STATUS and row is not None:
                said = notices.status(row.label or row.account, State(row.state), row.agent_name)
            else:
                said = notices.word_help(bot)
            return [notice(said)]

        await self._keep(thread, message, items.Word(), answer)

    async def _session(self, session: SessionId) -> SessionRow | None:
        async with self._deps.database.read() as connection:
            return await sessions.session_by_id(connection, session)

    async def _keep(
        self,
        thread: Thread,
        message: ThreadMessage,
        item: items.Note | items.Word,
        answer: Answer,
    ) -> None:
        """Note a message that is not for LivePerson, and answer it, once."""

        async def work(connection: Transaction) -> WorkerId | None:
            rows = await inbox.add(
                connection,
                session=thread.session,
                team=message.team,
                channel=message.channel,
                ts=message.ts,
                user=message.user,
                items=[packed(item)],
                state="kept",
            )
            if not rows:
                return None
            return await self._say(connection, thread.session, await answer(connection))

        owner = await self._deps.database.writer.run(work, deadline=SLACK_WAITS)
        self.wake(thread.session, owner)

    async def close(self, row: SessionRow, user: UserId, ts: MessageTs) -> None:
        """Have a session ended, after what was written before `ts`."""

        async def work(connection: Transaction) -> list[InboxRow]:
            held = await sessions.lock_live(connection, row.id)
            if not held.live:
                return []
            rows = await inbox.add(
                connection,
                session=row.id,
                team=row.team_id,
                channel=row.channel_id,
                ts=ts,
                user=user,
                items=[packed(items.Close())],
            )
            await self.wake_owner(connection, row.id, held.owner)
            return rows

        rows = await self._deps.database.writer.run(work, deadline=SLACK_WAITS)
        crash_point("close.committed")
        self._supervisor.deliver(row.id, rows)

    async def _say(
        self,
        connection: Transaction,
        session: SessionId,
        items: list[NewOutbox],
        held: Locked | None = None,
    ) -> WorkerId | None:
        """Add to the outbox of a session, and wake whoever owns it, or may. Returns who does.

        `held`: what `lock_live` has given in this transaction. A live session has its owner's
        attention until it is over and all that was added before is posted; its row, which several
        may hold together, is left as it is.
        """
        if held is not None and held.live:
            owner = held.owner
        else:
            owner = await sessions.call_for_attention(connection, session)
        await outbox.add(connection, session, items)
        if owner is None:
            await notify(connection, CHANNEL, FREE)
        await self.wake_owner(connection, session, owner)
        return owner

    async def tell(
        self,
        session: SessionId,
        items: list[NewOutbox],
        *,
        first: Callable[[Transaction], Awaitable[bool]],
    ) -> None:
        """Say something in a session's thread, if `first`, in the same transaction, agrees."""

        async def work(connection: Transaction) -> tuple[bool, WorkerId | None]:
            if not await first(connection):
                return False, None
            return True, await self._say(connection, session, items)

        told, owner = await self._deps.database.writer.run(work)
        if told:
            self.wake(session, owner)

    async def wake_owner(
        self, connection: Transaction, session: SessionId, owner: WorkerId | None
    ) -> None:
        """Tell another worker of a row for its session.

        One that nobody owns will be claimed, and whoever claims it reads everything.
        """
        if owner is not None and owner != self._deps.worker:
            await notify(connection, channel_of(owner), session)

    def wake(self, session: SessionId, owner: WorkerId | None) -> None:
        """Have the session look, if it runs here; a closed one runs nowhere until it is claimed."""
        if not self._supervisor.look(session) and owner is None:
            self._supervisor.claim_soon()


def _constant(*items: NewOutbox) -> Answer:
    async def give(connection: Transaction) -> list[NewOutbox]:
        return list(items)

    return give
