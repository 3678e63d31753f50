"""Messages in threads: relayed, kept or answered; each is committed before the acknowledgement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

from bridge.content.markup import is_blank
from bridge.ids import InboxId, MessageTs, SessionId, UserId, WorkerId
from bridge.relay.delivery.messages import Wording, wording
from bridge.relay.intake.mentions import MentionWord, word_for_bridge
from bridge.relay.intake.retrying import send_again
from bridge.relay.shared import items
from bridge.relay.shared.cards import over, read_open
from bridge.relay.shared.channels import CHANNEL, FREE, channel_of
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import FILES_FROM, File, Text, packed, text_items
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
"""Seconds that a commit may take. Slack waits for three, and delivers again after a 5xx."""
CLOSED_WORDS_MS = 60_000
"""A closed thread gets the notice at most this often; every message gets the mark."""
APPS = "bridge:apps"
"""The `dialog_id` of a thread's only notice about messages by apps: it makes the row unique."""

URGENCY_WORDS = (MentionWord.URGENT, MentionWord.NORMAL)
MARKABLE = frozenset({State.READY, State.WAITING, State.ACTIVE, State.RECONNECTING})
"""States in which it can be said how soon an answer is wanted."""

Answer = Callable[[Transaction], Awaitable[list[NewOutbox]]]


