"""Which thread is whose: the look-up that every Slack message passes.

A message outside any bridged thread must cost no database query, so unknown threads are remembered
as well. Both memories are safe: a session is committed before its card is posted, so a thread that
is younger than its session's row is never judged unknown while a card is under way; and whether a
session is still live is not remembered here but asked in the transaction that stores the message.
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
"""Seconds that a message waits for a card of its channel to be committed."""
CLOCKS_DIFFER_MS = 60_000
"""A thread this much older than a session's row cannot be that session's card."""

Key = tuple[TeamId, ChannelId, MessageTs]


def key_of(message: ThreadMessage) -> Key:
    """The thread that a message is in."""
    return message.team, message.channel, message.thread_ts


class UndecidedError(Transient):
    """A card of this channel is being posted; whether it is this thread is not known yet.

    Nothing is wrong: asked again, it will be known.
    """


@dataclass(frozen=True, slots=True)
class Thread:
    """A bridged thread."""

    session: SessionId
    opener: UserId
    several_writers: bool = False
    """Somebody else than the opener is known to have written to the agent; once so, always so."""
    apps_told: bool = False
    """The thread is known to say that messages by apps are not passed on."""
    quick_replies_over: str | None = None
    """What the session has kept of quick replies, and is known to have been taken away."""


_UNKNOWN = Thread(SessionId(""), UserId(""))


class Threads:
    """Remembers which thread belongs to which session."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[Key, Thread | None] = OrderedDict()
        self._news = asyncio.Event()

    def learn(self, key: Key, thread: Thread) -> None:
        """Note a new thread, and wake the messages that wait for it."""
        self._remember(key, thread)
        self.news()

    def note(self, key: Key, thread: Thread) -> None:
        """Remember more of a thread that is known already."""
        self._remember(key, thread)

    def news(self) -> None:
        """A card has got its thread, here or at another worker: whoever waits, look again."""
        self._news.set()
        self._news = asyncio.Event()

    def moved(self) -> None:
        """A channel has a new id: what was none of ours may be ours under it."""
        self._known = OrderedDict((k, thread) for k, thread in self._known.items() if thread)
        self.news()

    def foreign(self, key: Key) -> bool:
        """Whether a thread has been looked up before, and was none of ours."""
        if self._known.get(key, _UNKNOWN) is not None:
            return False
        self._known.move_to_end(key)
        return True

    async def find(self, key: Key) -> Thread | None:
        """The thread's session, or None if it is none of ours.

        Raises `UndecidedError` if a card is under way and does not arrive in time: the caller must
        not acknowledge, so that Slack asks again.
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
                    news = self._news  # taken before the look, so that none can be missed
                    found, pending = await self._query(key)
                    if found is not None or not pending:
                        self._remember(key, found)
                        return found
                    await news.wait()
        except TimeoutError:
            raise UndecidedError(f"a card is being posted in {key[1]}") from None

    async def _query(self, key: Key) -> tuple[Thread | None, bool]:
        team, channel, thread_ts = key
        until = ts_key(thread_ts)[0] * 1000 + CLOCKS_DIFFER_MS
        async with self._database.read() as connection:
            rows = await sessions.threads_of(connection, team, channel, thread_ts, until)
        for session, opener, found in rows:
            if found is not None:
                return Thread(session, opener), False
        return None, bool(rows)

    def _remember(self, key: Key, thread: Thread | None) -> None:
        self._known[key] = thread
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
