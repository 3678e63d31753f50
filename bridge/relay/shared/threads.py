"""Which thread belongs to which session: the look-up that every Slack message passes.

A message outside any bridged thread must cost no query, so unknown threads are remembered too. That
is safe in both cases. A session is committed before its card is posted, so while a card is under
way no thread younger than its session's row is taken for unknown. And whether a session is still
live is not remembered here, but read in the transaction that stores the message.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from bridge.errors import Transient
from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId, ts_key
from bridge.slack.port import ThreadMessage
from bridge.store import sessions
from bridge.store.database import Database

REMEMBERED = 100_000
"""Threads kept in memory, known and unknown together."""
CARD_WAIT = 2.0
"""Seconds that a message waits while a card is being posted in its channel."""
CLOCKS_DIFFER_MS = 60_000
"""A thread that is older than a session's row by more than this cannot be that session's."""

Key = tuple[TeamId, ChannelId, MessageTs]


def key_of(message: ThreadMessage) -> Key:
    """The thread that a message is in."""
    return message.team, message.channel, message.thread_ts


class UndecidedError(Transient):
    """A card is being posted in this channel, so it is not known yet whose a thread is.

    Nothing is wrong: a later attempt finds out.
    """


@dataclass(frozen=True, slots=True)
class Thread:
    """A bridged thread."""

    session: SessionId
    opener: UserId
    several_writers: bool = False
    """Whether somebody else than the opener has written to the agent; never taken back."""
    apps_told: bool = False
    """Whether the thread has been told that messages by apps are not relayed."""
    quick_replies_over: str | None = None
    """What the session has kept of quick replies, and is known to have been taken away."""


_UNKNOWN = Thread(SessionId(""), UserId(""))


class Threads:
    """Remembers which thread belongs to which session."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[Key, Thread | None] = OrderedDict()
        self._looked_again = asyncio.Event()

    def learn(self, key: Key, thread: Thread) -> None:
        """Remember a new thread, and wake the messages that wait for it."""
        self._remember(key, thread)
        self.look_again()

    def note(self, key: Key, thread: Thread) -> None:
        """Update what is remembered of a thread."""
        self._remember(key, thread)

    def look_again(self) -> None:
        """A card was posted, here or at another worker: waiting messages look again."""
        self._looked_again.set()
        self._looked_again = asyncio.Event()

    def moved(self) -> None:
        """A channel has a new id: forget which threads were unknown, for one may be known now."""
        self._known = OrderedDict((k, thread) for k, thread in self._known.items() if thread)
        self.look_again()

    def foreign(self, key: Key) -> bool:
        """Whether a thread was looked up before and belongs to no session."""
        if self._known.get(key, _UNKNOWN) is not None:
            return False
        self._known.move_to_end(key)
        return True

    async def find(self, key: Key) -> Thread | None:
        """The thread's session, or None if no session has it.

        Raises `UndecidedError` if a card is under way for too long. Then the caller must not
        acknowledge the message, so that Slack delivers it again.
        """
        try:
            thread = self._known[key]
        except KeyError:
            return await self._look_up(key)
        self._known.move_to_end(key)
        return thread

    async def _look_up(self, key: Key) -> Thread | None:
        try:
            async with asyncio.timeout(CARD_WAIT):
                while True:
                    look_again = (
                        self._looked_again
                    )  # read before the query, so that no wake-up can be missed
                    found, pending = await self._query(key)
                    if found is not None or not pending:
                        self._remember(key, found)
                        return found
                    await look_again.wait()
        except TimeoutError:
            raise UndecidedError(f"a card is being posted in {key[1]}") from None

    async def _query(self, key: Key) -> tuple[Thread | None, bool]:
        team, channel, thread_ts = key
        until = ts_key(thread_ts)[0] * 1000 + CLOCKS_DIFFER_MS
        async with self._database.read() as transaction:
            rows = await sessions.threads_of(transaction, team, channel, thread_ts, until)
        for session, opener, found in rows:
            if found is not None:
                return Thread(session, opener), False
        return None, bool(rows)

    def _remember(self, key: Key, thread: Thread | None) -> None:
        self._known[key] = thread
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
