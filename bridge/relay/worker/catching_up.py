"""Reads the threads in which people may have written while Slack could not reach the bridge.

The database says which threads these are (`presence`), so a restart forgets none. Each worker reads
those of its own sessions, newest activity first, in the background and well below Slack's rate. It
hands on what it finds as if the events had come: a message that is known already, or is delivered
later, is a duplicate by its identity. If a thread cannot be read, it says so once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import structlog

from bridge.backoff import Backoff
from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, ts_key
from bridge.relay.posting.hold import CREDENTIALS_WAIT
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import notice
from bridge.relay.worker.presence import Presence
from bridge.slack.views import notices
from bridge.slack.web.concerns import Concern
from bridge.slack.web.errors import SlackError, SlackRefused
from bridge.slack.web.sender import Page
from bridge.store import presence
from bridge.store.connection import Transaction
from bridge.store.errors import StoreUnavailable
from bridge.store.presence import UnreadThread
from bridge.store.rows import NewOutbox

T = TypeVar("T")
log = structlog.get_logger(__name__)

PER_MINUTE = 25.0
"""Pages a minute that the whole fleet reads: half of what Slack allows, since `find` needs some."""
BURST = 10
"""Pages that may be read at once after a while of rest."""
SLOWEST = 60.0
"""Seconds between two pages where Slack allows very few."""
OVERLAP_MS = 10 * 60 * 1000
"""How far before a gap a thread is read: Slack was still redelivering these messages then."""
BATCH = 20
MOST_PAGES = 1_000
TRIES = 5
POLL_SECONDS = 5.0
"""Seconds between queries for threads of ours that another worker has marked."""
JUDGE_AGAIN = 1.0
RETRY_SECONDS = 5.0, 600.0
"""Seconds until a thread that could not be read is tried again: first, and at most."""
REFUSALS = 6
"""After so many refusals that may pass, the thread is told that it could not be read."""
FINAL = frozenset({"method_not_supported_for_channel_type", "missing_scope", "thread_not_found"})
"""Refusals that only a new installation or thread would end: the thread is told at once."""
LOCKED_OUT = frozenset({"channel_not_found", "is_archived", "no_permission", "not_in_channel"})
"""Refusals that end when somebody lets the bridge in again. They are waited out: the session's hold
decides whether the thread is given up meanwhile, and tells it."""
NOT_INSTALLED = frozenset({"foreign_team", "app_removed"})
"""Slack's error when the bridge has no business in the thread any more: nobody is told."""
GIVEN_UP = 10_000
"""How many given-up messages are remembered, so that they hold up no others again."""

Take = Callable[[TeamId, ChannelId, dict[str, Any]], Awaitable[bool]]
"""Handles a message as its event would be handled. True: it is stored, or not for the bridge."""


class Teller(Protocol):
    """Says something in threads: `bridge.relay.service.BridgeService`."""

    async def tell(
        self,
        session: SessionId,
        items: list[NewOutbox],
        *,
        first: Callable[[Transaction], Awaitable[bool]],
    ) -> None:
        """Say it, if `first`, in the same transaction, agrees."""

    async def channel_moved(self, team: TeamId, old: ChannelId, new: ChannelId) -> None:
        """Move a channel's sessions to its new id."""


@dataclass(slots=True)
class Postponed:
    """When a thread is tried again."""

    since: int
    """The mark that was read; if the thread is marked anew, it is read at once."""
    due: float = 0.0
    tries: int = 0
    """How often Slack has refused it for a reason that may pass."""
    message: MessageTs | None = None
    """The message that could not be stored."""
    message_tries: int = 0
    backoff: Backoff = field(
        default_factory=lambda: Backoff(first=RETRY_SECONDS[0], cap=RETRY_SECONDS[1])
    )


