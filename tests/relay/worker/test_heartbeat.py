"""A worker's name, lease and heart: who may act, and who takes over."""

from __future__ import annotations

import asyncio

import pytest

from bridge.relay.shared.channels import FREE
from bridge.store import workers
from bridge.store.errors import NameTaken, StoreUnavailable
from tests.relay.bench import WORKER
from tests.relay.worker.fleet import LEASE, Fleet

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def test_second_process_of_a_living_name_is_told_so(fleet: Fleet) -> None:
    first = await fleet.started()
    second = fleet.worker()
    waiting = asyncio.create_task(second.take_name(asyncio.Event()))
    await asyncio.sleep(0)
    while not waiting.done():
        await first._make_heartbeat()
        await asyncio.wait({waiting}, timeout=0.05)
    with pytest.raises(NameTaken):
        await waiting
    fleet.workers.remove(second)


async def test_name_of_a_dead_process_is_free_after_its_lease_and_what_it_held_too(
    fleet: Fleet,
) -> None:
    dead = fleet.worker(lease=0.2)
    await dead.take_name(asyncio.Event())
    row = await fleet.bench.session()
    successor = fleet.worker(lease=0.2)
    async with asyncio.timeout(5):
        await successor.take_name(asyncio.Event())
    assert await fleet.owner(row) is None


async def test_who_waits_for_its_name_can_be_stopped(fleet: Fleet) -> None:
    await fleet.started()
    stop = asyncio.Event()
    stop.set()
    second = fleet.worker()
    async with asyncio.timeout(2):
        await second.take_name(stop)
    fleet.workers.remove(second)


async def test_trouble_of_the_worker_is_told_to_whoever_asks(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("The database is away.")

    me = await fleet.started(lease=0.05)
    assert me.trouble is None
    with monkeypatch.context() as patch:
        patch.setattr(workers, "beat", away)
        await fleet.bench.until(lambda: me.trouble is not None)
        assert "heartbeat fails: The database is away." in str(me.trouble)
        fleet.now += 1.0
        assert "lease has run out" in str(me.trouble)
    await fleet.bench.until(lambda: me.trouble is None)


async def test_worker_that_stood_still_keeps_what_is_still_its_own(fleet: Fleet) -> None:
    lost, kept = await fleet.free(2)
    me = await fleet.started()
    slack = fleet.bench.slack
    await fleet.bench.until(lambda: len(slack.messages(kept.channel_id)) == 4)  # cards and words
    await fleet.worker("other").take_name(asyncio.Event())
    await fleet.bench.change(lost, owner="other", epoch=lost.epoch + 2)
    fleet.now += LEASE + 1
    await me._make_heartbeat()
    await fleet.bench.until(lambda: me.count == 1)
    assert me.look(kept.id)
    assert not me.look(lost.id)
    assert await fleet.owner(lost) == "other"
    await fleet.bench.liveperson.accept((await fleet.bench.stored(kept)).conversation_id)
    await fleet.bench.until(lambda: "joined" in str(slack.messages(kept.channel_id)))
    stored = await fleet.bench.stored(kept)
    assert (stored.owner, stored.epoch) == (WORKER, kept.epoch + 1), "and was not claimed anew"


async def test_worker_that_stops_leaves_its_sessions_to_others_at_once(fleet: Fleet) -> None:
    (row,) = await fleet.free()
    first = await fleet.started("first")
    second = await fleet.started("second")
    await fleet.idle(row)
    await first.stop()
    assert first.count == 0
    second.notified(FREE)
    await fleet.bench.until(lambda: second.count == 1)
    assert await fleet.owner(row) == "second"
