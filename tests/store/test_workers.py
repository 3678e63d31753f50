"""A worker's name belongs to one process at a time."""

from __future__ import annotations

from sqlalchemy import select, update

from bridge.ids import SessionId, WorkerId
from bridge.store import sessions, workers
from bridge.store.connection import Transaction
from bridge.store.database import Database
from bridge.store.models import SESSIONS, WORKERS

NAME = WorkerId("twin")
LEASE_MS = 60_000


async def beat(database: Database, incarnation: str) -> int | None:
    return await database.writer.run(
        lambda it: workers.beat(it, NAME, incarnation, capacity=1, lease_ms=LEASE_MS)
    )


async def holder(database: Database) -> list[str | None]:
    async with database.read() as transaction:
        return [row.incarnation for row in await transaction.execute(select(WORKERS))]


async def test_second_process_is_told_when_the_first_beat_last(database: Database) -> None:
    assert await beat(database, "first") is None
    last = await beat(database, "second")
    assert last is not None
    assert await beat(database, "second") == last
    assert await holder(database) == ["first"]
    assert await beat(database, "first") is None


async def test_name_is_free_when_the_heart_was_silent_for_a_lease(database: Database) -> None:
    await beat(database, "first")
    silent = WORKERS.c.heartbeat_at - LEASE_MS - 1

    async def time_passes(transaction: Transaction) -> None:
        await transaction.execute(update(WORKERS).values(heartbeat_at=silent))

    await database.writer.run(time_passes)
    assert await beat(database, "second") is None
    assert await beat(database, "first") is not None, "it has a successor now"
    assert await holder(database) == ["second"]


async def test_process_of_an_older_version_holds_its_name_too(database: Database) -> None:
    await beat(database, "first")

    async def older(transaction: Transaction) -> None:
        await transaction.execute(update(WORKERS).values(incarnation=None))

    await database.writer.run(older)
    assert await beat(database, "second") is not None


async def test_who_resigns_takes_nobody_elses_row(database: Database) -> None:
    await beat(database, "first")
    await database.writer.run(lambda it: workers.resign(it, NAME, "second"))
    assert await holder(database) == ["first"]
    await database.writer.run(lambda it: workers.resign(it, NAME, "first"))
    assert await holder(database) == []


ME, OTHER, DEAD, GONE = (WorkerId(name) for name in ("me", "other", "dead", "gone"))
"""Two that live, one whose heart is silent, and one that has resigned."""


async def fleet(database: Database, owners: dict[str, WorkerId | None]) -> None:
    """Workers, and a session for each of `owners`: the later ones have the newer activity."""

    async def work(transaction: Transaction) -> None:
        for number, (name, owner) in enumerate(owners.items()):
            values = {"id": name, "request_key": name, "team_id": "T", "channel_id": "C"}
            values |= {"opener_id": "U", "account": "1", "state": "active"}
            await sessions.add_session(transaction, values, ME)
            await transaction.execute(
                update(SESSIONS)
                .where(SESSIONS.c.id == name)
                .values(owner=owner, active_at=number, live=not name.startswith("over"))
            )
        for name in (ME, OTHER, DEAD):
            running = {"capacity": 9, "running": 7 if name == OTHER else 0}
            await workers.beat(transaction, name, "x", lease_ms=LEASE_MS, **running)
        silent = WORKERS.c.heartbeat_at - LEASE_MS - 1
        dead = update(WORKERS).where(WORKERS.c.id == DEAD)
        await transaction.execute(dead.values(heartbeat_at=silent, running=5))

    await database.writer.run(work)


async def demand(database: Database) -> workers.Demand:
    async with database.read() as transaction:
        return await workers.demand(transaction, ME, lease_ms=LEASE_MS)


async def claim(database: Database, limit: int) -> dict[SessionId, int]:
    return await database.writer.run(
        lambda it: workers.claim(it, ME, lease_ms=LEASE_MS, limit=limit)
    )


async def test_demand_counts_what_is_free_and_believes_the_living(database: Database) -> None:
    owners = {"mine": ME, "theirs": OTHER, "nobodys": None, "left": DEAD, "orphan": GONE}
    await fleet(database, {**owners, "over": None, "over too": DEAD})
    assert await demand(database) == workers.Demand(elsewhere=7, free=3, capacities=[9, 9])


async def test_sessions_of_a_worker_that_says_no_count_are_counted(database: Database) -> None:
    """One of an earlier version, while a fleet is being replaced."""
    await fleet(database, {"theirs": OTHER, "theirs too": OTHER, "over": OTHER, "mine": ME})
    await database.writer.run(lambda it: it.execute(update(WORKERS).values(running=None)))
    assert (await demand(database)).elsewhere == 2


async def test_what_is_claimed_or_released_is_noted_before_the_next_heartbeat(
    database: Database,
) -> None:
    await fleet(database, {"theirs": OTHER})
    await database.writer.run(lambda it: workers.note_running(it, OTHER, 3))
    assert (await demand(database)).elsewhere == 3


async def test_claims_take_what_nobody_owns_then_what_the_dead_have_left(
    database: Database,
) -> None:
    """Of each the newest activity first, and nothing of those whose heart beats."""
    free = {"n1": None, "d1": DEAD, "n2": None, "d2": DEAD, "g1": GONE}
    await fleet(database, {**free, "mine": ME, "theirs": OTHER, "over": None})
    assert await claim(database, 1) == {"n2": 2}
    assert list(await claim(database, 2)) == ["n1", "d2"]
    assert await claim(database, 9) == {"d1": 2, "g1": 2}
    assert await claim(database, 9) == {}


async def test_credentials_are_kept_until_it_is_too_late_to_rate(database: Database) -> None:
    async def work(transaction: Transaction) -> list[str]:
        for name, live, attention, closed in (
            ("open", True, False, None),
            ("old", False, False, 10),
            ("being sent", False, True, 10),
            ("new", False, False, 30),
        ):
            values = {"id": name, "request_key": name, "team_id": "T", "channel_id": "C"}
            values |= {"opener_id": "U", "account": "1", "state": "closed", "credentials": "jwt"}
            await sessions.add_session(transaction, values, WorkerId("w"))
            changed = {"live": live, "attention": attention, "closed_at": closed}
            await sessions.change_session(transaction, SessionId(name), 1, **changed)
        await workers.forget_kept(transaction, before=20)
        names = [SessionId(name) for name in ("open", "old", "being sent", "new")]
        rows = await sessions.sessions_by_id(transaction, names)
        return [row.id for row in rows if row.credentials is not None]

    assert await database.writer.run(work) == ["open", "being sent", "new"]


async def test_all_that_want_an_owner_or_have_one_can_be_counted(database: Database) -> None:
    await fleet(database, {"mine": ME, "nobodys": None, "left": DEAD, "over": None})
    async with database.read() as transaction:
        assert await workers.count_wanted(transaction) == 3
