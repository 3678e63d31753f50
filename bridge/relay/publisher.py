"""The inbox of one session on its way to LivePerson: in thread order, each once.

At most one message is unanswered at a time. LivePerson's answer marks it as sent, and so does its
echo, whichever comes first. Where neither comes, the outcome is unknown: nothing is sent until the
dialog has been read again and the message was looked for among our own (`Reader`).
"""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import Callable, Sequence

from bridge.ids import InboxId, UserId
from bridge.liveperson.connection import Connection, Wait
from bridge.liveperson.errors import (
    ConnectionLost,
    RequestRefused,
    RequestTimeout,
    ServerFailed,
    Throttled,
)
from bridge.liveperson.ids import ConversationId, DialogId
from bridge.relay.crashpoints import crash_point
from bridge.relay.decisions import Sent, State
from bridge.relay.ledger import Noting
from bridge.relay.messages import (
    Refusal,
    as_sent,
    marker,
    not_delivered,
    prepare,
    refused_words,
)
from bridge.relay.pump import Pump
from bridge.relay.record import Record, notice
from bridge.relay.tools import Tools
from bridge.slack.views import notices
from bridge.slack.views.troubles import trouble
from bridge.store import inbox, outbox, sessions
from bridge.store.connection import Connection as StoreConnection
from bridge.store.left import Left
from bridge.store.rows import InboxRow, OutboxRow
from bridge.store.sessions import FencedError

REMEMBERED = 32
"""Rows that are remembered as done: a look at the store may have begun before they were."""
FAILURES = 5
"""A message that LivePerson has failed at so often holds the others up no longer."""


