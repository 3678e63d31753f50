"""The conversation of one session: opens it once, finds it again, and follows its changes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import structlog

from bridge.config import AccountSettings
from bridge.content.rendered import Rendered
from bridge.liveperson.bounds import MOST_DIALOGS
from bridge.liveperson.connection import Connection
from bridge.liveperson.errors import RequestRefused
from bridge.liveperson.frames import ConversationChange
from bridge.liveperson.metadata import is_over
from bridge.relay.delivery.agents import Agents
from bridge.relay.delivery.machine import Delivery
from bridge.relay.delivery.reader import Reader
from bridge.relay.session.decisions import (
    MAIN,
    Happening,
    Observed,
    Talk,
    known_conversation,
    left_over,
    observe,
    pressing,
    talk_of,
)
from bridge.relay.session.survey import begin_survey
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.items import Queued
from bridge.relay.shared.record import Record, notice
from bridge.slack.views import notices
from bridge.state import State
from bridge.store import outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.handover import Handover
from bridge.store.rows import NewOutbox, OutboxRow

Introduce = Callable[[Connection], Awaitable[None]]

log = structlog.get_logger(__name__)

CLEARING_LOOKS = 20
"""How often LivePerson is asked whether what is left of an earlier conversation has ended."""
CLEARING_PAUSE = 0.5
CLOCKS_MS = 60 * 1000
"""By how much LivePerson's clock may be behind ours."""
LONGEST_NAME = 64
"""So much of its end the outbox keeps of the name of something that is told once."""
LOOK_BACK_MS = 24 * 60 * 60 * 1000
"""How far before the session's creation its conversation may have changed (clocks differ)."""


