"""One session's actor: connects a thread with a conversation, from the card to the end.

It owns everything that belongs to the session: the connection, the delivery machine, the publisher
(Slack → LivePerson), the reader (LivePerson → outbox) and the poster (outbox → Slack). Only here is
decided whether a failure is waited out or told to the person as final.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import structlog

from bridge.ids import SessionId
from bridge.liveperson.connection import Connection
from bridge.liveperson.errors import (
    ConnectionLost,
    IdentityExpired,
    IdentityLost,
    LivePersonError,
    ProtocolViolation,
    RequestRefused,
    SignInRejected,
    TokenExpired,
    Transient,
)
from bridge.liveperson.frames import Notification
from bridge.relay.delivery.agents import Agents
from bridge.relay.delivery.machine import Delivery
from bridge.relay.delivery.messages import TALK_OVER
from bridge.relay.delivery.publisher import Publisher
from bridge.relay.delivery.reader import Reader
from bridge.relay.posting.hold import ThreadGoneError
from bridge.relay.posting.poster import Poster
from bridge.relay.session import ending
from bridge.relay.session.certainty import Certainty
from bridge.relay.session.connections import LOOK_AGAIN, Connections
from bridge.relay.session.consumer import Consumer
from bridge.relay.session.conversation import Conversation
from bridge.relay.session.decisions import MAIN, Happening, Observed
from bridge.relay.session.outage import Outage
from bridge.relay.session.rating import Rater
from bridge.relay.session.signals import Signals
from bridge.relay.shared.bell import Bell
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.hosted import Hosted
from bridge.relay.shared.record import Record, notice
from bridge.slack.views import notices
from bridge.slack.views.troubles import Trouble, trouble
from bridge.state import State
from bridge.store.database import READ_SECONDS
from bridge.store.handover import handover_of
from bridge.store.rows import SessionRow

log = structlog.get_logger(__name__)

CLOSING_LOOKS = 10
"""How often LivePerson is asked whether a closing that it accepted has taken effect."""
STABLE_SECONDS = 30.0
"""A connection that has held for so long counts as stable."""


class Session:
    """Runs one session until it is over and everything about it is posted."""

    __slots__ = (
        "_agents",
        "_bell",
        "_certainty",
        "_consumer",
        "_conversation",
        "_cut_at_once",
        "_deps",
        "_failure",
        "_fresh",
        "_gone",
        "_hosted",
        "_look",
        "_outage",
        "_rater",
        "_rejected",
        "_violations",
        "delivery",
        "poster",
        "publisher",
        "reader",
        "record",
        "signals",
    )

    def __init__(self, row: SessionRow, deps: SessionDeps, *, fresh: bool) -> None:
        """`fresh`: nobody has run this session before, so nothing of it is in doubt."""
        self.record = Record(row, deps)
        self._deps = deps
        self._fresh = fresh
        self._bell = Bell()
        self._failure: Exception | None = None
        self._gone: ThreadGoneError | None = None
        self._look = False
        self._cut_at_once = 0
        self._violations = 0
        self._rejected = 0
        self._agents = Agents.of(row, deps)
        self.delivery = Delivery(row.id)
        self._hosted = Hosted(deps, row.account)
        self.publisher = Publisher(
            self.record,
            deps,
            self.delivery,
            failed=self._fail_with,
            wake=self._bell.ring,
            standing=lambda: self._conversation.standing,
            hosted=self._hosted,
        )
        self.poster = Poster(self.record, deps, failed=self._fail_with, hosted=self._hosted)
        self.reader = Reader(self.record, deps, self.delivery, self._agents)
        self.signals = Signals(
            self.record, deps, self.delivery, self.poster, self._agents, wake=self._bell.ring
        )
        self.publisher.acted = self.signals.acted
        self.reader.typing = self.signals.typing
        account = deps.settings.account(row.account)
        self._outage = Outage(self.record, deps.timings)
        self._consumer = Consumer(self.record, deps, account, self._outage)
        self._conversation = Conversation(
            self.record,
            self.reader,
            self.delivery,
            self._agents,
            account,
            introduce=self._consumer.introduce,
        )
        self.reader.observe = self._observe
        self._certainty = Certainty(
            self.delivery, self.reader, self.publisher, self._bell, deps.timings
        )
        self._rater: Rater | None = None

    @property
    def id(self) -> SessionId:
        """The session's id."""
        return self.record.row.id

    async def run(self) -> None:
        """Run to the end. Raises `FencedError` if another worker has taken the session over."""
        try:
            if not self._fresh:
                await self._take_over()
            while self.record.row.live:
                await self._live()
            await self._drain()
        finally:
            try:
                await self._detach()
            finally:
                await self.poster.pump.stop()
                await self.signals.stop()

    async def _take_over(self) -> None:
        """Continue from the store, read in one transaction: after a restart every session does."""
        async with self._deps.loading:
            left = await self._deps.database.at_once(
                lambda connection: handover_of(connection, self.id), deadline=READ_SECONDS
            )
        self.poster.take_over(left)
        self.delivery.take_over(left)
        self.reader.surveys |= {each.dialog_id for each in left.dialogs if each.dialog_type != MAIN}
        self._conversation.take_over(left)
        if self.record.row.live:
            self.signals.take_over(left)

    async def finish(self) -> None:
        """Finish the message and the post under way, and begin no other: another owner follows."""
        limit = self._deps.timings.handover
        await asyncio.gather(self.publisher.finish(limit), self.poster.pump.finish(limit))
        await self._deps.ledger.written(limit)

    def look(self) -> None:
        """Another task or worker has committed something for this session: read it soon."""
        self._look = True
        self.poster.nudge()
        self._bell.ring()

    # Being live

    async def _live(self) -> None:
        """Hold one connection until it ends, then decide what its end means."""
        try:
            await self._have_thread()
            await self._connect()
        except ThreadGoneError as error:
            await self._thread_gone(error)
        except LivePersonError as error:
            if isinstance(error, Transient) or self._bears(error):
                await self._lost(error)
            else:
                await self._fail(error, trouble(error.code, error.inner))

    def _bears(self, error: LivePersonError) -> bool:
        """Whether to wait out a refusal: one that concerns an existing conversation may pass."""
        if self.record.row.conversation_id is None or isinstance(error, IdentityLost):
            return False
        return self._outage.seconds < self._deps.timings.patience

    async def _have_thread(self) -> None:
        """Make sure that there is a thread before a conversation. Raises `ThreadGoneError`."""
        self._raise_failure()
        if self._gone is not None:
            return
        self.poster.pump.kick()
        if self.record.row.thread_ts is None:
            await self.poster.pump.drained()
            self._raise_failure()

    async def _connect(self) -> None:
        if self._cancelled_early():
            by_us = Observed(Happening.CLOSED, by="CONSUMER")
            await ending.finish_closed(self.record, self.publisher, by_us)
            return
        async with AsyncExitStack() as gate, self._connections() as connections:
            await gate.enter_async_context(self._deps.connecting.enter(self.record.row.account))
            connection = await connections.first()
            self._hosted.attach(connection)
            try:
                await self._attach(connection)
                await gate.aclose()
                await self._online(connection, connections)
            finally:
                self._hosted.detach()
                await self._detach()
                if isinstance(self._failure, Transient):
                    self._failure = None  # it was about this connection

    def _connections(self) -> Connections:
        return Connections(
            self._consumer,
            self._deps,
            self._agents.account,
            receive=self._receive,
            ring=self._bell.ring,
            failed=self._fail_with,
        )

    async def _go_over(self, connections: Connections, following: Connection) -> bool:
        """Go over to the next connection, once nothing is under way over the present one.

        Until then both are subscribed to, and what either tells counts once. So nothing is missed,
        no message is in doubt, and the person notices nothing.
        """
        if not connections.introduced:
            await self._conversation.attach(following)
            await self.reader.subscribe(following)
            await self._observe()
            connections.introduced = True
        if self._conversation.closed is not None:
            return False  # the present one will do to read the rest
        self.publisher.pauses()
        await asyncio.sleep(0)  # a pump that was only kicked ends at once
        if not self.publisher.pauses():
            asyncio.get_running_loop().call_later(LOOK_AGAIN, self._bell.ring)
            return False
        self.publisher.move(following)
        self.signals.attach(following)
        self._hosted.attach(following)
        connections.go_over()
        return True

    def _cancelled_early(self) -> bool:
        """Whether the person ended the session before LivePerson was asked for a conversation."""
        row = self.record.row
        return (
            row.conversation_id is None
            and row.opening_since is None
            and self.publisher.will_be_asked_to_close
        )

    async def _attach(self, connection: Connection) -> None:
        """On a new connection: find the conversation, its dialogs, and any message in doubt."""
        await self._conversation.attach(connection)
        self._cut_at_once = self._rejected = 0
        if self._conversation.closed is not None:
            return  # `_online` reads the rest and ends the session
        if self.delivery.doubtful:
            await self._certainty.look_for_doubtful(connection)
        else:
            await self.reader.subscribe(connection)
        await self._observe()
        if self._conversation.closed is None and self._gone is None:
            await self._strand()
            talk = self._conversation.talk
            self.publisher.attach(connection, talk.dialog, survey=talk.surveys)
            self.signals.attach(connection)
            await self._outage.over(self._conversation.standing)

    async def _observe(self) -> None:
        """See what has changed, and where what is written belongs now."""
        await self._conversation.observe()
        talk = self._conversation.talk
        self.publisher.turn_to(talk.dialog, survey=talk.surveys)

    async def _strand(self) -> None:
        """Give up what was meant for an agent who has gone, and is found not to have arrived."""
        stranded, self._conversation.stranded = self._conversation.stranded, []
        left = {each.id for each in self.delivery.unsent}
        await self.publisher.give_up([each for each in stranded if each.id in left], *TALK_OVER)

    async def _alone(self) -> None:
        """The talk is over and nothing has followed: say so, once it has had its time.

        Whoever asked to end the conversation has it ended as a whole: the publisher does that.
        """
        left = self._conversation.alone_since + self._deps.timings.survey - time.monotonic()
        if left > 0:
            asyncio.get_running_loop().call_later(left, self._bell.ring)
            return
        row = self.record.row
        if row.state not in (State.ENDED, State.CLOSING):
            told = notices.talk_over(row.agent_name, row.account)
            await self.record.write(notice(told), state=State.ENDED.value)
        lost = [each for each in self.delivery.unsent if each.item.published]
        await self.publisher.give_up(
            [each for each in lost if not self.delivery.is_under_way(each)], *TALK_OVER
        )

    async def _online(self, connection: Connection, connections: Connections) -> None:
        since = time.monotonic()
        while True:
            self._bell.clear()
            self._raise_failure()
            if time.monotonic() - since > STABLE_SECONDS:
                self._outage.stable()
            if connection.closed:
                raise await connection.wait_closed()
            await self._refresh()
            await self._observe()
            await self.reader.absorb()
            if self.publisher.said:
                await self._conversation.written()
            if self.publisher.has_set:  # if its change does not come, the card would not know
                self.publisher.has_set = False
                await self._conversation.look(connection)
                await self._observe()
            if self.publisher.refusal is not None:
                await self._look_at_refusal(connection)
            if (closed := self._conversation.closed) is not None:
                await self.publisher.detach()
                await self._certainty.read_to_the_end(connection)
                await self._files_fetched(connection)
                await ending.finish_closed(self.record, self.publisher, closed, asks=self._asks)
                return
            if self._gone is not None:
                await self._leave(connection, self._gone)
                return
            if self._conversation.talk.dialog is None:
                await self._alone()
            following = connections.following
            if following is not None and await self._go_over(connections, following):
                connection = following
            if self.delivery.gap or self.reader.stale:
                await self._certainty.read_again(connection)
            elif await self._certainty.quiet():
                await self._conversation.look(connection)

    async def _files_fetched(self, connection: Connection) -> None:
        """Have the agent's last files shown: without a connection nobody could fetch them."""
        while self.poster.has_files and not (connection.closed or self.poster.pump.ending):
            self._bell.clear()
            self.poster.pump.kick()
            drained = asyncio.ensure_future(self.poster.pump.drained())
            closed = asyncio.ensure_future(connection.wait_closed())
            patience = self._deps.timings.file_patience
            try:
                done, _ = await asyncio.wait(
                    {drained, closed}, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                drained.cancel()
                closed.cancel()
            if drained not in done or self._failure is not None:
                return

    async def _look_at_refusal(self, connection: Connection) -> None:
        """After a refusal or an accepted closing: find out whether the conversation is open."""
        for _ in range(CLOSING_LOOKS):
            await self._conversation.look(connection)
            await self._observe()
            if self._conversation.closed is not None:
                return
            if self._conversation.talk.surveys and not self.publisher.ending_all:
                break  # what was to end has ended
            if not self.publisher.closing_accepted:
                break
            await self.reader.absorb()
            self._bell.clear()
            await self._bell.heard(1.0)  # LivePerson soon tells that the closing has taken effect
        if self.publisher.failed_at:
            await self._certainty.look_for_doubtful(connection)
        await self.publisher.settled()

    def _receive(self, notification: Notification) -> None:
        if not self.reader.receive(notification):
            self._bell.ring()
        if self.delivery.echoed:
            self.publisher.echoed()

    async def _detach(self) -> None:
        """Publish nothing more over this connection."""
        try:
            await self.signals.detach()
        finally:
            await self.publisher.detach()

    async def _refresh(self) -> None:
        if self._look:
            self._look = False
            self.poster.refresh()
            await self.publisher.refresh()

    @property
    def _asks(self) -> bool:
        """Whether to ask how it was: not where LivePerson has asked itself."""
        account = self._deps.settings.account(self.record.row.account)
        return account.satisfaction and not self.reader.surveys

    # Trouble

    def _fail_with(self, error: Exception) -> None:
        if self._gone is not None and isinstance(error, ThreadGoneError):
            return  # known already: the conversation is being ended
        if self._failure is None or isinstance(self._failure, Transient):
            self._failure = error  # a failure of the connection gives way to any other
        self._bell.ring()

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    async def _fail(self, error: LivePersonError, told: Trouble) -> None:
        log.warning("session.failed", session=self.id, error=error.code, detail=str(error))
        await ending.finish(
            self.record,
            self.publisher,
            State.FAILED,
            reason=str(told),
            told=notices.failed(told.what, told.remedy, self.record.row.account),
        )

    async def _lost(self, error: LivePersonError) -> None:
        """Wait before the next connection; tell the person if the outage lasts."""
        if isinstance(error, TokenExpired | IdentityExpired):
            self._consumer.expired = error
        row = self.record.row
        if row.opening_since is None and isinstance(error, ConnectionLost) and error.at_once:
            self._cut_at_once += 1
            if self._cut_at_once >= self._deps.timings.opening_tries:
                await self._fail(error, trouble("cut_at_once"))
                return
        if isinstance(error, ProtocolViolation):
            self._violations += 1
            if self._violations >= self._deps.timings.opening_tries:
                await self._fail(error, trouble(error.code))
                return
        if isinstance(error, SignInRejected) and self._gives_up_signing_in():
            await self._fail(error, trouble(error.code, error.inner))
            return
        if self._outage.lasting:
            self._deps.domains.forget(self._agents.account)  # its hosts may have changed
        again, tell_at = self._outage.begin(error)
        if tell_at is not None and tell_at <= again:
            await self._pause_until(tell_at)
            await self._outage.tell(error)
        await self._pause_until(again)

    def _gives_up_signing_in(self) -> bool:
        """Whether LivePerson has named what is wrong often enough: it does not pass by itself.

        An existing conversation is worth more patience, for somebody may set it right.
        """
        self._rejected += 1
        if self.record.row.conversation_id is not None:
            return self._outage.seconds >= self._deps.timings.patience
        return self._rejected >= self._deps.timings.opening_tries

    async def _pause_until(self, deadline: float) -> None:
        """Wait, unless meanwhile the thread is gone or the person ends the session."""
        loop = asyncio.get_running_loop()
        while (left := deadline - loop.time()) > 0:
            self._bell.clear()
            await self._refresh()
            if self._failure is not None or self._cancelled_early():
                return
            await self._bell.heard(left)

    async def _thread_gone(self, error: ThreadGoneError) -> None:
        """The thread cannot be written to any more: tell the opener and end the conversation."""
        log.warning("session.thread_gone", session=self.id, error=error.error.code)
        self._gone = error
        await self.poster.card.say_elsewhere(error.error)
        if self.record.row.conversation_id is None and self.record.row.opening_since is None:
            await self._finish_gone(error)

    async def _leave(self, connection: Connection, gone: ThreadGoneError) -> None:
        """Close a conversation whose thread is gone."""
        self.record.check_lease()
        try:
            await connection.end_conversation(self.record.row.conversation_id or "")
        except RequestRefused as error:
            log.info("session.closed_already", session=self.id, detail=str(error))
        await self._finish_gone(gone)

    async def _finish_gone(self, gone: ThreadGoneError) -> None:
        reason = f"{gone.error} {gone.error.remedy}"
        await ending.finish(self.record, self.publisher, State.FAILED, reason=reason, told=None)

    # The end

    async def _rated(self) -> float | None:
        """Pass on how the conversation was rated; returns what `Rater.pass_on` does."""
        self._bell.clear()
        await self._refresh()
        if self._rater is None:
            self._rater = Rater(self.record, self._deps, self.delivery, self._consumer)
        return await self._rater.pass_on()

    async def _drain(self) -> None:
        """Post what is left, then give the session up."""
        while self.record.row.thread_ts is not None or self._gone is None:
            self.poster.pump.kick()
            await self.poster.drained()
            if self.poster.pump.ending:
                return  # handed over: the next owner posts the rest and updates the card
            failure, self._failure = self._failure, None
            if isinstance(failure, ThreadGoneError):
                log.warning("session.not_told", session=self.id, error=failure.error.code)
                if self.poster.waiting:
                    continue
            elif failure is not None:
                raise failure
            if (wait := await self._rated()) is not None:
                if wait > 0:
                    await self._bell.heard(wait)
                continue
            if await ending.let_go(self.record, self._deps.worker):
                return
            self._look = True
            self.poster.refresh()
        await ending.let_go(self.record, self._deps.worker)
