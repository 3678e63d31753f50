"""Stores what LivePerson tells one session in the outbox: in sequence order, each event once.

The cursor moves in the transaction that stores the events. It never passes a message of our own
whose row is not marked as sent: after a crash the replay starts at the cursor, and that is where
such a message is looked for. The machine (`Delivery`) decides what an event means; here is the I/O.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from bridge.liveperson.catch_up import CatchUp
from bridge.liveperson.connection import Connection
from bridge.liveperson.events import AcceptStatusEvent, ChatStateEvent, FileEvent
from bridge.liveperson.frames import (
    ConversationChange,
    ConversationChanges,
    EventChange,
    MessagingEvents,
    Notification,
)
from bridge.relay.delivery.agents import Agents
from bridge.relay.delivery.looks import drawn, file_items
from bridge.relay.delivery.machine import Batch, Delivery, Heard
from bridge.relay.shared.cards import (
    MOST_OPEN,
    QuickReplies,
    card_payload,
    kept_open,
    over,
    quick_replies_of,
    read_open,
)
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import Record
from bridge.store import inbox, outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.rows import NewOutbox, OutboxRow


class Reader:
    """Reads the dialogs of one conversation."""

    __slots__ = (
        "_agents",
        "_catch_up",
        "_delivery",
        "_read_to",
        "_record",
        "_style",
        "changes",
        "observe",
        "stale",
        "surveys",
        "typing",
    )

    def __init__(
        self, record: Record, deps: SessionDeps, delivery: Delivery, agents: Agents
    ) -> None:
        self._record = record
        self._delivery = delivery
        self._agents = agents
        self._style = deps.settings.bridge_card_style
        self._catch_up = CatchUp(delivery.dialogs, self._look, deps.timings.replays)
        self._read_to: list[int] = []
        self.changes: list[ConversationChange] = []
        """Changes of this consumer's conversations that `Conversation.observe` has not seen yet."""
        self.stale = False
        """Whether a notification may have been lost, so that the dialogs are to be read again."""
        self.surveys: set[str] = set()
        """Dialogs that are surveys."""
        self.typing: Callable[[EventChange], None] = lambda change: None
        """Called when somebody types, or has stopped: nothing of that is stored."""
        self.observe: Callable[[], Awaitable[None]] | None = None
        """Called before events are stored: who has joined is told before what they say."""

    def receive(self, notification: Notification) -> bool:
        """Take a notification; the session stores it later. True: there is nothing to do."""
        if isinstance(notification, MessagingEvents):
            self._delivery.consumer_id = self._record.row.consumer_id
            for change in notification.changes:
                if not change.event.takes_sequence and not self._delivery.is_ours(change):
                    self.typing(change)
            nothing = not self._delivery.heard(notification.changes)
            self._catch_up.arrived()
            return nothing
        if isinstance(notification, ConversationChanges):
            self.changes.extend(notification.changes)
        return False

    async def subscribe(self, connection: Connection) -> None:
        """Subscribe to every dialog from its cursor on; its events then come by themselves.

        The replay need not be complete when this returns: what is missing then comes later.
        """
        self.stale = False
        await self._catch_up.subscribe(connection)
        await connection.get_clock()  # as a rule the replay arrives before this answer
        await self.absorb()
        self._read_to = self._cursors()

    def _cursors(self) -> list[int]:
        return [dialog.cursor for dialog in self._delivery.dialogs.values()]

    @property
    def moved(self) -> bool:
        """Whether something was said since the dialogs were last read again."""
        return self._read_to != self._cursors()

    async def read_again(self, connection: Connection, *, certain: bool) -> None:
        """Read until nothing that is known to exist is missing.

        `certain`: until it is also proven that nothing else exists. Raises `ReplayMissing`.
        """
        self.stale = False
        await self._catch_up.read(connection, certain=certain)
        self._read_to = self._cursors()

    async def _look(self, certain: bool) -> None:
        self._delivery.judge(certain=certain and bool(self._delivery.in_doubt))
        await self.absorb()

    async def absorb(self) -> None:
        """Store the events that are next in order, and have them posted.

        Their writers' names are looked up first. Events that arrive meanwhile, or when this is
        cancelled, stay in the machine: the next call stores them.
        """
        while self._delivery.pending:
            if self.changes and self.observe is not None:
                await self.observe()
            events = list(self._delivery.pending)
            items: list[NewOutbox] = []
            fresh: list[QuickReplies] = []
            for heard in events:
                items += await self._items(heard, fresh)
            batch = self._delivery.batch(events)
            await self._store(batch, items, fresh)
            self._delivery.stored(batch)

    async def _items(self, heard: Heard, fresh: list[QuickReplies]) -> list[NewOutbox]:
        """The posts that show an event in the thread: none, one, or several parts.

        If it has quick replies, they are added to `fresh`.
        """
        change = heard.change
        if isinstance(change.event, AcceptStatusEvent | ChatStateEvent):
            return []
        survey = heard.dialog in self.surveys
        name, avatar = await self._agents.author(change, survey=survey)
        if isinstance(change.event, FileEvent):
            return file_items(heard, name, avatar)
        card = drawn(heard, self._style)
        quick = quick_replies_of(heard.dialog, change.sequence, card.controls)
        if quick is not None:
            fresh.append(quick)
        return [
            NewOutbox(
                kind="agent",
                payload=card_payload(
                    rendered,
                    [control for control in card.controls if control.message == part],
                    username=name,
                    icon_url=avatar,
                ),
                dialog_id=heard.dialog,
                sequence=change.sequence,
                part=part,
            )
            for part, rendered in enumerate(card.messages)
        ]

    async def _store(
        self, batch: Batch, items: list[NewOutbox], fresh: Sequence[QuickReplies]
    ) -> None:
        session, epoch = self._record.row.id, self._record.row.epoch
        values: dict[str, str] = {}
        if fresh:
            cards = [*read_open(self._record.row.quick_replies), *fresh]
            values["quick_replies"] = kept_open(cards[-MOST_OPEN:])
            items = [*items, *over(cards[:-MOST_OPEN])]

        async def work(connection: Transaction) -> list[OutboxRow]:
            added = await outbox.add(connection, session, items)
            if values:
                await sessions.change_session(connection, session, epoch, **values)
            for row, dialog, sequence in batch.sent:
                await inbox.mark_sent(connection, row, dialog, sequence)
            for dialog, position in batch.positions.items():
                await sessions.move_cursor(connection, session, dialog, position)
            return added

        crash_point("read.before")
        added = await self._record.commit(work)
        crash_point("read.stored")
        self._record.changed(added, **values)
