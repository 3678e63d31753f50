"""One conversation as a program sees it: say something, iterate over its events, end it.

Made by `LivePerson.conversation`. Only the client's task uses the connection, one step at a time
(`step`). So nothing is sent while a message is in doubt.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from bridge.backoff import Backoff
from bridge.liveperson.catch_up import CatchUp
from bridge.liveperson.connection import Connection, Wait
from bridge.liveperson.errors import (
    ConnectionLost,
    ConversationClosed,
    DeliveryUnknown,
    IdentityLost,
    LivePersonError,
    NotDelivered,
    OutcomeUnknown,
    ReplayMissing,
    RequestRefused,
    ServerFailed,
    Throttled,
    TokenExpired,
)
from bridge.liveperson.frames import ConversationChange, MessagingEvents
from bridge.liveperson.happenings import Closed, ConversationEvent, Incomplete, TryingAgain
from bridge.liveperson.ids import ConversationId
from bridge.liveperson.metadata import Metadata
from bridge.liveperson.reading import Reading, Saying
from bridge.liveperson.timings import Timings

TRIES = 5
"""After so many failures of LivePerson a message is given up."""
ECHOED_PATIENCE = 0.2
"""Seconds that the answer to a message may still take once its echo has come."""
UNAUTHORISED = 401


@dataclass(slots=True, eq=False)
class _Say:
    saying: Saying
    done: asyncio.Future[None]
    tries: int = 0
    backoff: Backoff = field(default_factory=Backoff)
    error: ServerFailed | None = None


@dataclass(slots=True, eq=False)
class _End:
    done: asyncio.Future[None]
    dialog: str
    """What is to end: the talk, or the survey that ran when it was asked for."""


class Conversation:
    """An open conversation. `async for` gives its events in order, each once, until `Closed`."""

    def __init__(
        self, conversation: str, reading: Reading, timings: Timings, wake: Callable[[], None]
    ) -> None:
        self.id = ConversationId(conversation)
        self._reading = reading
        self._metadata = Metadata(reading)
        self._timings = timings
        self._wake = wake
        self._catch_up = CatchUp(reading.dialogs, self._look, timings.replays)
        self._todo: deque[_Say | _End] = deque()
        self._news = asyncio.Event()
        self._wait: Wait | None = None
        self._stale = True
        """Whether to read again, since an event may have been missed."""
        self._over: Closed | None = None
        self._failure: BaseException | None = None
        self._sealed = False
        """Whether `Closed` is among the events: nothing may follow."""
        self._ended = False
        """Whether `Closed` has been handed out."""
        self._uncertain_since: float | None = None
        reading.add_dialog(conversation)  # the main dialog has its conversation's id
        if reading.saying is not None:
            self._todo.append(_Say(reading.saying, _without_waiter()))

    # For the program that talks

    async def say(self, text: str, *, external_id: str | None = None) -> None:
        """Publish a message, and wait until LivePerson has it: exactly once, whatever happens.

        Lost connections are waited out, however long they last. Messages of concurrent calls arrive
        in the order of the calls. `external_id`: the message's name (1 to 64 characters), by which
        it is recognised if LivePerson repeats it.

        Raises `RequestRefused`, `Throttled`, `NotDelivered` or `ConversationClosed` if it has not
        arrived, `DeliveryUnknown` if nobody can tell, and any other `LivePersonError` if the client
        has ended. If the call is cancelled, the message may arrive all the same.
        """
        self._check()
        say = _Say(Saying(text, external_id or uuid.uuid4().hex), _future())
        self._todo.append(say)
        self._wake()
        try:
            await say.done
        except asyncio.CancelledError:
            if not say.saying.dialog and say in self._todo:
                self._todo.remove(say)
            raise

    async def end(self) -> None:
        """End the talk after the messages that wait; `Closed` is the last event.

        Before it a survey may come (`DialogOpened`, with its questions as messages): what is said
        answers it, and another `end` ends it.

        Raises `RequestRefused` if LivePerson refuses to.
        """
        if self._over is not None:
            return
        self._check()
        end = _End(_future(), self._metadata.target(self.id))
        self._todo.append(end)
        self._wake()
        await end.done

    def __aiter__(self) -> AsyncIterator[ConversationEvent]:
        """Iterate over the events. Concurrent iterations share them: each gets other ones."""
        return self

    async def __anext__(self) -> ConversationEvent:
        """Wait for the next event. Raises what has ended the client, if something has."""
        while not self._reading.queue:
            if self._ended:
                raise StopAsyncIteration
            if self._failure is not None:
                raise self._failure
            self._news.clear()
            await self._news.wait()
        event = self._reading.queue.popleft().event
        self._ended = self._ended or isinstance(event, Closed)
        self._reading.give_out()  # there may be room now for what waits in its dialog
        return event

    @property
    def agents(self) -> frozenset[str]:
        """Who has the conversation now, by their public ids."""
        return self._metadata.agents or frozenset()

    @property
    def closed(self) -> bool:
        """Whether the conversation is over. Some events may still wait to be taken."""
        return self._over is not None

    # For the client

    @property
    def reading(self) -> Reading:
        """The conversation's dialogs, and the message on its way."""
        return self._reading

    def heard(self, events: MessagingEvents) -> None:
        """Take events of a notification."""
        if self._sealed:
            return
        for change in events.changes:
            self._reading.feed(change)
        self._given()
        self._catch_up.arrived()
        if self._reading.arrived and self._wait is not None:
            self._wait.shorten(ECHOED_PATIENCE)  # its answer normally follows at once

    def begin(self, known: ConversationChange | None) -> None:
        """Follow the conversation; `known` is what LivePerson has told of it already."""
        self._metadata.begin(known)
        self._over = self._metadata.over
        self._given()

    def changed(self, change: ConversationChange) -> None:
        """Take a change of the conversation's metadata."""
        if self._sealed or not self._metadata.changed(change):
            return
        self._stale = True
        if self._over is None:
            self._over = self._metadata.over
        self._given()

    def told(self, event: ConversationEvent) -> None:
        """Hand out an event that is not in the dialogs."""
        if not self._sealed:
            self._reading.put(event)
            self._given()

    def reconnected(self) -> None:
        """There is a new connection. A close meanwhile has been told, or will be."""
        self._stale = True

    def quiet(self) -> float:
        """Seconds of quiet after which the dialogs are read again."""
        return self._timings.after_talk if self._reading.moved else self._timings.quiet

    def suspect(self) -> None:
        """It was quiet for long: the last notification may be lost, so read again."""
        self._stale = True

    def lose_identity(self, error: IdentityLost) -> None:
        """The consumer cannot be continued, so the conversation is over for this program."""
        if self._sealed:
            return
        if self._reading.in_doubt:
            self._reading.in_doubt = False
            self._answer(self._todo[0], DeliveryUnknown())
        self._finished(Closed(None, error), error)

    def fail(self, error: BaseException) -> None:
        """The client has ended with this error."""
        self._failure = error
        self._answer_all(error)
        self._news.set()

    async def step(self, ums: Connection) -> bool:
        """Do what is most urgent; False if there is nothing to do. Raises `LivePersonError`."""
        if self._sealed or self._failure is not None:
            return False
        if self._reading.in_doubt:
            await self._settle(ums)
        elif self._over is not None:
            await self._finish(ums)
        elif self._stale:
            await self._subscribe(ums)
        elif self._reading.gap:
            await self._prove(ums, certain=False)
        elif self._todo:
            await self._do(ums, self._todo[0])
        else:
            return False
        return True

    # Reading

    async def _subscribe(self, ums: Connection) -> None:
        try:
            await self._catch_up.subscribe(ums)
        except RequestRefused as error:
            self._reconnect_or_go_on(error)
        self._stale = False
        await ums.get_clock()  # as a rule the replay comes before this answer
        self._reading.read_to_here()

    async def _look(self, certain: bool) -> None:
        for dialog in self._reading.dialogs.values():
            dialog.judge(certain=certain and self._reading.in_doubt)
        self._reading.give_out(all_there_is=certain)
        self._given()

    async def _prove(self, ums: Connection, *, certain: bool) -> bool:
        """Read until the dialogs are known; False if LivePerson fails to show one for too long."""
        self._stale = False
        try:
            await self._catch_up.read(ums, certain=certain)
        except (ReplayMissing, RequestRefused) as error:
            self._reconnect_or_go_on(error)
            for dialog in self._reading.dialogs.values():
                dialog.give_up()
            if self._over is None:  # LivePerson need not show a closed conversation
                missing = error if isinstance(error, ReplayMissing) else ReplayMissing()
                self.told(Incomplete(missing))
            return False
        self._uncertain_since = None
        self._reading.read_to_here()
        return True

    def _reconnect_or_go_on(self, error: LivePersonError) -> None:
        """LivePerson does not show a dialog: reconnect for a while, then go on without it."""
        now = asyncio.get_running_loop().time()
        if self._over is None or self._reading.in_doubt:
            if self._uncertain_since is None:
                self._uncertain_since = now
            if now - self._uncertain_since < self._timings.certainty:
                raise ConnectionLost(None, str(error).rstrip(".")) from error
        self._uncertain_since = None

    def _given(self) -> None:
        self._reading.give_out()
        if self._reading.queue:
            self._news.set()
        self._wake()

    # Saying

    async def _do(self, ums: Connection, todo: _Say | _End) -> None:
        if isinstance(todo, _End):
            await self._close(ums, todo)
            return
        reading, saying = self._reading, todo.saying
        reading.sending(saying, self._metadata.target(self.id))
        self._wait = Wait()
        try:
            sequence = await ums.publish_text(
                saying.dialog, saying.text, external_id=saying.external_id, wait=self._wait
            )
        except Throttled as error:
            reading.done()
            await self._again(ums, todo, error, error)
        except RequestRefused as error:
            reading.done()
            todo.tries += 1
            if error.status == UNAUTHORISED and todo.tries < TRIES:
                raise TokenExpired(None, "the token is not accepted any more") from error
            self._answer(todo, error)
        except ServerFailed as error:  # a 5xx proves nothing: look in the dialog
            reading.in_doubt = True
            todo.error = error
        except OutcomeUnknown:
            reading.in_doubt = True
            if not reading.arrived:
                raise
        except asyncio.CancelledError:
            reading.in_doubt = True
            raise
        else:
            reading.answered(sequence)
            self._answer(todo)
        finally:
            self._wait = None
            self._given()

    async def _settle(self, ums: Connection) -> None:
        """Find out whether a message has arrived whose answer is lost."""
        reading, say = self._reading, self._todo[0]
        proven = True
        if not reading.arrived:
            # It may still be on its way into the dialog, having been sent over the old connection.
            # No request can rule that out, so a fixed time has to pass.
            await asyncio.sleep(self._timings.before_replay)
            proven = await self._prove(ums, certain=True)
            reading.give_out(whole=True)
        arrived = reading.arrived
        reading.done()
        self._given()
        if not isinstance(say, _Say):
            raise AssertionError("what is in doubt is not first in the queue")
        if arrived:
            self._answer(say)
        elif not proven:
            self._answer(say, DeliveryUnknown())
        elif (failed := say.error) is not None:
            say.error = None
            gone = NotDelivered(f"{failed} The message is not in the dialog.")
            await self._again(ums, say, failed, gone)

    async def _again(
        self, ums: Connection, say: _Say, error: LivePersonError, at_last: LivePersonError
    ) -> None:
        """Wait before a message is sent again; after some tries give it up."""
        say.tries += 1
        if say.tries >= TRIES:
            self._answer(say, at_last)
            return
        seconds = say.backoff.next(error.retry_after)
        self.told(TryingAgain(error, seconds))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ums.wait_closed()

    # The end

    async def _close(self, ums: Connection, end: _End) -> None:
        if end.dialog != self._metadata.target(self.id):
            self._answer(end)  # it has ended: what runs now is another dialog
            return
        try:
            if self._metadata.talks:
                await ums.close_dialog(self.id, end.dialog)
            else:  # what runs is the survey
                await ums.end_conversation(self.id)
        except RequestRefused as error:
            self._answer(end, error)
        else:
            self._answer(end)

    async def _finish(self, ums: Connection) -> None:
        """The conversation is closed: hand out its remaining events, then `Closed`."""
        await self._prove(ums, certain=True)
        self._reading.give_out(whole=True)
        self._finished(self._over or Closed(None), ConversationClosed())

    def _finished(self, closed: Closed, why: LivePersonError) -> None:
        self._over = closed
        for todo in list(self._todo):
            self._answer(todo, why if isinstance(todo, _Say) else None)
        self.told(closed)
        self._sealed = True

    def _answer(self, todo: _Say | _End, error: BaseException | None = None) -> None:
        """Finish what the program asked for, with an error or without."""
        if todo in self._todo:
            self._todo.remove(todo)
        if todo.done.done():
            return  # the caller does not wait any more
        if error is None:
            todo.done.set_result(None)
        else:
            todo.done.set_exception(error)

    def _answer_all(self, error: BaseException) -> None:
        for todo in list(self._todo):
            self._answer(todo, error)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._over is not None:
            raise ConversationClosed


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


def _without_waiter() -> asyncio.Future[None]:
    """A future for a message of an earlier process, for which nobody waits."""
    future = _future()
    future.cancel()
    return future
