"""What LivePerson tells one session, on its way into the outbox: in sequence order, each once.

The cursor moves in the transaction that stores the events, and never past a message of our own
whose row does not say yet that it was sent: the replay after a crash starts behind the cursor, and
is where such a message is looked for.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from bridge.content.from_liveperson import agent_text, unsupported
from bridge.content.rendered import Rendered
from bridge.ids import InboxId
from bridge.liveperson.connection import Connection
from bridge.liveperson.events import (
    AcceptStatusEvent,
    ChatStateEvent,
    FileEvent,
    RichEvent,
    TextEvent,
    UnknownEvent,
)
from bridge.liveperson.ids import DialogId
from bridge.liveperson.wire import (
    ConversationChange,
    ConversationChanges,
    EventChange,
    MessagingEvents,
    Notification,
)
from bridge.relay.agents import Agents
from bridge.relay.crashpoints import crash_point
from bridge.relay.decisions import DialogReader, match_own
from bridge.relay.publisher import Publisher
from bridge.relay.record import Record, post_payload
from bridge.relay.tools import Tools
from bridge.store import inbox, outbox, sessions
from bridge.store.connection import Connection as StoreConnection
from bridge.store.left import Left
from bridge.store.rows import NewOutbox, OutboxRow

log = structlog.get_logger(__name__)

Mark = tuple[InboxId, str, int | None]


class Reader:
    """Reads the dialogs of one conversation."""

    __slots__ = (
        "_agents",
        "_dialogs",
        "_heard",
        "_incoming",
        "_own",
        "_publisher",
        "_record",
        "_strangers",
        "_tools",
        "changes",
        "stale",
    )

    def __init__(self, record: Record, tools: Tools, publisher: Publisher, agents: Agents) -> None:
        self._record = record
        self._tools = tools
        self._publisher = publisher
        self._agents = agents
        self._dialogs: dict[str, DialogReader] = {}
        self._own: dict[str, set[int]] = {}
        """By dialog: sequences of our own messages that are still to come back."""
        self._incoming: list[EventChange] = []
        self._strangers: set[str] | None = None
        self._heard = time.monotonic()
        self.changes: list[ConversationChange] = []
        """Changes of this consumer's conversations that nobody has looked at yet."""
        publisher.sent = self.own_sequence
        self.stale = False
        """Whether something may have been lost: read again from the cursor."""

    def take_over(self, left: Left) -> None:
        """Go on where a former owner ended."""
        self._dialogs = {row.dialog_id: DialogReader(row.cursor) for row in left.dialogs}
        self._own = left.own

    def receive(self, notification: Notification) -> bool:
        """Queue what came; the session absorbs it. True: there is nothing left to absorb."""
        self._heard = time.monotonic()
        if isinstance(notification, MessagingEvents):
            self._incoming.extend(notification.changes)
            return self._only_our_own()
        if isinstance(notification, ConversationChanges):
            self.changes.extend(notification.changes)
        return False

    def _only_our_own(self) -> bool:
        """Deal with our own messages that come back in their turn: the usual case, quickly."""
        if self._publisher.doubtful:
            return False  # each may have to be stored: see `absorb`
        self._feed()
        for name, dialog in self._dialogs.items():
            while (change := dialog.next) is not None and self._is_own(change):
                dialog.take_one()
                self._own_message(name, change)
        return not any(dialog.gap for dialog in self._dialogs.values())

    def add_dialog(self, dialog: str) -> None:
        """Read this dialog too."""
        self._dialogs.setdefault(dialog, DialogReader())

    @property
    def dialogs(self) -> list[str]:
        """The dialogs that are read."""
        return list(self._dialogs)

    @property
    def gap(self) -> bool:
        """Whether an event is held back because an earlier one is missing."""
        return any(dialog.gap for dialog in self._dialogs.values())

    async def read_again(self, connection: Connection, *, patient: bool) -> None:
        """Read every dialog from its cursor, and accept the gaps that remain.

        `patient`: wait until the replay is surely over, because something hangs on it. The server
        answers one socket's requests in order, but promises nothing of its notifications.
        """
        self.stale = False
        for name, dialog in self._dialogs.items():
            await connection.subscribe_events(DialogId(name), dialog.cursor + 1)
        await connection.get_clock()
        await self.absorb()
        if patient or self.gap:
            await self._until_quiet()
        await self.absorb(settle=True)

    async def _until_quiet(self) -> None:
        timings = self._tools.timings
        self._heard = started = time.monotonic()
        while (now := time.monotonic()) - started < timings.replay_limit:
            left = self._heard + timings.replay_quiet - now
            if left <= 0:
                return
            await asyncio.sleep(left)

    async def absorb(self, *, settle: bool = False) -> None:
        """Store what has come and is in order, then let it be posted."""
        self._feed()
        marks: list[Mark] = []
        items: list[NewOutbox] = []
        cursors: dict[str, int] = {}
        for name, dialog in self._dialogs.items():
            ready = dialog.take()
            if settle:
                ready += dialog.settle()
            if not ready:
                continue
            cursors[name] = dialog.cursor
            for change in ready:
                if self._is_own(change):
                    marks += self._own_message(name, change)
                else:
                    items += await self._items(name, change)
        unsure = marks and self._publisher.doubtful
        if items or unsure:
            await self._store(items, cursors)

    def _feed(self) -> None:
        incoming, self._incoming = self._incoming, []
        for change in incoming:
            dialog = self._dialogs.get(change.dialog_id)
            if dialog is not None:
                dialog.feed(change)
            elif change.dialog_id not in (self._strangers or ()):
                self._strangers = {*(self._strangers or ()), change.dialog_id}
                log.warning(
                    "reader.foreign_dialog",
                    session=self._record.row.id,
                    dialog=change.dialog_id[:64],
                )

    def _is_own(self, change: EventChange) -> bool:
        consumer = self._record.row.consumer_id
        return change.role == "CONSUMER" or (consumer is not None and change.is_by(consumer))

    def _own_message(self, dialog: str, change: EventChange) -> list[Mark]:
        """Which of our messages came back; empty where that is known already."""
        if change.sequence in self._own.get(dialog, ()):
            self._own[dialog].discard(change.sequence)
            if not self._own[dialog]:
                del self._own[dialog]
            return []
        if not isinstance(change.event, TextEvent):
            return []
        known = {sequence for _, _, sequence in self._publisher.unwritten()}
        if change.sequence in known:
            return []
        found = match_own(
            change, change.event.message, self._publisher.candidates(), sole_author=True
        )
        if found is None:
            log.warning(
                "reader.own_message_of_elsewhere",
                session=self._record.row.id,
                sequence=change.sequence,
            )
            return []
        self._publisher.confirm(found.row, dialog, change.sequence)
        return [(found.row, dialog, change.sequence)]

    def own_sequence(self, dialog: str, sequence: int) -> None:
        """A message of ours has this sequence: its echo, if it is still to come, is nothing new."""
        if sequence > self._dialogs[dialog].cursor:
            self._own.setdefault(dialog, set()).add(sequence)

    async def _items(self, dialog: str, change: EventChange) -> list[NewOutbox]:
        """What an event shows in the thread: nothing, or one or more parts."""
        if isinstance(change.event, AcceptStatusEvent | ChatStateEvent):
            return []
        name, avatar = await self._agents.author(change)
        return [
            NewOutbox(
                kind="agent",
                payload=post_payload(rendered, username=name, icon_url=avatar),
                dialog_id=dialog,
                sequence=change.sequence,
                part=part,
            )
            for part, rendered in enumerate(render(change))
        ]

    async def _store(self, items: list[NewOutbox], cursors: dict[str, int]) -> None:
        session = self._record.row.id
        marks = self._publisher.unwritten()

        async def work(connection: StoreConnection) -> list[OutboxRow]:
            added = await outbox.add(connection, session, items)
            for row, dialog, sequence in marks:
                await inbox.mark_sent(connection, row, dialog, sequence)
            for dialog, cursor in cursors.items():
                await sessions.move_cursor(connection, session, dialog, cursor)
            return added

        crash_point("read.before")
        added = await self._record.commit(work)
        crash_point("read.stored")
        self._publisher.written([row for row, _, _ in marks])
        self._record.changed(added)


def render(change: EventChange) -> list[Rendered]:
    """What an event of the agent's side looks like in the thread."""
    event = change.event
    if isinstance(event, TextEvent):
        if event.content_type == "text/plain":
            return agent_text(event.message)
        return unsupported(event.content_type, None)
    if isinstance(event, FileEvent):
        return unsupported("file", event.caption)
    if isinstance(event, RichEvent):
        return unsupported("rich", event.text)
    if isinstance(event, UnknownEvent):
        return unsupported(event.type, None)
    return []
