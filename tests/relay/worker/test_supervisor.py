"""The supervisor alone: takes what nobody runs, its share of it, and asks for what was missed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from bridge.relay.shared.channels import FREE, MOVED, THREAD
from bridge.relay.worker import supervisor as module
from bridge.relay.worker.supervisor import fair_share
from tests.relay.bench import CHANNEL, TEAM, WORKER
from tests.relay.worker.fleet import LEASE, Fleet

sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@sqlite_only
async def test_worker_takes_what_has_no_owner_and_leaves_what_has_one(fleet: Fleet) -> None:
    await fleet.started("other")
    theirs = await fleet.bench.session()
    await fleet.bench.change(theirs, owner="other")
    (free,) = await fleet.free()
    me = await fleet.started()
    assert me.count == 1
    stored = await fleet.bench.stored(free)
    assert (stored.owner, stored.epoch) == (WORKER, free.epoch + 1)
    assert await fleet.owner(theirs) == "other"


@sqlite_only
async def test_worker_takes_no_more_than_it_can_run(fleet: Fleet) -> None:
    rows = await fleet.free(3)
    me = await fleet.started(capacity=2, alone=True)
    assert me.full
    assert me.count == 2
    owners = [await fleet.owner(row) for row in rows]
    assert owners.count(WORKER) == 2
    assert owners.count(None) == 1


@sqlite_only
async def test_session_that_gets_free_is_claimed_when_that_is_told(fleet: Fleet) -> None:
    me = await fleet.started(alone=True)
    (row,) = await fleet.free()
    me.notified(FREE)
    await fleet.bench.until(lambda: me.count == 1)
    assert await fleet.owner(row) == WORKER


@sqlite_only
async def test_worker_gives_away_what_is_beyond_its_share(fleet: Fleet) -> None:
    await fleet.free(4)
    first = await fleet.started("first")
    assert first.count == 4
    second = await fleet.started("second")
    first.notified(FREE)
    await fleet.bench.until(lambda: first.count == 2)

    def shared() -> bool:
        second.notified(FREE)  # as the first one tells it, after its commit
        return (first.count, second.count) == (2, 2)

    await fleet.bench.until(shared)


@sqlite_only
async def test_session_that_cannot_be_read_spoils_nothing_for_the_others(fleet: Fleet) -> None:
    broken, *others = await fleet.free(3)

    async def spoil(transaction: Any) -> None:
        query = text("UPDATE sessions SET response_url = 'garbage' WHERE id = :id")
        await transaction.execute(query.bindparams(id=broken.id))

    await fleet.bench.database.writer.run(spoil)
    with capture_logs() as logs:
        me = await fleet.started(alone=True)
    assert me.count == 2
    assert all([await fleet.owner(row) == WORKER for row in others])
    told = [line for line in logs if line["event"] == "session.unreadable"]
    assert [line["session"] for line in told] == [broken.id]


@sqlite_only
async def test_what_is_ours_and_does_not_run_is_let_go_of_and_claimed(fleet: Fleet) -> None:
    """A commit whose answer was lost has made it ours."""
    me = await fleet.started()
    row = await fleet.bench.session()
    for looked in range(3):  # what is found once is just being opened, perhaps
        assert await fleet.owner(row) == WORKER
        assert (await fleet.bench.stored(row)).epoch == row.epoch, f"after {looked} looks"
        fleet.now += LEASE * 0.9
        await me._make_heartbeat()
        fleet.now += LEASE * 0.2
        await me._release_strays()
        if looked == 1:
            break
    await fleet.bench.until(lambda: me.count == 1)
    assert (await fleet.bench.stored(row)).epoch == row.epoch + 1


# What may have been missed


@sqlite_only
async def test_rows_whose_wake_up_was_lost_are_found(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "HANDED_MS", 0)
    me = await fleet.started(alone=True)
    row = await fleet.bench.session()
    me.adopt(row, fresh=True)
    await fleet.bench.until(lambda: fleet.bench.liveperson.conversations)
    await fleet.bench.says(row, "nobody told")
    (conversation,) = fleet.bench.liveperson.conversations
    await fleet.bench.until(lambda: fleet.bench.said(conversation) == ["nobody told"])


@sqlite_only
async def test_notifications_reach_whom_they_are_for(fleet: Fleet) -> None:
    me = fleet.worker(alone=True)
    row = await fleet.bench.session(thread_ts="1700000000.000001")
    threads, key = fleet.bench.deps.threads, (TEAM, CHANNEL, row.thread_ts)
    strange = (TEAM, CHANNEL, row.opener_id)
    assert await threads.find(strange) is None  # type: ignore[arg-type]
    me.notified(THREAD)
    assert threads.foreign(strange)  # type: ignore[arg-type]
    me.notified(MOVED)
    assert not threads.foreign(strange), "it may be somebody's now"  # type: ignore[arg-type]
    assert await threads.find(key) is not None  # type: ignore[arg-type]
    me.notified(row.id)  # it does not run here: of no consequence
    assert me.count == 0


@sqlite_only
async def test_others_share_what_runs_here_only_where_there_can_be_others(fleet: Fleet) -> None:
    row = await fleet.bench.session()
    for alone in (True, False):
        worker = fleet.worker(alone=alone)
        assert not worker.shares(row.id), "it does not run here"
        worker.adopt(row, fresh=True)
        assert worker.shares(row.id) is not alone
        await worker.stop()


@pytest.mark.parametrize(
    ("wanted", "capacities", "shares"),
    [
        (10, [100], [10]),
        (10, [100, 100], [5, 5]),
        (11, [100, 100], [6, 6]),
        (10, [2, 100], [2, 8]),
        (300, [100, 100], [100, 100]),
        (0, [100, 100], [0, 0]),
        (9, [1, 2, 100], [1, 2, 6]),
    ],
)
def test_all_run_the_same_number_as_far_as_each_can(
    wanted: int, capacities: list[int], shares: list[int]
) -> None:
    assert [fair_share(wanted, capacities, each) for each in capacities] == shares
