"""Messages that people edit or delete: each change is committed before the acknowledgement.

What it comes to is decided later, by the session's owner (`bridge.relay.delivery.corrections`):
only that knows what is on its way to LivePerson.
"""

from __future__ import annotations

from typing import Final

from bridge.content.markup import is_blank
from bridge.relay.delivery.messages import wording
from bridge.relay.intake.intake import NOTE_PREFIX, SLACK_WAITS, Intake
from bridge.relay.intake.mentions import word_for_bridge
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import Edit, Note, Text, Withdrawal, packed
from bridge.relay.shared.record import gone, mark, unmark
from bridge.relay.shared.threads import Thread, key_of
from bridge.relay.worker.supervisor import Supervisor
from bridge.slack.port import ThreadChange, ThreadDeleted, ThreadMessage
from bridge.store import inbox, outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.rows import InboxRow
from bridge.store.sessions import Locked

NEVER: Final = "It was withdrawn before it came."
LOCK: Final = "lock"


class Changing:
    """Takes the edits and deletions of the messages of bridged threads."""

    def __init__(self, deps: SessionDeps, supervisor: Supervisor, intake: Intake) -> None:
        self._deps = deps
        self._supervisor = supervisor
        self._intake = intake

    async def changed(self, change: ThreadChange) -> None:
        """Take an edit or a deletion: it is committed when this returns. Raises as
        `Intake.message`; then it must not be acknowledged."""
        message = change.message
        thread = await self._deps.threads.find(key_of(message))
        if thread is None or not await self._intake.by_person(message):
            return
        if not await self._known_and_changed(thread, change):
            # The edit has come before the message: that is taken as it is now.
            if change.deleted or not self._is_for_agent(message):
                await self._never(thread, message)
            if not change.deleted:
                await self._intake.message(message)
                await self._known_and_changed(thread, change)  # unless it has come meanwhile

    async def _known_and_changed(self, thread: Thread, change: ThreadChange) -> bool:
        """Store the change of a message that has come. False: none has come."""
        message, session = change.message, thread.session
        for_agent = not change.deleted and self._is_for_agent(message)
        item = _item(change, for_agent=for_agent)

        async def work(transaction: Transaction) -> tuple[Locked, list[InboxRow], bool, bool]:
            held = await sessions.lock_live(transaction, session)
            if not held.live:
                return held, [], True, False
            known = await inbox.of_message(transaction, session, message.ts)
            said = []
            rows: list[InboxRow] = []
            if any(row.kind in inbox.RELAYED for row in known):
                rows = await self._add(transaction, thread, change, item)
                if rows and not change.deleted and _is_note(message):
                    said = [mark(message.ts, LOCK)]
            elif for_agent and any(row.kind == Note.kind for row in known):
                return held, [], True, True
            if said:
                await outbox.add(transaction, session, said)
            if rows or said:
                await self._intake.wake_owner(transaction, session, held.owner)
            if rows and self._supervisor.shares(session):
                rows = await inbox.waiting(transaction, session)  # as for messages: see `Intake`
            return held, rows, bool(known), False

        held, rows, known, opened = await self._deps.database.writer.run(work, deadline=SLACK_WAITS)
        crash_point("edit.committed")
        if opened:  # a note that is none any more: it is for the agent now
            await self._intake.message(message)
            await self._intake.tell(thread.session, [unmark(message.ts, LOCK)], first=_always)
        if rows:
            self._supervisor.deliver(thread.session, rows)
        if held.live:
            self._intake.wake(thread.session, held.owner)
        return known

    async def _add(
        self, transaction: Transaction, thread: Thread, change: ThreadChange, item: Edit
    ) -> list[InboxRow]:
        message = change.message
        return await inbox.add(
            transaction,
            session=thread.session,
            team=message.team,
            channel=message.channel,
            ts=change.at,
            user=message.user,
            items=[packed(item)],
        )

    async def _never(self, thread: Thread, message: ThreadMessage) -> None:
        """Take the place of a message that may still come, and must not go out."""

        async def work(transaction: Transaction) -> None:
            if (await sessions.lock_live(transaction, thread.session)).live:
                await inbox.add(
                    transaction,
                    session=thread.session,
                    team=message.team,
                    channel=message.channel,
                    ts=message.ts,
                    user=message.user,
                    items=[packed(Text(gesture=message.gesture))],
                    state="kept",
                    error=NEVER,
                )

        await self._deps.database.writer.run(work, deadline=SLACK_WAITS)

    def _is_for_agent(self, message: ThreadMessage) -> bool:
        """Whether a message, as it is now, would be relayed."""
        bot = self._deps.workspaces.bot_user_id(message.team)
        if word_for_bridge(message.text, bot) is not None or _is_note(message):
            return False
        words = wording(message.text, message.user, self._deps, message.team, exact=message.exact)
        return not (is_blank(message.text) or (words.plain is not None and is_blank(words.plain)))

    async def thread_deleted(self, deleted: ThreadDeleted) -> None:
        """A thread's first message is deleted: have its session post nothing more, and end."""
        thread = await self._deps.threads.find((deleted.team, deleted.channel, deleted.thread_ts))
        if thread is None:
            return

        async def first(transaction: Transaction) -> bool:
            return (await sessions.lock_live(transaction, thread.session)).live

        await self._intake.tell(thread.session, [gone()], first=first)


async def _always(_transaction: Transaction) -> bool:
    return True


def _item(change: ThreadChange, *, for_agent: bool) -> Edit:
    message = change.message
    if not for_agent:
        return Withdrawal(of=message.ts)
    return Edit(message.text, exact=message.exact, gesture=message.gesture, of=message.ts)


def _is_note(message: ThreadMessage) -> bool:
    return message.text.lstrip().startswith(NOTE_PREFIX)