class Conversation:
    """Opens the conversation and follows its metadata."""

    __slots__ = (
        "_account",
        "_agents",
        "_delivery",
        "_introduce",
        "_reader",
        "_record",
        "_skill",
        "_subscription",
        "_updated_at",
        "_written",
        "alone_since",
        "closed",
        "stranded",
        "talk",
    )

    def __init__(
        self,
        record: Record,
        reader: Reader,
        delivery: Delivery,
        agents: Agents,
        account: AccountSettings,
        *,
        introduce: Introduce,
    ) -> None:
        """`introduce` tells who the consumer is, over the connection that it gets."""
        self._introduce = introduce
        self._record = record
        self._reader = reader
        self._delivery = delivery
        self._agents = agents
        self._account = account
        self._subscription: str | None = None
        self._updated_at = 0
        self._skill: str | None = None
        self._written = record.row.state == State.WAITING
        self.closed: Observed | None = None
        """Who closed the conversation; None while it is open."""
        self.talk = Talk(record.row.conversation_id, MAIN)
        """Where what is written belongs."""
        self.alone_since = 0.0
        """Since when nothing takes what is written (in the loop's monotonic seconds)."""
        self.stranded: list[Queued] = []
        """Messages that were in doubt when the talk was over: where they have not arrived, they
        are not for the survey."""

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
        since = self._opened_since()
        conversation = known_conversation(self._reader.changes, asked=asked, since=since)
        if not asked:
            await self._introduce(connection)
        if conversation is not None and not asked:
            await self._adopt(conversation, continued=True)
            return
        if conversation is None:
            if not asked:
                await self._record.write(opening_since=sessions.now_ms())
            if left_over(self._reader.changes):
                await self._clear(connection)
            self._record.check_lease()
            crash_point("open.before")
            try:
                conversation = await connection.request_conversation(
                    skill_id=account.skill,
                    campaign_id=account.campaign,
                    engagement_id=account.engagement,
                    lang=account.lang,
                )
            except RequestRefused:
                # A consumer has at most one open conversation: an earlier request may have made it.
                await self.look(connection)
                since = self._opened_since()
                conversation = known_conversation(self._reader.changes, asked=True, since=since)
                if conversation is None:
                    raise
        crash_point("open.answered")
        await self._adopt(str(conversation))
        crash_point("open.noted")

    def _opened_since(self) -> int | None:
        """Since when a conversation that we asked for can be open; None: no other can be there."""
        since = self._record.row.opening_since
        if self._account.auth != "authenticated" or since is None:
            return None
        return since - CLOCKS_MS

    async def _clear(self, connection: Connection) -> None:
        """End what is left of earlier conversations of this consumer, so that one can begin."""
        self._record.check_lease()
        for each in left_over(self._reader.changes):
            log.info("session.ends_left_over", session=self._record.row.id, conversation=each)
            with contextlib.suppress(RequestRefused):  # it has ended meanwhile
                await connection.end_conversation(each)
        for _ in range(CLEARING_LOOKS):
            await self.look(connection)
            if not left_over(self._reader.changes):
                return
            await asyncio.sleep(CLEARING_PAUSE)

    async def _adopt(self, conversation: str, *, continued: bool = False) -> None:
        """Make the conversation this session's; `continued`: somebody else has opened it."""
        row = self._record.row
        state = (State.WAITING if continued else State.READY).value

        async def work(connection: Transaction) -> list[OutboxRow]:
            await sessions.change_session(
                connection, row.id, row.epoch, conversation_id=conversation, state=state
            )
            await sessions.add_dialog(connection, row.id, conversation, "MAIN")
            return await outbox.add(connection, row.id, told)

        # What waits already calls an agent: nothing needs to be asked for.
        told = [] if self._delivery.waiting else [notice(notices.ready())]
        if continued:
            told = [notice(notices.continued())]
        self._written = self._written or continued
        added = await self._record.commit(work)
        self._delivery.add_dialog(conversation)
        self._record.changed(added, conversation_id=conversation, state=state)
        self.talk = Talk(conversation, MAIN)

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
            await self._follow(change)
            if change.last_event is not None:
                self._delivery.exists(*change.last_event)
            for seen in observe(row.agent_id, change, self._skill):
                await self._tell(seen)
            self._skill = change.skill or self._skill
            await self._follow_ttr(change)
            if change.delay_until is not None and row.agent_id is None and self.closed is None:
                until = change.delay_until
                await self._tell_once(notices.waiting_until(until), f"bridge:delay:{until}")

    async def _follow(self, change: ConversationChange) -> None:
        """Note new dialogs, and which one takes what is written from now on."""
        talk, row = talk_of(change), self._record.row
        for dialog in change.dialogs:
            known = self._delivery.dialogs
            if not dialog.is_talk and dialog.state == "OPEN":
                told = notices.invited(dialog.mode, row.agent_name)
                await self._tell_once(told, f"bridge:invited:{dialog.dialog_id}")
            if dialog.dialog_type not in (None, MAIN):
                self._reader.surveys.add(dialog.dialog_id)
            if dialog.dialog_id in known or not dialog.is_talk or len(known) >= MOST_DIALOGS:
                continue
            if talk.surveys and dialog.dialog_id == talk.dialog and not is_over(change):
                self.stranded += await begin_survey(self._record, self._delivery, dialog)
            else:
                await self._add_dialog(dialog.dialog_id, dialog.dialog_type or "OTHER")
        if talk.dialog is None and self.talk.dialog is not None:
            self.alone_since = time.monotonic()
        self.talk = talk if talk.dialog in (None, *self._delivery.dialogs) else self.talk
        if self.talk.kind == MAIN and row.state in (State.SURVEY, State.ENDED):
            await self._record.write(notice(notices.reopened()), state=self.standing.value)

    async def _follow_ttr(self, change: ConversationChange) -> None:
        """Tell once how soon an answer is asked for, when anybody has changed that."""
        if change.ttr is None or self.closed is not None or self.talk.kind != MAIN:
            return
        now, before = pressing(change.ttr), pressing(self._record.row.ttr)
        if now is None and change.ttr_seconds is not None and change.ttr == "NORMAL":
            self._record.normal_ttr = change.ttr_seconds
        if now != before:
            await self._record.write(
                notice(notices.urgency(now)), ttr=change.ttr, ttr_normal=self._record.normal_ttr
            )

    @property
    def standing(self) -> State:
        """How the conversation stands, whatever the connection and the session make of it."""
        if self.talk.surveys:
            return State.SURVEY
        if self._record.row.agent_id is not None:
            return State.ACTIVE
        return State.WAITING if self._written else State.READY

    def take_over(self, left: Handover) -> None:
        """Go on where a former owner ended."""
        self._written = self._written or left.written

    async def written(self) -> None:
        """Somebody has written, and LivePerson has it: agents are called."""
        if self._written:
            return
        self._written = True
        if self._record.row.state == State.READY:
            await self._record.write(notice(notices.waiting()), state=State.WAITING.value)

    async def _add_dialog(self, dialog: str, dialog_type: str) -> None:
        await self._record.commit(
            lambda connection: sessions.add_dialog(
                connection, self._record.row.id, dialog, dialog_type
            )
        )
        self._delivery.add_dialog(dialog)

    async def _tell_once(self, words: Rendered, name: str) -> None:
        """Say something once in the session's life: the name is part of the row's identity."""
        told = notice(words)
        await self._record.write(
            NewOutbox(kind=told.kind, payload=told.payload, dialog_id=name[-LONGEST_NAME:])
        )

    async def _tell(self, seen: Observed) -> None:
        row = self._record.row
        if seen.happening is Happening.CLOSED:
            self.closed = seen
            return
        moved = seen.happening is Happening.MOVED
        leaving = seen.happening is Happening.LEFT or (moved and seen.agent is not None)
        if moved:
            words = notices.moved(self._account.skills.get(seen.skill or ""))
            if not leaving:
                await self._record.write(notice(words))
                return
        if leaving:
            name, avatar = None, None
            words = words if moved else notices.left(row.agent_name)
        else:
            name, avatar = await self._agents.name(seen.agent or "")
            joined = seen.happening is Happening.JOINED
            words = notices.joined(name) if joined else notices.transferred(name)
        self._written = True  # agents were called, by whatever
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
