"""Which threads are to be read, and by whom."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from bridge.ids import ChannelId, TeamId, WorkerId
from bridge.store import presence, workers
from bridge.store.database import Database
from bridge.store.models import SESSIONS
from bridge.store.sessions import add_session

ME, OTHER = WorkerId("b"), WorkerId("a")
LEASE_MS = 60_000


async def session(database: Database, name: str, **changes: Any) -> None:
    """A session that has a thread."""
    values = {"id": name, "request_key": name, "team_id": "T", "channel_id": "C"}
    values |= {"opener_id": "U", "account": "1", "state": "active", "thread_ts": f"{name}.0"}
    await database.writer.run(lambda transaction: add_session(transaction, values, ME))
    if changes:
        await database.writer.run(
            lambda transaction: transaction.execute(
                update(SESSIONS).where(SESSIONS.c.id == name).values(**changes)
            )
        )


async def mark(database: Database, since: int) -> int:
    """Note a gap that began then."""
    await database.writer.run(presence.count_gap)
    return await database.writer.run(
        lambda transaction: presence.mark_open_threads(transaction, since, limit=100)
    )


async def unheard(database: Database, worker: WorkerId = ME) -> list[presence.UnreadThread]:
    """What a worker is to read."""
    async with database.read() as transaction:
        return await presence.marked_threads(transaction, worker, lease_ms=LEASE_MS, limit=100)


async def heard(database: Database, thread: presence.UnreadThread) -> bool:
    """Note that a thread has been read."""
    return await database.writer.run(lambda transaction: presence.unmark(transaction, thread))


async def beat(database: Database, *names: WorkerId) -> None:
    """Have workers live."""
    for name in names:
        await database.writer.run(
            lambda transaction, name=name: workers.beat(  # type: ignore[misc]
                transaction, name, f"{name}-1", capacity=9, lease_ms=LEASE_MS
            )
        )


async def test_the_first_of_several_gaps_counts_until_the_thread_is_read(
    database: Database,
) -> None:
    await session(database, "s1")
    assert await mark(database, 1_000) == 1
    assert await mark(database, 5_000) == 0
    (thread,) = await unheard(database)
    assert thread.since == 1_000
    assert await heard(database, thread)
    assert await unheard(database) == []
    assert await mark(database, 9_000) == 1


async def test_what_was_read_before_a_gap_was_read_too_early(database: Database) -> None:
    await session(database, "s1")
    await mark(database, 1_000)
    (thread,) = await unheard(database)
    await mark(database, 5_000)
    assert not await heard(database, thread)
    (again,) = await unheard(database)
    assert again.since == 1_000
    assert await heard(database, again)


async def test_a_thread_that_is_marked_alone_voids_only_its_own_reading(
    database: Database,
) -> None:
    await session(database, "s1", channel_id="C1")
    await session(database, "s2", channel_id="C2")
    await mark(database, 1_000)
    mine, other = await unheard(database)
    team, channel = TeamId("T"), mine.channel
    for _ in range(2):
        await database.writer.run(
            lambda transaction: presence.mark_thread(
                transaction, team, channel, mine.thread_ts, 5_000
            )
        )
    assert not await heard(database, mine)
    assert await heard(database, other)
    (again,) = await unheard(database)
    assert (again.session, again.since) == (mine.session, 998)
    await database.writer.run(
        lambda transaction: presence.mark_session(transaction, again.session, 500)
    )
    assert [thread.since for thread in await unheard(database)] == [500]


async def test_of_a_channel_the_open_threads_are_marked(database: Database) -> None:
    await session(database, "s1", channel_id="C1")
    await session(database, "s2", channel_id="C1", live=False)
    await session(database, "s3", channel_id="C2")
    await database.writer.run(
        lambda transaction: presence.mark_channel(transaction, TeamId("T"), ChannelId("C1"), 1_000)
    )
    assert [thread.session for thread in await unheard(database)] == ["s1"]


async def test_newest_activity_comes_first_and_what_is_over_not_at_all(
    database: Database,
) -> None:
    await session(database, "s1", active_at=1)
    await session(database, "s2", active_at=3)
    await session(database, "s3", active_at=2)
    await session(database, "s4", active_at=9, live=False)
    await session(database, "s5", active_at=9, thread_ts=None)  # its card is still to be posted
    assert await mark(database, 1_000) == 4
    assert [thread.session for thread in await unheard(database)] == ["s2", "s3", "s1"]


async def test_each_worker_reads_its_own_and_the_first_what_nobody_owns(
    database: Database,
) -> None:
    await session(database, "s1")
    await session(database, "s2")
    await beat(database, ME, OTHER)
    await mark(database, 1_000)
    # It ended after it was marked, and was let go of.
    await database.writer.run(
        lambda transaction: transaction.execute(
            update(SESSIONS).where(SESSIONS.c.id == "s2").values(live=False, owner=None)
        )
    )
    assert [thread.session for thread in await unheard(database, ME)] == ["s1"]
    assert [thread.session for thread in await unheard(database, OTHER)] == ["s2"]
    async with database.read() as transaction:
        marked = await transaction.execute(select(SESSIONS.c.unheard_since))
        assert [row[0] for row in marked] == [1_000, 1_000]


async def test_presence_goes_on_only_without_a_gap(database: Database) -> None:
    async def extend(since: int, until: int) -> bool:
        return await database.writer.run(
            lambda transaction: presence.extend(transaction, since=since, until=until)
        )

    async with database.read() as transaction:
        fleet = await presence.fleet_presence(transaction, ME, now=10**14, lease_ms=LEASE_MS)
    assert fleet.until is not None
    await database.writer.run(lambda transaction: presence.resume(transaction, fleet))
    assert await extend(10**14 - 5, 10**14 + 10)
    assert await extend(10**14 + 10, 10**14 + 20)
    assert not await extend(10**14 + 21, 10**14 + 30)
