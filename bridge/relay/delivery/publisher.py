"""Publishes one session's inbox to LivePerson: in thread order, each message once.

The machine (`Delivery`) decides what is published next and what its outcome means; here is the I/O.
If LivePerson does not tell the outcome of a message, the session reads the dialog again before it
publishes anything else. Items that are not ready yet are prepared meanwhile by the `preparer`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from bridge import metrics
from bridge.backoff import Backoff
from bridge.ids import OPERATOR, REMOVAL, InboxId, MessageTs, UserId
from bridge.liveperson.connection import Connection, Wait
from bridge.liveperson.errors import (
    OutcomeUnknown,
    RequestRefused,
    ServerFailed,
    Throttled,
    TokenExpired,
)
from bridge.relay.delivery.machine import Delivery, Number, Sent, Step
from bridge.relay.delivery.messages import (
    TALK_OVER,
    TWIN,
    UNCERTAIN,
    Verdict,
    not_delivered,
    perhaps_not_delivered,
    refused_words,
)
from bridge.relay.delivery.preparer import Preparer
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.hosted import Hosted
from bridge.relay.shared.items import Answer, Close, File, Press, Queued, Text, Urgency
from bridge.relay.shared.ledger import PendingReceipt
from bridge.relay.shared.own_words import marker_of
from bridge.relay.shared.pump import Pump
from bridge.relay.shared.record import Record, notice
from bridge.slack.views import notices
from bridge.slack.views.troubles import trouble
from bridge.state import State
from bridge.store import inbox, outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.rows import InboxRow, NewOutbox, OutboxRow
from bridge.store.sessions import FencedError

log = structlog.get_logger(__name__)

FAILURES = 5
"""After so many failures of LivePerson a message is given up, so that the others can go on."""
ECHOED_PATIENCE = 0.2
"""Seconds that the answer to a message may still take once its echo has come."""
URGENT_SECONDS = 300
"""In how many seconds an answer is asked for when a conversation is urgent (LivePerson's own)."""
NORMAL_SECONDS = 3_600
"""The same when it is not, where LivePerson has not told what the account has."""
UNAUTHORISED = 401
"""LivePerson's code for a request with a token that it no longer takes."""

Frame = Callable[[Connection, str, Wait], Awaitable[int | None]]
"""Publishes to a dialog. Returns the sequence there, if LivePerson tells one."""


class Publisher:
    """Publishes the waiting rows while there is a connection."""

    __slots__ = (
        "_backoff",
        "_connection",
        "_delivery",
        "_deps",
        "_failed",
        "_failures",
        "_pausing",
        "_preparer",
        "_receipt",
        "_record",
        "_reload",
        "_standing",
        "_wait",
        "_wake",
        "acted",
        "closer",
        "has_set",
        "pump",
        "refusal",
        "said",
    )

    def __init__(
        self,
        record: Record,
        deps: SessionDeps,
        delivery: Delivery,
        *,
        failed: Callable[[Exception], None],
        wake: Callable[[], None],
        standing: Callable[[], State],
        hosted: Hosted | None = None,
    ) -> None:
        """`standing` tells how the conversation stands, for when it was not ended after all."""
        self._standing = standing
        self.said = False
        """Whether LivePerson has got anything that was written, since this owner runs it."""
        self.acted: Callable[[MessageTs], None] = lambda ts: None
        """Called with the time of what somebody has written or pressed in the thread."""
        self._record = record
        self._deps = deps
        self._delivery = delivery
        self._reload = False
        self._pausing = False
        self._wait: Wait | None = None
        self._connection: Connection | None = None
        self._failures: dict[InboxId, int] = {}
        self._backoff = Backoff(first=1.5, cap=12.0, jitter=0.5)
        self.has_set = False
        """Whether LivePerson has set how soon an answer is wanted, and its change is to come."""
        self.closer: UserId | None = None
        """Who asked to end the conversation."""
        self.refusal: Verdict | None = None
        """The refusal, or the accepted closing, after which the session has to find out whether the
        conversation is still open."""
        self._wake = wake
        self._failed = failed
        self._receipt = PendingReceipt(deps.ledger)
        self.pump = Pump(f"publisher {record.row.id}", self._work, failed)
        hosted = hosted or Hosted(deps, record.row.account)
        self._preparer = Preparer(
            record, deps, delivery, hosted=hosted, failed=failed, ready=self.pump.kick
        )

    async def refresh(self) -> None:
        """Look for rows that somebody else has committed."""
        self._reload = True
        if self._connection is not None:
            self.pump.kick()  # the pump reads: never while it notes a message as sent
        elif not self.pump.busy:
            await self._read_in_turn()

    async def _read_in_turn(self) -> None:
        async with self._deps.loading:  # many sessions may have been told to look at once
            await self._read()

    async def _read(self) -> None:
        self._reload = False
        async with self._deps.database.read() as connection:
            self.add(await inbox.waiting(connection, self._record.row.id))

    def add(self, rows: Sequence[InboxRow]) -> None:
        """Queue committed rows; skip those that are known already."""
        self._delivery.add(rows)
        for row in rows:
            self.acted(row.message_ts)
        if self._connection is not None:
            self.pump.kick()
            self._preparer.kick()
            if self._delivery.target is None:
                self._wake()  # no dialog takes it: the person is to be told
        elif rows:
            self._wake()  # the session waits for a connection, and the person may have given up

    def turn_to(self, dialog: str | None, *, survey: bool) -> None:
        """Publish to another dialog from now on; None: to none, for the time being."""
        if self._connection is not None:
            self._delivery.turn_to(dialog, survey=survey)
            self.pump.kick()

    def attach(self, connection: Connection, dialog: str | None, *, survey: bool = False) -> None:
        """Start publishing to a dialog. Nothing may be in doubt."""
        self._delivery.attach(dialog, survey=survey)
        self._connection = connection
        self._pausing = False
        self.pump.kick()
        self._preparer.kick()

    def pauses(self) -> bool:
        """Begin nothing more over the present connection. True: nothing is under way over it."""
        self._pausing = True
        return not self.pump.busy

    def move(self, connection: Connection) -> None:
        """Publish over another connection from now on. Nothing may be under way: see `pauses`."""
        if self.pump.busy:
            raise AssertionError("something is under way over the present connection")
        self._connection = connection
        self._pausing = False
        self.pump.kick()

    async def detach(self) -> None:
        """Stop publishing. A message that is under way is in doubt from now on."""
        self._connection = None
        try:
            await self._preparer.stop()
        finally:
            await self.pump.stop()
        self._delivery.detach()

    async def finish(self, limit: float) -> None:
        """Wait up to `limit` seconds for the message under way, and publish nothing more."""
        await asyncio.gather(self.pump.finish(limit), self._preparer.finish())

    @property
    def asked_to_close(self) -> bool:
        """Whether someone pressed "End conversation" and no message waits before that."""
        waiting = self._delivery.waiting
        return bool(waiting) and isinstance(waiting[0].item, Close)

    @property
    def will_be_asked_to_close(self) -> bool:
        """Whether someone pressed "End conversation", even if messages wait before that."""
        return any(isinstance(each.item, Close) for each in self._delivery.waiting)

    @property
    def waiting(self) -> list[Queued]:
        """The waiting rows, in thread order."""
        return self._delivery.waiting

    @property
    def twins(self) -> list[InboxId]:
        """Rows of messages that came twice, under two times: they are not sent."""
        return self._delivery.twins

    def unwritten(self) -> list[Sent]:
        """Messages that are sent, and whose rows do not say so yet."""
        return self._delivery.unwritten()

    def echoed(self) -> None:
        """The message in flight has come back in the dialog: do not wait long for its answer."""
        if self._wait is not None:
            self._wait.shorten(ECHOED_PATIENCE)  # it normally follows at once

    # The work

    async def _work(self) -> None:
        while self._connection is not None:
            if self._reload and not self.pump.ending:
                await self._read_in_turn()
            if self._delivery.twins:
                await self._leave_twins()
            if self._receipt.pending:
                if not self._delivery.waiting:
                    return
                await self._receipt.over()
            elif (todo := self._delivery.next()) is None:
                if self._delivery.edits:
                    self._preparer.kick()  # what was under way may have had its outcome
                return
            elif (self.pump.ending or self._pausing) and todo[0] is Step.SEND:
                return  # but what has been answered is noted: the next owner finds no doubt
            else:
                await self._do(*todo)

    async def _leave_twins(self) -> None:
        """What one gesture has made twice is sent once."""
        twins = list(self._delivery.twins)
        await self._record.commit(lambda connection: inbox.mark_kept(connection, twins, TWIN))
        self._delivery.untwinned(twins)

    async def _do(self, step: Step, row: Queued) -> None:
        match step:
            case Step.NOTE:
                self._note(row)
            case Step.SEND:
                await self._send(row)

    async def _send(self, row: Queued) -> None:
        """Do what the item's type asks for."""
        match row.item:
            case Press(pressed=pressed, metadata=metadata):
                await self._publish(
                    row,
                    lambda connection, dialog, wait: connection.publish_receipt(
                        dialog, "ACTION", [pressed], metadata=metadata, wait=wait
                    ),
                )
            case Text(text=str() as text) as said:
                marker = marker_of(row.id)
                along = said.metadata if isinstance(said, Answer) else None
                await self._publish(
                    row,
                    lambda connection, dialog, wait: connection.publish_text(
                        dialog, text, external_id=marker, metadata=along, wait=wait
                    ),
                )
            case File(path=str() as path) as file:
                named = marker_of(row.id)
                await self._publish(
                    row,
                    lambda connection, dialog, wait: connection.publish_file(
                        dialog,
                        path,
                        file.file_type,
                        caption=file.caption,
                        preview=file.preview,
                        external_id=named,
                        wait=wait,
                    ),
                )
            case File(text=str() as link):
                named = marker_of(row.id)
                await self._publish(
                    row,
                    lambda connection, dialog, wait: connection.publish_text(
                        dialog, link, external_id=named, wait=wait
                    ),
                )
            case Close():
                await self._close(row)
            case Urgency(ttr=ttr):
                await self._set_ttr(row, ttr)
            case _:
                log.error("publisher.unknown_item", session=self._record.row.id, kind=row.kind)
                await self.give_up([row], "This version of the bridge cannot send it.", "")

    async def _publish(self, row: Queued, frame: Frame) -> None:
        """Publish one frame. Raises a `Transient` if this connection is good for nothing more."""
        connection, dialog = self._connection, self._delivery.target
        if connection is None or dialog is None:
            return
        self._record.check_lease()
        crash_point("publish.before")
        self._wait = Wait()
        self._delivery.leaves(row)
        try:
            sequence = await frame(connection, dialog, self._wait)
        except Throttled as error:
            self._delivery.not_done()
            await asyncio.sleep(error.retry_after or 1.0)
            return
        except RequestRefused as error:
            self._delivery.not_done()
            self._refused(row, error, dialog)
            return
        except ServerFailed as error:
            if self._delivery.unknown():  # a 5xx proves nothing: the session looks in the dialog
                self._give_verdict(Verdict(row, error, dialog))
        except OutcomeUnknown:
            if self._delivery.unknown():
                raise
        else:
            self._delivery.answered(sequence)
            if not self.said:
                self.said = True
                self._wake()
        finally:
            self._wait = None
        if self._delivery.gap or self._delivery.pending:
            self._wake()  # the answer's number reveals a gap, or decides what waited for it

    def _refused(self, row: Queued, error: RequestRefused, dialog: str) -> None:
        """LivePerson did not take a message. Raises `TokenExpired` if a fresh token may help."""
        if error.status == UNAUTHORISED and self._failed_once_more(row) < FAILURES:
            raise TokenExpired(None, "the token is not accepted any more")
        self._give_verdict(Verdict(row, error, dialog))

    def _give_verdict(self, refusal: Verdict) -> None:
        """Publish nothing more until the session knows whether the conversation is open."""
        self._delivery.held_up = True
        self.refusal = refusal
        self._wake()

    def _note(self, row: Queued) -> None:
        """Have the ledger mark the row as sent. Until then nothing else is published."""
        crash_point("publish.answered")
        number = self._delivery.begin_note(row)
        self._receipt.begin()
        metrics.SENT.inc()
        metrics.UP_SECONDS.observe(max(time.time() - float(row.message_ts), 0.0))
        self._deps.ledger.sent(
            self._record.row, row.id, *number, lambda ours: self._noted(row, number, ours)
        )

    def _noted(self, row: Queued, number: Number, ours: bool) -> None:
        if not self._delivery.noted(row, number) and ours:
            self._note(row)  # its echo came meanwhile and told the number
            return
        crash_point("publish.noted")
        self._receipt.end()
        if not ours:
            self._failed(FencedError(self._record.row.id))

    async def give_up(self, rows: Sequence[Queued], reason: str, remedy: str) -> None:
        """Say that messages will not be delivered: a mark on each, and one notice."""
        again = reason != TALK_OVER[0]  # there is nobody to send it to
        await self._fail(rows, reason, not_delivered(rows, reason, remedy, again=again))

    async def leave_in_doubt(self, rows: Sequence[Queued]) -> None:
        """Say that nobody knows whether these have arrived; they are not sent again."""
        said = perhaps_not_delivered(rows, "Ask the agent, or send it again.")
        await self._fail(rows, UNCERTAIN, said)

    async def _fail(self, rows: Sequence[Queued], reason: str, said: Sequence[NewOutbox]) -> None:
        if not rows:
            return

        async def work(connection: Transaction) -> list[OutboxRow]:
            await inbox.mark_failed(connection, [row.id for row in rows], reason)
            return await outbox.add(connection, self._record.row.id, said)

        added = await self._record.commit(work)
        metrics.NOT_SENT.inc(len(rows))
        self._delivery.remove([row.id for row in rows])
        self._record.changed(added)

    async def _close(self, row: Queued) -> None:
        """End the conversation, as the person asked. The card says so until LivePerson confirms."""
        connection, conversation = self._connection, self._record.row.conversation_id
        if connection is None or conversation is None:
            return
        if self._record.row.state != State.CLOSING:
            await self._record.write(state=State.CLOSING.value)
        self._record.check_lease()
        if not self._waits(row):
            return  # it has ended meanwhile, and a survey follows: that is left alone
        self.closer = row.user_id
        error: RequestRefused | ServerFailed | None = None
        everything = self._delivery.survey or row.user_id in (OPERATOR, REMOVAL)
        talk = None if everything else self._delivery.target
        try:
            if talk is not None:
                await connection.close_dialog(conversation, talk)
            else:
                await connection.end_conversation(conversation)
        except Throttled as throttled:
            await asyncio.sleep(throttled.retry_after or 1.0)
            return
        except RequestRefused as refused:
            error = refused
        except ServerFailed as failed:
            if self._failed_once_more(row) < FAILURES:
                await asyncio.sleep(self._backoff.next())
                return
            error = failed
        crash_point("close.answered")
        self._give_verdict(Verdict(row, error, talk))

    async def _set_ttr(self, row: Queued, ttr: str) -> None:
        """Say how soon an answer is wanted. The thread is told when LivePerson shows the change."""
        connection, conversation = self._connection, self._record.row.conversation_id
        if connection is None or conversation is None:
            return
        self._record.check_lease()
        seconds = URGENT_SECONDS if ttr == "URGENT" else self._record.normal_ttr or NORMAL_SECONDS
        try:
            await connection.set_ttr(conversation, ttr, seconds)
        except Throttled as throttled:
            await asyncio.sleep(throttled.retry_after or 1.0)
        except RequestRefused as refused:
            self._refused(row, refused, "")
        except ServerFailed as failed:
            if self._failed_once_more(row) < FAILURES:
                await asyncio.sleep(self._backoff.next())
            else:
                self._give_verdict(Verdict(row, failed))
        else:
            crash_point("ttr.answered")
            self._delivery.done(row)
            self.has_set = True
            self._wake()

    def _waits(self, row: Queued) -> bool:
        return any(each.id == row.id for each in self._delivery.waiting)

    @property
    def closing_accepted(self) -> bool:
        """Whether LivePerson has accepted the closing, which takes effect soon."""
        return self.refusal is not None and self.refusal.error is None

    @property
    def ending_all(self) -> bool:
        """Whether LivePerson was asked to end the conversation as a whole, survey and all."""
        refusal = self.refusal
        return (
            refusal is not None and isinstance(refusal.row.item, Close) and refusal.dialog is None
        )

    @property
    def failed_at(self) -> bool:
        """Whether LivePerson answered a message with a 5xx: only the dialog shows if it arrived."""
        return self.refusal is not None and isinstance(self.refusal.error, ServerFailed)

    @property
    def in_doubt(self) -> list[Queued]:
        """The messages whose outcome is unknown."""
        return self._delivery.in_doubt

    async def settled(self) -> None:
        """The session has found the conversation still open: deal with the refusal and go on."""
        refusal = self.refusal
        if refusal is None:
            return
        row = refusal.row
        over = refusal.dialog is not None and refusal.dialog != self._delivery.target
        match row.item, refusal.error:
            case _ if not self._waits(row):
                pass  # it was settled when a survey began
            case Close(), _ if over:
                pass  # the talk has ended; no survey has come, so what is left is ended, too
            case Close(), error:
                await self._not_closed(row, error)
            case Urgency(), error if error is not None:
                await self._fail(
                    [row], error.code, [notice(notices.not_marked(error_words(error)))]
                )
            case _, ServerFailed() as failed:
                if any(each.id == row.id for each in self._delivery.unsent):
                    await self._failed_again(row, failed)
            case _, RequestRefused() as refused:
                await self.give_up([row], *(TALK_OVER if over else refused_words(refused)))
        self.refusal = None
        self._delivery.held_up = False  # last: rows that arrive before must not restart publishing
        self.pump.kick()

    async def _failed_again(self, row: Queued, error: ServerFailed) -> None:
        """Try a message again later; after some tries give it up, so that the others can go on."""
        if self._failed_once_more(row) >= FAILURES:
            await self.give_up([row], *refused_words(error))
        else:
            await asyncio.sleep(self._backoff.next())

    def _failed_once_more(self, row: Queued) -> int:
        """Count one more failure of LivePerson with this message."""
        if row.id not in self._failures:
            self._backoff.reset()
        failures = self._failures.get(row.id, 0) + 1
        self._failures = {row.id: failures}  # only of the first message: the others wait behind it
        return failures

    async def _not_closed(self, row: Queued, error: RequestRefused | ServerFailed | None) -> None:
        """LivePerson did not end the conversation: say so, and let it go on."""
        reason = error_words(error)
        said = notice(notices.not_ended(reason))
        state = self._standing()

        async def work(connection: Transaction) -> list[OutboxRow]:
            await inbox.mark_failed(connection, [row.id], reason)
            await sessions.change_session(
                connection, self._record.row.id, self._record.row.epoch, state=state.value
            )
            return await outbox.add(connection, self._record.row.id, [said])

        added = await self._record.commit(work)
        self._delivery.remove([row.id])
        self._record.changed(added, state=state.value)


def error_words(error: RequestRefused | ServerFailed | None) -> str:
    """Why LivePerson has not done something, in a sentence; None: it has only not shown it."""
    return trouble("request_refused" if error is None else error.code).what
