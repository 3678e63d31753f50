"""The conversation of one session: opens it once, finds it again, and follows its changes."""

from __future__ import annotations

import contextlib

from bridge.config import AccountSettings
from bridge.liveperson.bounds import MOST_DIALOGS
from bridge.liveperson.connection import Connection
from bridge.liveperson.errors import RequestRefused
from bridge.relay.delivery.agents import Agents
from bridge.relay.delivery.machine import Delivery
from bridge.relay.delivery.reader import Reader
from bridge.relay.session.decisions import Happening, Observed, known_conversation, observe
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.record import Record, notice
from bridge.slack.views import notices
from bridge.state import State
from bridge.store import outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.rows import NewOutbox, OutboxRow

LOOK_BACK_MS = 24 * 60 * 60 * 1000
"""How far before the session's creation its conversation may have changed (clocks differ)."""


class Conversation:
    """Opens the conversation and follows its metadata."""

    __slots__ = (
        "_account",
        "_agents",
        "_delivery",
        "_reader",
        "_record",
        "_subscription",
        "_updated_at",
        "closed",
    )

    def __init__(
        self,
        record: Record,
        reader: Reader,
        delivery: Delivery,
        agents: Agents,
        account: AccountSettings,
    ) -> None:
        self._record = record
        self._reader = reader
        self._delivery = delivery
        self._agents = agents
        self._account = account
        self._subscription: str | None = None
        self._updated_at = 0
        self.closed: Observed | None = None
        """Who closed the conversation; None while it is open."""

    async def attach(self, connection: Connection) -> None:
        """On a new connection: find the conversation or open it, then handle what changed.

        Raises what the requests raise: `RequestRefused` if LivePerson opens no conversation.
        """
        self._subscription = None
        self._reader.changes.clear()
        await self.look(connection)
        if self._record.row.conversation_id is None:
            await self._open(connection)
        await self.observe()

    async def look(self, connection: Connection) -> None:
        """Ask for the state of this consumer's conversations; `observe` handles the answer."""
        previous = self._subscription
        self._subscription = await connection.subscribe_conversations(
            states=("OPEN", "CLOSE"), since_ms=self._record.row.created_at - LOOK_BACK_MS
        )
        if previous is not None:
            with contextlib.suppress(RequestRefused):  # the subscription is gone already
                await connection.unsubscribe_conversations(previous)
        await connection.get_clock()  # LivePerson sends the current state before this answer

    async def _open(self, connection: Connection) -> None:
        """Open a conversation, or adopt the one whose opening got no answer."""
        row, account = self._record.row, self._account
        asked = row.opening_since is not None
        conversation = known_conversation(self._reader.changes, asked=asked)
        if conversation is None:
            if not asked:
                await self._record.write(opening_since=sessions.now_ms())
            self._record.check_lease()
            crash_point("open.before")
            try:
                conversation = await connection.request_conversation(
                    skill_id=account.skill,
                    campaign_id=account.campaign,
                    engagement_id=account.engagement,
                )
            except RequestRefused:
                # A consumer has at most one open conversation: an earlier request may have made it.
                await self.look(connection)
                conversation = known_conversation(self._reader.changes, asked=True)
                if conversation is None:
                    raise
        crash_point("open.answered")
        await self._adopt(str(conversation))
        crash_point("open.noted")

    async def _adopt(self, conversation: str) -> None:
        row, state = self._record.row, State.WAITING.value

        async def work(connection: Transaction) -> list[OutboxRow]:
            await sessions.change_session(
                connection, row.id, row.epoch, conversation_id=conversation, state=state
            )
            await sessions.add_dialog(connection, row.id, conversation, "MAIN")
            return await outbox.add(connection, row.id, [told])

        told = notice(notices.waiting())
        added = await self._record.commit(work)
        self._delivery.add_dialog(conversation)
        self._record.changed(added, conversation_id=conversation, state=state)

    async def observe(self) -> None:
        """Tell the thread once what changed; note new dialogs, and whether it was closed."""
        changes, self._reader.changes = self._reader.changes, []
        row = self._record.row
        for change in changes:
            gone = change.kind == "DELETE" and change.state != "CLOSE"
            if change.conversation_id != row.conversation_id or gone:
                continue
            if change.updated_at is not None:
                if change.updated_at < self._updated_at:
                    continue  # a newer change came first: this one is out of date
                self._updated_at = change.updated_at
            self._reader.stale = True  # the change may belong to an event that never arrived
            for dialog in change.dialogs:
                known = self._delivery.dialogs
                if dialog.dialog_id not in known and len(known) < MOST_DIALOGS:
                    await self._add_dialog(dialog.dialog_id, dialog.dialog_type or "OTHER")
            if change.last_event is not None:
                self._delivery.exists(*change.last_event)
            for seen in observe(row.agent_id, change):
                await self._tell(seen)
            if change.delay_until is not None and row.agent_id is None and self.closed is None:
                await self._tell_delay(change.delay_until)

    async def _add_dialog(self, dialog: str, dialog_type: str) -> None:
        await self._record.commit(
            lambda connection: sessions.add_dialog(
                connection, self._record.row.id, dialog, dialog_type
            )
        )
        self._delivery.add_dialog(dialog)

    async def _tell_delay(self, until: int) -> None:
        """Say when the contact centre opens; once, since the time is part of the row's identity."""
        told = notice(notices.waiting_until(until))
        await self._record.write(
            NewOutbox(kind=told.kind, payload=told.payload, dialog_id=f"bridge:delay:{until}")
        )

    async def _tell(self, seen: Observed) -> None:
        row = self._record.row
        if seen.happening is Happening.CLOSED:
            self.closed = seen
            return
        leaving = seen.happening is Happening.LEFT
        if leaving:
            name, avatar = None, None
            words = notices.left(row.agent_name)
        else:
            name, avatar = await self._agents.name(seen.agent or "")
            joined = seen.happening is Happening.JOINED
            words = notices.joined(name) if joined else notices.transferred(name)
        state = State.WAITING if leaving else State.ACTIVE
        if row.state in (State.CLOSING, State.RECONNECTING):
            state = State(row.state)
        await self._record.write(
            notice(words),
            state=state.value,
            agent_id=None if leaving else seen.agent,
            agent_name=name,
            agent_avatar=avatar,
        )
