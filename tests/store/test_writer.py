"""The writer returns after the commit; a failing work harms no other; none waits for ever."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from bridge.errors import OutcomeUnknown
from bridge.store.connection import Transaction
from bridge.store.database import Database
from bridge.store.errors import StoreUnavailable
from bridge.store.writer import BATCH
from tests.store.works import WORKERS, Held, Work, add, held, names, started


async def test_result_is_told_after_the_commit(database: Database) -> None:
    assert await database.writer.run(add("a")) == "a"

    assert await names(database) == {"a"}


async def test_nothing_is_told_before_the_commit(database: Database) -> None:
    work, first = await held(database)
    second = asyncio.create_task(database.writer.run(add("b")))
    await started(second)
    assert await names(database) == set()

    work.release.set()

    assert await first == "held"
    assert await second == "b"


async def test_what_waits_together_shares_one_commit(database: Database) -> None:
    work, first = await held(database)
    tasks = [asyncio.create_task(database.writer.run(add(f"w{n}"))) for n in range(BATCH + 10)]
    await started(*tasks)
    work.release.set()

    results = await asyncio.gather(first, *tasks)

    assert results[1:] == [f"w{n}" for n in range(BATCH + 10)]
    assert database.writer.commits == 3  # the held one, a full batch, and the rest
    assert await names(database) == set(results[1:])


async def test_works_run_in_the_order_in_which_they_were_asked_for(database: Database) -> None:
    order: list[int] = []

    def noting(number: int) -> Work:
        async def work(transaction: Transaction) -> str:
            order.append(number)
            return str(number)

        return work

    work, first = await held(database)
    tasks = [asyncio.create_task(database.writer.run(noting(number))) for number in range(20)]
    await started(*tasks)
    work.release.set()
    await asyncio.gather(first, *tasks)

    assert order == list(range(20))


async def test_bad_work_gets_its_own_error_and_spoils_nothing(database: Database) -> None:
    await database.writer.run(add("taken"))
    work, first = await held(database)

    async def mistaken(transaction: Transaction) -> str:
        await add("written before the mistake")(transaction)
        raise ValueError("mistaken")

    tasks = [
        asyncio.create_task(database.writer.run(work))
        for work in (add("a"), add("taken"), add("b"), mistaken, add("c"))
    ]
    await started(*tasks)
    work.release.set()

    a, taken, b, wrong, c = await asyncio.gather(*tasks, return_exceptions=True)

    assert (a, b, c) == ("a", "b", "c")
    assert isinstance(taken, IntegrityError)
    assert isinstance(wrong, ValueError)
    assert await first == "held"
    assert await names(database) == {"taken", "a", "b", "c"}


async def test_bad_work_alone_writes_nothing(database: Database) -> None:
    await database.writer.run(add("taken"))

    with pytest.raises(IntegrityError):
        await database.writer.run(add("taken"))

    assert await database.writer.run(add("next")) == "next"


async def test_work_that_is_cancelled_from_within_takes_nobody_down(database: Database) -> None:
    work, first = await held(database)

    async def cancelled(transaction: Transaction) -> str:
        raise asyncio.CancelledError

    tasks = [asyncio.create_task(database.writer.run(it)) for it in (add("a"), cancelled)]
    await started(*tasks)
    work.release.set()

    a, wrong = await asyncio.gather(*tasks, return_exceptions=True)

    assert a == "a"
    assert isinstance(wrong, RuntimeError)
    assert await first == "held"


async def test_cancelled_waiter_disturbs_nobody(database: Database) -> None:
    work, first = await held(database)
    tasks = [asyncio.create_task(database.writer.run(add(name))) for name in "abc"]
    await started(*tasks)

    first.cancel()  # its work has begun
    tasks[1].cancel()  # its work has not
    for task in (first, tasks[1]):
        with pytest.raises(asyncio.CancelledError):
            await task
    work.release.set()

    assert (await tasks[0], await tasks[2]) == ("a", "c")
    assert await names(database) == {"a", "c"}
    assert work.runs == 1


async def test_many_at_once_are_all_written_once(database: Database) -> None:
    async def one_after_the_other(worker: int) -> None:
        for number in range(20):
            await database.writer.run(add(f"{worker}/{number}"))

    await asyncio.gather(*(one_after_the_other(worker) for worker in range(20)))

    async with database.read() as transaction:
        assert await transaction.scalar(select(func.count()).select_from(WORKERS)) == 400
    assert database.writer.commits < 400


async def test_deadline_that_passes_is_said_and_certain_when_nothing_had_begun(
    database: Database,
) -> None:
    work, first = await held(database)

    with pytest.raises(StoreUnavailable) as caught:
        await database.writer.run(add("late"), deadline=0.05)

    assert not isinstance(caught.value, OutcomeUnknown)
    work.release.set()
    await first
    await database.writer.run(add("next"))
    assert await names(database) == {"next"}


async def test_deadline_that_passes_meanwhile_is_not_certain(database: Database) -> None:
    work = Held()
    with pytest.raises(StoreUnavailable) as caught:
        await database.writer.run(work, deadline=1.0)
    assert work.begun.is_set()
    assert isinstance(caught.value, OutcomeUnknown)
    work.release.set()


async def test_stop_writes_what_waits_and_refuses_what_comes(database: Database) -> None:
    work, first = await held(database)
    second = asyncio.create_task(database.writer.run(add("a")))
    await started(second)
    stopping = asyncio.create_task(database.writer.stop())
    await asyncio.sleep(0)

    with pytest.raises(StoreUnavailable, match="shutting down"):
        await database.writer.run(add("b"))
    work.release.set()
    await stopping

    assert await first == "held"
    assert await second == "a"
    assert await names(database) == {"a"}


async def test_stop_gives_up_after_its_deadline(database: Database) -> None:
    _, first = await held(database)
    second = asyncio.create_task(database.writer.run(add("a")))
    await started(second)

    await database.writer.stop(deadline=0.05)

    for task, certain in ((first, False), (second, True)):
        with pytest.raises(StoreUnavailable) as caught:
            await task
        assert isinstance(caught.value, OutcomeUnknown) is not certain
    assert await names(database) == set()