class Publisher:
    """Publishes what waits, while there is a connection."""

    __slots__ = (
        "_confirmed",
        "_connection",
        "_dialog",
        "_failed",
        "_failures",
        "_finished",
        "_in_flight",
        "_noting",
        "_record",
        "_reload",
        "_tools",
        "_wait",
        "_waiting",
        "_wake",
        "closer",
        "doubtful",
        "pump",
        "refusal",
        "sent",
        "unnumbered",
    )

    def __init__(
        self,
        record: Record,
        tools: Tools,
        *,
        failed: Callable[[Exception], None],
        wake: Callable[[], None],
    ) -> None:
        self._record = record
        self._tools = tools
        self._waiting: list[InboxRow] = []
        self._in_flight: InboxRow | None = None
        self._finished: list[InboxId] = []
        self._reload = False
        self._confirmed: dict[InboxId, tuple[str, int | None]] = {}
        self._wait: Wait | None = None
        self._connection: Connection | None = None
        self._dialog: DialogId | None = None
        self._failures: dict[InboxId, int] = {}
        self.closer: UserId | None = None
        """Who asked to end the conversation."""
        self.unnumbered: list[Sent] = []
        """Messages that LivePerson took without telling their sequence."""
        self.doubtful = False
        """Whether one of the waiting messages may have been published already."""
        self.refusal: Refusal | None = None
        """LivePerson refused a message, or was asked to close: is the conversation still open?"""
        self._wake = wake
        self._failed = failed
        self._noting = Noting(tools.ledger)
        self.sent: Callable[[str, int], None] = lambda dialog, sequence: None
        """Called with each sequence that LivePerson gave to a message of ours."""
        self.pump = Pump(f"publisher {record.row.id}", self._work, failed)

    def take_over(self, left: Left) -> None:
        """Go on where a former owner ended; it may have published the first of these."""
        self.unnumbered = [as_sent(row, acknowledged=True) for row in left.unnumbered]
        self.add(left.incoming)
        self.doubtful = bool(left.incoming)

    async def refresh(self) -> None:
        """Look for rows that somebody else has committed."""
        self._reload = True
        if self._connection is not None:
            self.pump.kick()  # never beside a message that is just being noted as sent
        elif not self.pump.busy:
            await self._read_in_turn()

    async def _read_in_turn(self) -> None:
        async with self._tools.loading:  # many may have been told to look at once
            await self._read()

    async def _read(self) -> None:
        self._reload = False
        async with self._tools.database.read() as connection:
            self.add(await inbox.waiting(connection, self._record.row.id))

    def add(self, rows: Sequence[InboxRow]) -> None:
        """Queue rows that are committed; known ones are passed over."""
        for row in rows:
            known = row.id in self._finished or any(each.id == row.id for each in self._waiting)
            if not known:
                bisect.insort(self._waiting, row, key=lambda each: each.order)
        if self._connection is not None:
            self.pump.kick()

    def attach(self, connection: Connection, dialog: DialogId) -> None:
        """Start publishing to a dialog over a connection whose replay has been read."""
        self._connection, self._dialog = connection, dialog
        self._in_flight, self.doubtful = None, False
        self.pump.kick()

    async def detach(self) -> None:
        """Stop publishing; what is under way stays in doubt."""
        self._connection = None
        await self.pump.stop()
        if self._in_flight is not None and self._in_flight.id not in self._confirmed:
            self.doubtful = True

    @property
    def asked_to_close(self) -> bool:
        """Whether someone pressed "End conversation" and nothing is waiting before that."""
        return bool(self._waiting) and self._waiting[0].kind == "close"

    @property
    def waiting(self) -> list[InboxRow]:
        """What waits, in thread order."""
        return list(self._waiting)

    # What the reader asks and tells

    def candidates(self) -> list[Sent]:
        """Messages that an own event of unknown sequence may be, in order of sending."""
        if self.doubtful and self._in_flight is None:
            rows = [row for row in self._waiting if row.kind == "message" and row.text is not None]
        else:
            rows = [] if self._in_flight is None else [self._in_flight]
        return [
            *self.unnumbered,
            *(as_sent(row) for row in rows if self._sequence(row.id) is None),
        ]

    def confirm(self, row: InboxId, dialog: str, sequence: int) -> None:
        """The dialog shows the message under this sequence: its answer need not come any more."""
        self.unnumbered = [each for each in self.unnumbered if each.row != row]
        self._confirmed[row] = (dialog, sequence)
        if self._in_flight is not None and self._in_flight.id == row and self._wait:
            self._wait.shorten(0.2)  # the answer normally follows at once

    def unwritten(self) -> list[tuple[InboxId, str, int | None]]:
        """Messages known to be sent whose rows do not say so yet."""
        return [(row, dialog, sequence) for row, (dialog, sequence) in self._confirmed.items()]

    def written(self, rows: Sequence[InboxId]) -> None:
        """The rows say so now."""
        for row in rows:
            if self._confirmed.pop(row, None) is not None:
                self._remove(row)

    # The work

    async def _work(self) -> None:
        while self._connection is not None and self.refusal is None and not self.pump.ending:
            if self._reload:
                await self._read_in_turn()
            if not self._waiting:
                return
            row = self._waiting[0]
            if self._noting.pending:
                await self._noting.over()
            elif row.id in self._confirmed:
                self._note_sent(row)
            elif row.kind == "close":
                await self._close(row)
            elif row.text is None:
                await self._prepare(row)
            else:
                await self._publish(row)

    async def _prepare(self, row: InboxRow) -> None:
        """Give a row its words for LivePerson, now that the names in it can be looked up."""
        rows = await prepare(row, self._record, self._tools)
        self._waiting = [each for each in self._waiting if each.id != row.id]
        self.add(rows)

    async def _publish(self, row: InboxRow) -> None:
        """Publish one message. Raises a `Transient` where the outcome is unknown."""
        connection, dialog, text = self._connection, self._dialog, row.text
        if connection is None or dialog is None or text is None:
            return
        self._record.check_lease()
        crash_point("publish.before")
        self._in_flight, self._wait = row, Wait()
        try:
            sequence = await connection.publish_text(
                dialog, text, external_id=marker(row.id), wait=self._wait
            )
            if sequence is not None or row.id not in self._confirmed:
                self._confirmed[row.id] = (dialog, sequence)
        except Throttled as error:
            self._in_flight = None
            await asyncio.sleep(error.retry_after or 1.0)
            return
        except RequestRefused as error:
            self._in_flight = None
            self.refusal = Refusal(row, error)
            self._wake()
            return
        except ServerFailed as error:
            if row.id not in self._confirmed:  # not done, they say: the session looks
                self.doubtful = True
                self.refusal = Refusal(row, error)
                self._wake()
                return
        except (RequestTimeout, ConnectionLost):
            if row.id not in self._confirmed:
                self.doubtful = True
                raise
        finally:
            self._wait = None
        self._note_sent(row)

    def _note_sent(self, row: InboxRow) -> None:
        """Have it noted, soon; until then nothing else is published."""
        crash_point("publish.answered")
        noted = self._confirmed[row.id]
        self._noting.begin()
        self._tools.ledger.sent(
            self._record.row, row.id, *noted, lambda ours: self._noted(row, noted, ours)
        )

    def _noted(self, row: InboxRow, noted: tuple[str, int | None], ours: bool) -> None:
        if ours and self._confirmed.get(row.id, noted) != noted:  # its echo came meanwhile
            self._note_sent(row)
            return
        crash_point("publish.noted")
        dialog, sequence = noted
        if sequence is None:
            self.unnumbered.append(as_sent(row, acknowledged=True))
        else:
            self.sent(dialog, sequence)
        self._confirmed.pop(row.id, None)
        if self._in_flight is not None and self._in_flight.id == row.id:
            self._in_flight = None
        self._remove(row.id)
        self._noting.end()
        if not ours:
            self._failed(FencedError(self._record.row.id))

    async def give_up(self, rows: Sequence[InboxRow], reason: str, remedy: str) -> None:
        """Tell that messages will not be delivered: on each of them, and once in the thread."""
        if not rows:
            return

        async def work(connection: StoreConnection) -> list[OutboxRow]:
            await inbox.mark_failed(connection, [row.id for row in rows], reason)
            return await outbox.add(connection, self._record.row.id, said)

        said = not_delivered(rows, reason, remedy)
        added = await self._record.commit(work)
        for row in rows:
            self._remove(row.id)
        self._record.changed(added)

    async def _close(self, row: InboxRow) -> None:
        """End the conversation, as the person asked. The card says so until LivePerson confirms."""
        connection, conversation = self._connection, self._record.row.conversation_id
        if connection is None or conversation is None:
            return
        if self._record.row.state != State.CLOSING:
            await self._record.write(state=State.CLOSING.value)
        self._record.check_lease()
        self.closer = row.user_id
        error: RequestRefused | None = None
        try:
            await connection.close_conversation(ConversationId(conversation))
        except Throttled as throttled:
            await asyncio.sleep(throttled.retry_after or 1.0)
            return
        except RequestRefused as refused:
            error = refused
        crash_point("close.answered")
        self.refusal = Refusal(row, error)
        self._wake()

    @property
    def closing_accepted(self) -> bool:
        """Whether LivePerson has agreed to close the conversation: it takes effect soon."""
        refusal = self.refusal
        return refusal is not None and refusal.row.kind == "close" and refusal.error is None

    @property
    def in_doubt(self) -> InboxRow | None:
        """A message that LivePerson failed at: it says not done, but the dialog knows."""
        refusal = self.refusal
        failed = refusal is not None and isinstance(refusal.error, ServerFailed)
        return refusal.row if failed and refusal is not None else None

    async def settled(self) -> None:
        """The session has looked: the conversation is still open. Go on."""
        refusal = self.refusal
        if refusal is None:
            return
        row, error = refusal.row, refusal.error
        if row.kind == "close":
            await self._not_closed(row, error)
        elif isinstance(error, ServerFailed):
            self._in_flight, self.doubtful = None, False
            if row.id not in self._confirmed:
                await self._failed_again(row, error)
        elif error is not None:
            await self.give_up([row], *refused_words(error))
        self.refusal = None  # not before: a message that comes would have this one sent again
        self.pump.kick()

    async def _failed_again(self, row: InboxRow, error: ServerFailed) -> None:
        """Try a message again later; after some tries let the others pass."""
        self._failures[row.id] = failures = self._failures.get(row.id, 0) + 1
        if failures >= FAILURES:
            self._failures.pop(row.id)
            await self.give_up([row], *refused_words(error))
        else:
            await asyncio.sleep(min(2.0 ** (failures - 1), 8.0))

    async def _not_closed(self, row: InboxRow, error: RequestRefused | ServerFailed | None) -> None:
        """The conversation could not be ended: say so, and let it go on."""
        reason = trouble("request_refused" if error is None else error.code).what
        said = notice(notices.not_ended(reason))
        state = State.ACTIVE if self._record.row.agent_id else State.WAITING

        async def work(connection: StoreConnection) -> list[OutboxRow]:
            await inbox.mark_failed(connection, [row.id], reason)
            await sessions.change_session(
                connection, self._record.row.id, self._record.row.epoch, state=state.value
            )
            return await outbox.add(connection, self._record.row.id, [said])

        added = await self._record.commit(work)
        self._remove(row.id)
        self._record.changed(added, state=state.value)

    def _sequence(self, row: InboxId) -> int | None:
        """The sequence that a message is known to have."""
        return self._confirmed.get(row, ("", None))[1]

    def _remove(self, row: InboxId) -> None:
        self._waiting = [each for each in self._waiting if each.id != row]
        self._finished.append(row)
        del self._finished[:-REMEMBERED]