class Intake:
    """Stores the messages of bridged threads, and wakes their sessions."""

    def __init__(self, deps: SessionDeps, supervisor: Supervisor) -> None:
        self._deps = deps
        self._supervisor = supervisor

    async def message(self, message: ThreadMessage) -> None:
        """Take a thread message: it is committed when this returns.

        Raises `UndecidedError`, `StoreUnavailable`, or `SlackError` if Slack does not tell who the
        writer is. Then the message must not be acknowledged.
        """
        thread = await self._deps.threads.find(key_of(message))
        if thread is None:
            return
        if not await self.by_person(message):
            await self._say_apps_not_relayed(thread, message)
            return
        if message.profile is not None:
            self._deps.names.told(message.team, message.user, message.profile)
        bot = self._deps.workspaces.bot_user_id(message.team)
        if (word := word_for_bridge(message.text, bot)) is not None:
            await self._word(thread, message, word)
            return
        if message.text.lstrip().startswith(NOTE_PREFIX):
            await self._keep(thread, message, items.Note(), _constant(mark(message.ts, "lock")))
            return
        words: Wording | None = wording(
            message.text, message.user, self._deps, message.team, exact=message.exact
        )
        if is_blank(message.text) or (words and words.plain is not None and is_blank(words.plain)):
            if not any(file.id for file in message.files):
                lost = _unfindable(message)
                told = notices.files_not_relayed(lost) if lost else notices.nothing_to_relay()
                answer = _constant(mark(message.ts), notice(told))
                await self._keep(thread, message, items.Note(), answer)
                return
            words = None
        await self._relay(thread, message, words)

    async def by_person(self, message: ThreadMessage) -> bool:
        """Whether a person has written it, as far as Slack tells. Raises `SlackError`."""
        if message.writer is WriterKind.THROUGH_APP:
            return await self._deps.names.is_person(message.team, message.user)
        return message.writer is WriterKind.PERSON

    async def _relay(self, thread: Thread, message: ThreadMessage, words: Wording | None) -> None:
        """Store a message's text (`words`; None: it has none) and its files, in this order."""
        session = thread.session
        files = [File(file.id, file.name) for file in message.files if file.id is not None]
        lost = _unfindable(message)
        stranger = message.user != thread.opener

        async def work(transaction: Transaction) -> tuple[Locked, list[InboxRow], bool]:
            said: list[NewOutbox] = []
            if stranger and not thread.several_writers:
                await people.another_writes(transaction, session)
            held = await sessions.lock_live(transaction, session)
            rows: list[InboxRow] = []
            said_items: list[Text] = []
            if words is not None:
                texts = words.texts(named=stranger or held.several_writers)
                said_items = text_items(
                    message.text, texts, exact=message.exact, gesture=message.gesture
                )
            for first, given in ((0, said_items), (FILES_FROM, files)):
                rows += await inbox.add(
                    transaction,
                    session=session,
                    team=message.team,
                    channel=message.channel,
                    ts=message.ts,
                    user=message.user,
                    items=[packed(item) for item in given],
                    first=first,
                    state="waiting" if held.live else "failed",
                    error=None if held.live else "The conversation was over already.",
                )
            if rows and not held.live:
                said = await self._closed_answer(transaction, session, message.ts)
            elif rows and lost:
                said = [mark(message.ts), notice(notices.files_not_relayed(lost))]
            if rows and held.live and held.quick_replies != thread.quick_replies_over:
                said += over(read_open(held.quick_replies))
            if said:
                await self.say(transaction, session, said, held)
            else:
                await self.wake_owner(transaction, session, held.owner)
            if rows and held.live and self._supervisor.shares(session):
                # An earlier message may wait here that another worker stored, and whose wake-up is
                # still to come. Read all that waits, so that this one does not overtake it.
                rows = await inbox.waiting(transaction, session)
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
            # Does nothing if it runs elsewhere: its worker is notified, or somebody claims it.
            self._supervisor.deliver(session, rows)
        if not held.live or said or not rows:  # no rows: a redelivery, whose wake-up may be lost
            self.wake(session, held.owner)

    async def _closed_answer(
        self, transaction: Transaction, session: SessionId, ts: MessageTs
    ) -> list[NewOutbox]:
        """Say that the conversation is over: a mark on the message, and a notice now and then."""
        row = await sessions.session_by_id(transaction, session)
        since = sessions.now_ms() - CLOSED_WORDS_MS
        if row is None:
            return []
        if await outbox.count_since(transaction, session, "closed", since):
            return [mark(ts)]
        told = notice(notices.thread_closed(row.account))
        return [mark(ts), NewOutbox(kind="closed", payload=told.payload)]

    async def _say_apps_not_relayed(self, thread: Thread, message: ThreadMessage) -> None:
        """Say once in a thread that messages by apps are not relayed; not after its end."""
        if thread.apps_told:
            return
        session = thread.session
        told = replace(notice(notices.apps_not_relayed()), dialog_id=APPS)

        async def work(transaction: Transaction) -> tuple[bool, WorkerId | None]:
            held = await sessions.lock_live(transaction, session)
            if not held.live or not await outbox.add(transaction, session, [told]):
                return held.live, None
            return True, await self.say(transaction, session, [], held)

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
            word = MentionWord.STATUS  # the status says that the conversation has ended
        if word in (MentionWord.URGENT, MentionWord.NORMAL) and not stranger:
            row = await self._session(thread.session)
            if row is not None and markable(row) and urgent(row) != (word is MentionWord.URGENT):
                await self.mark(row, message.user, message.ts, urgent=word is MentionWord.URGENT)
                return
        bot = self._deps.workspaces.bot_user_id(message.team)

        async def answer(transaction: Transaction) -> list[NewOutbox]:
            row = await sessions.session_by_id(transaction, thread.session)
            if word is MentionWord.RETRY and row is not None and row.live:
                place = message.team, message.channel
                again = await send_again(transaction, thread.session, place, message.ts)
                return again or [notice(notices.nothing_to_send_again())]
            if word is MentionWord.END or (stranger and word in URGENCY_WORDS):
                said = notices.other_workspace()
            elif word in URGENCY_WORDS:
                able = row is not None and markable(row)
                already = notices.marked_already(urgent=word is MentionWord.URGENT)
                said = already if able else notices.not_markable()
            elif word in (MentionWord.STATUS, MentionWord.RETRY) and row is not None:
                said = notices.status(row.label or row.account, State(row.state), row.agent_name)
            else:
                said = notices.word_help(bot)
            return [notice(said)]

        await self._keep(thread, message, items.Word(), answer)

    async def _session(self, session: SessionId) -> SessionRow | None:
        async with self._deps.database.read() as transaction:
            return await sessions.session_by_id(transaction, session)

    async def _keep(
        self,
        thread: Thread,
        message: ThreadMessage,
        item: items.Note | items.Word,
        answer: Answer,
    ) -> None:
        """Store a message that is not for LivePerson, and answer it once."""

        async def work(transaction: Transaction) -> WorkerId | None:
            rows = await inbox.add(
                transaction,
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
            return await self.say(transaction, thread.session, await answer(transaction))

        owner = await self._deps.database.writer.run(work, deadline=SLACK_WAITS)
        self._supervisor.acted(thread.session, message.ts)
        self.wake(thread.session, owner)

    async def close(self, row: SessionRow, user: UserId, ts: MessageTs) -> None:
        """Have a conversation ended after the messages that were written before `ts`."""
        await self._ask(row, user, ts, items.Close())

    async def mark(self, row: SessionRow, user: UserId, ts: MessageTs, *, urgent: bool) -> None:
        """Have LivePerson told how soon an answer is wanted."""
        await self._ask(row, user, ts, items.Urgency("URGENT" if urgent else "NORMAL"))

    async def _ask(
        self, row: SessionRow, user: UserId, ts: MessageTs, item: items.Close | items.Urgency
    ) -> None:
        """Ask LivePerson for something, once for this `ts`."""

        async def work(transaction: Transaction) -> list[InboxRow]:
            held = await sessions.lock_live(transaction, row.id)
            if not held.live:
                return []
            rows = await inbox.add(
                transaction,
                session=row.id,
                team=row.team_id,
                channel=row.channel_id,
                ts=ts,
                user=user,
                items=[packed(item)],
            )
            await self.wake_owner(transaction, row.id, held.owner)
            return rows

        rows = await self._deps.database.writer.run(work, deadline=SLACK_WAITS)
        crash_point("close.committed")
        self._supervisor.deliver(row.id, rows)

    async def retry(self, row: SessionRow, at: MessageTs, only: Collection[InboxId]) -> bool:
        """Send these failed messages of a live session again. False: that was done before."""

        async def work(transaction: Transaction) -> tuple[bool, WorkerId | None]:
            held = await sessions.lock_live(transaction, row.id)
            if not held.live:
                return False, None
            again = await send_again(transaction, row.id, (row.team_id, row.channel_id), at, only)
            if again is None:  # unless it is a redelivery
                known = await inbox.of_message(transaction, row.id, at)
                return any(each.kind == items.Retry.kind for each in known), held.owner
            return True, await self.say(transaction, row.id, again, held)

        done, owner = await self._deps.database.writer.run(work, deadline=SLACK_WAITS)
        crash_point("inbox.committed")
        self.wake(row.id, owner)
        return done

    async def say(
        self,
        transaction: Transaction,
        session: SessionId,
        items: list[NewOutbox],
        held: Locked | None = None,
    ) -> WorkerId | None:
        """Add posts to a session's outbox and wake its owner, whom it returns (None: it has none).

        `held`: what `lock_live` returned in this transaction. A live session keeps its owner until
        everything added before its end is posted, so its row is not changed: other transactions
        may hold a share of its lock.
        """
        if held is not None and held.live:
            owner = held.owner
        else:
            owner = await sessions.call_for_attention(transaction, session)
        await outbox.add(transaction, session, items)
        if owner is None:
            await notify(transaction, CHANNEL, FREE)
        await self.wake_owner(transaction, session, owner)
        return owner

    async def tell(
        self,
        session: SessionId,
        items: list[NewOutbox],
        *,
        first: Callable[[Transaction], Awaitable[bool]],
    ) -> None:
        """Say something in a session's thread if `first`, in the same transaction, returns true."""

        async def work(transaction: Transaction) -> tuple[bool, WorkerId | None]:
            if not await first(transaction):
                return False, None
            return True, await self.say(transaction, session, items)

        told, owner = await self._deps.database.writer.run(work)
        if told:
            self.wake(session, owner)

    async def wake_owner(
        self, transaction: Transaction, session: SessionId, owner: WorkerId | None
    ) -> None:
        """Notify the session's owner of a new row, if it is another worker.

        If nobody owns the session, whoever claims it reads all rows.
        """
        if owner is not None and owner != self._deps.worker:
            await notify(transaction, channel_of(owner), session)

    def wake(self, session: SessionId, owner: WorkerId | None) -> None:
        """Have the session's actor look, if it runs here; if nobody runs the session, claim it."""
        if not self._supervisor.look(session) and owner is None:
            self._supervisor.claim_soon()


def markable(row: SessionRow) -> bool:
    """Whether it can be said of a session how soon an answer is wanted."""
    return row.live and row.state in MARKABLE


def urgent(row: SessionRow) -> bool:
    """Whether an answer is wanted soon, as LivePerson has told."""
    return row.ttr in ("URGENT", "PRIORITIZED")


def _unfindable(message: ThreadMessage) -> list[str]:
    """The names of files that Slack gives no id of."""
    return [file.name for file in message.files if file.id is None]


def _constant(*items: NewOutbox) -> Answer:
    async def give(transaction: Transaction) -> list[NewOutbox]:
        return list(items)

    return give
