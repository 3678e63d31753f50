"""Which thread belongs to which session; one that was never looked up is not called unknown."""

from __future__ import annotations

from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId
from bridge.relay.shared.threads import Thread, Threads
from bridge.store.database import Database

KEY = (TeamId("T"), ChannelId("C"), MessageTs("1700000000.000100"))


async def test_a_thread_is_foreign_only_once_it_was_looked_up(database: Database) -> None:
    threads = Threads(database)
    assert not threads.foreign(KEY)

    assert await threads.find(KEY) is None

    assert threads.foreign(KEY)


async def test_a_bridged_thread_is_not_foreign(database: Database) -> None:
    threads = Threads(database)
    threads.learn(KEY, Thread(SessionId("s"), UserId("U")))

    assert not threads.foreign(KEY)
    assert await threads.find(KEY) == Thread(SessionId("s"), UserId("U"))