class CatchingUp:
    """Has gaps in the fleet's presence judged, and reads the marked threads."""

    def __init__(self, deps: SessionDeps, judge: Presence, teller: Teller, take: Take) -> None:
        self._deps = deps
        self._presence = judge
        self._teller = teller
        self._take = take
        self._pace = Rate(PER_MINUTE, BURST)
        self._postponed: dict[SessionId, Postponed] = {}
        self._given_up: OrderedDict[tuple[SessionId, MessageTs], None] = OrderedDict()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start; the heartbeat may be running already."""
        self._tasks = [
            asyncio.create_task(self._judging(), name="presence"),
            asyncio.create_task(self._reading(), name="catching up"),
        ]

    async def stop(self) -> None:
        """Stop; threads that are not read yet stay marked."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _judging(self) -> None:
        while True:
            await self._presence.to_judge.wait()
            self._presence.to_judge.clear()
            if not await _safely("presence", self._presence.judge()):
                await asyncio.sleep(JUDGE_AGAIN)
                self._presence.to_judge.set()

    async def _reading(self) -> None:
        backoff = Backoff(first=1.0, cap=60.0)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_next()):
                    await self._presence.to_read.wait()
            self._presence.to_read.clear()
            while True:
                found = await _safely("catching_up", self._read_some())
                if not found:
                    break
                backoff.reset()
            if found is None:
                await asyncio.sleep(backoff.next())

    def _until_next(self) -> float:
        now = asyncio.get_running_loop().time()
        due = min((each.due for each in self._postponed.values()), default=now + POLL_SECONDS)
        return min(max(0.0, due - now), POLL_SECONDS)

    async def _read_some(self) -> bool:
        """Read some of the marked threads; False if none is to be read now."""
        lease_ms = int(self._deps.settings.bridge_lease_seconds * 1000)
        limit = BATCH + len(self._postponed)
        async with self._deps.database.read() as transaction:
            marked = await presence.marked_threads(
                transaction, self._deps.worker, lease_ms=lease_ms, limit=limit
            )
            workers = await presence.workers_alive(transaction, lease_ms=lease_ms)
        now = asyncio.get_running_loop().time()
        if len(marked) < limit:  # these are all: forget the delays of threads no longer marked
            names = {each.session for each in marked}
            self._postponed = {k: v for k, v in self._postponed.items() if k in names}
        ready = [each for each in marked if self._is_due(each, now)]
        self._pace.shared_by(workers)
        for thread in ready[:BATCH]:
            try:
                works = await self._read(thread)
            except StoreUnavailable:
                raise
            except Exception:
                log.exception("thread.reading_failed", session=thread.session)
                self._postpone(thread)
                continue
            if not works:  # a person has to act, and Slack would refuse every other thread too
                await asyncio.sleep(CREDENTIALS_WAIT)
                break
        return bool(ready)

    def _is_due(self, thread: UnreadThread, now: float) -> bool:
        later = self._postponed.get(thread.session)
        return later is None or later.due <= now or later.since != thread.since

    async def _read(self, thread: UnreadThread) -> bool:
        """Read one thread and hand on the missed messages. If that fails, it stays marked.

        False: Slack refuses the whole installation.
        """
        try:
            messages = await self._messages(thread)
        except SlackRefused as error:
            return await self._refused(thread, error)
        except SlackError as error:
            log.warning("thread.not_read", session=thread.session, error=error.code)
            self._postpone(thread)
            return True
        missed = await self._missed(thread, messages)
        for message in missed:
            if not await self._hand_on(thread, message):
                return True
            await asyncio.sleep(
                0
            )  # most messages are our own and await nothing: let other tasks run
        done = await self._deps.database.writer.run(
            lambda transaction: presence.unmark(transaction, thread)
        )
        if not done:
            return True  # the thread was marked again meanwhile: it is read again
        self._postponed.pop(thread.session, None)
        log.info("thread.caught_up", session=thread.session, looked_at=len(missed))
        return True

    async def _refused(self, thread: UnreadThread, error: SlackRefused) -> bool:
        """Slack refused to show a thread. False: it would refuse every other thread as well."""
        tried = self._refusals_of(thread)
        if error.code in NOT_INSTALLED:
            await self._forget(thread)
            return True
        if error.code in FINAL:
            await self._say_unreadable(thread, error)
            return True
        log.warning("thread.not_read", session=thread.session, error=error.code)
        if error.concern is Concern.INSTALLATION:
            self._postpone(thread, counts=False)  # next time another thread is tried first
            return False
        if error.moved_to not in (None, thread.channel) and tried < REFUSALS:
            self._postpone(thread)
            await self._teller.channel_moved(
                thread.team, thread.channel, ChannelId(str(error.moved_to))
            )
        elif tried < REFUSALS or (error.code in LOCKED_OUT and thread.live):
            self._postpone(thread)
        elif error.code in LOCKED_OUT:
            await self._forget(thread)  # the conversation is over, and nothing can be told
        else:
            await self._say_unreadable(thread, error)
        return True

    async def _hand_on(self, thread: UnreadThread, message: dict[str, Any]) -> bool:
        """Hand one message on. False: it has to be tried again, and later messages wait.

        A message that can never be stored is told in the thread after some tries, so that it does
        not hide everything that was written later.
        """
        ts = MessageTs(message["ts"])
        if (thread.session, ts) in self._given_up:
            return True
        with self._presence.reading(thread.team, thread.channel, ts):
            if await self._take(thread.team, thread.channel, message):
                return True
        # If the database takes no writes, the message is not at fault: then this raises.
        await self._deps.database.writer.run(lambda c: presence.still_marked(c, thread))
        later = self._postpone(thread, counts=False)
        later.message_tries = later.message_tries + 1 if later.message == ts else 1
        later.message = ts
        if later.message_tries < REFUSALS:
            return False
        log.error("thread.message_given_up", session=thread.session, ts=ts)
        told = notice(notices.not_taken(ts_key(ts)[0] * 1000))
        await self._teller.tell(
            thread.session, [told], first=lambda c: presence.still_marked(c, thread)
        )
        self._given_up[thread.session, ts] = None
        while len(self._given_up) > GIVEN_UP:
            self._given_up.popitem(last=False)
        return True

    async def _missed(
        self, thread: UnreadThread, messages: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The thread's messages that are not in the inbox, and the edits since, in order.

        What was deleted meanwhile cannot be told: nothing is left of it to be read.
        """
        stamps = [str(message["ts"]) for message in messages]
        known: set[str] = set()
        async with self._deps.database.read() as transaction:
            for start in range(0, len(stamps), 500):
                known |= await presence.stored_messages(
                    transaction, thread, stamps[start : start + 500]
                )
        since = (thread.since - OVERLAP_MS) // 1000
        told = [edited(each, since) if each["ts"] in known else each for each in messages]
        return [each for each in told if each is not None]

    def _refusals_of(self, thread: UnreadThread) -> int:
        later = self._postponed.get(thread.session)
        return 0 if later is None else later.tries

    def _postpone(self, thread: UnreadThread, *, counts: bool = True) -> Postponed:
        later = self._postponed.setdefault(thread.session, Postponed(thread.since))
        later.since = thread.since
        later.tries += counts
        later.due = asyncio.get_running_loop().time() + 1.0 + later.backoff.next()
        return later

    async def _forget(self, thread: UnreadThread) -> None:
        """Unmark a thread that cannot be read, and tell nobody."""
        await self._deps.database.writer.run(
            lambda transaction: presence.unmark(transaction, thread)
        )
        self._postponed.pop(thread.session, None)

    async def _say_unreadable(self, thread: UnreadThread, error: SlackRefused) -> None:
        """Say in the thread that it cannot be read, and unmark it."""
        log.warning("thread.unreadable", session=thread.session, error=error.code)
        told = notice(notices.unheard(thread.since, str(error), error.remedy))

        async def first(transaction: Transaction) -> bool:
            return await presence.unmark(transaction, thread)

        await self._teller.tell(thread.session, [told], first=first)
        self._postponed.pop(thread.session, None)

    # Slack

    async def _messages(self, thread: UnreadThread) -> list[dict[str, Any]]:
        """All messages of a thread since shortly before the gap, in order. Raises `SlackError`.

        Slack may cut the pages as small as it likes.
        """
        oldest = MessageTs(f"{max(0, thread.since - OVERLAP_MS) // 1000}.000000")
        found: dict[str, dict[str, Any]] = {}
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await self._page(thread, oldest, cursor)
            found |= {each["ts"]: each for each in page.messages if isinstance(each.get("ts"), str)}
            cursor = page.cursor
            if cursor is None:
                break
        else:
            log.error("thread.endless", session=thread.session)
        return [found[ts] for ts in sorted(found, key=lambda ts: ts_key(MessageTs(ts)))]

    async def _page(self, thread: UnreadThread, oldest: MessageTs, cursor: str | None) -> Page:
        """Read one page. A 429 is waited out, another failure is tried again a few times."""
        backoff, left = Backoff(first=1.0, cap=30.0), TRIES
        while True:
            await self._pace.turn()
            try:
                page = await self._deps.sender.replies(
                    thread.team, thread.channel, thread.thread_ts, oldest=oldest, cursor=cursor
                )
            except SlackRefused:
                raise
            except SlackError as error:
                if error.retry_after is not None:
                    self._pace.slow_down(error.retry_after)
                    continue
                left -= 1
                if not left:
                    raise
                await asyncio.sleep(backoff.next())
            else:
                self._pace.speed_up()
                return page


def edited(message: dict[str, Any], since: int) -> dict[str, Any] | None:
    """The event of a message's last edit, if that was after `since` (seconds); None: it was not.

    Slack may tell the time in whole seconds. Edits of two messages in one second are told apart by
    the messages' own times. That the edit is known already does no harm: its words are compared.
    """
    told = message.get("edited")
    at = told.get("ts") if isinstance(told, dict) else None
    if not isinstance(at, str) or not at.partition(".")[0].isdigit():
        return None
    second = at.partition(".")[0]
    if int(second) < since:
        return None
    ts = f"{second}.{message['ts'].partition('.')[2]}"
    return {"subtype": "message_changed", "hidden": True, "ts": ts, "message": message}


class Rate:
    """When the next page may be read: a rate for the whole fleet, lower after a 429."""

    def __init__(self, per_minute: float, burst: int) -> None:
        self._interval = 60.0 / per_minute
        self._ahead = self._interval * (burst - 1)
        self._workers = 1
        self._rest = 0.0
        self._next = 0.0

    def shared_by(self, workers: int) -> None:
        """Tell how many workers share the rate."""
        self._workers = max(1, workers)

    def slow_down(self, retry_after: float) -> None:
        """Slack said 429: it allows fewer pages here, or somebody else uses the rate."""
        self._rest = min(SLOWEST, self._rest + retry_after)

    def speed_up(self) -> None:
        """Slack returned a page."""
        self._rest = 0.8 * self._rest if self._rest > 1.0 else 0.0

    async def turn(self) -> None:
        """Wait until the next page may be read."""
        now = asyncio.get_running_loop().time()
        due = max(self._next, now)
        self._next = due + self._interval * self._workers
        await asyncio.sleep(max(due - self._ahead - now, self._rest, 0.0))


async def _safely(what: str, step: Coroutine[Any, Any, T]) -> T | None:
    """Run a step. An error is logged and gives None, for the loops that call this must not end."""
    try:
        return await step
    except StoreUnavailable as error:
        log.warning(f"{what}.store_unavailable", error=str(error))
    except Exception:
        log.exception(f"{what}.failed")
    return None
