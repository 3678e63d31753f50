"""The pump: one run at a time, and an end to it whenever it is stopped."""

from __future__ import annotations

import asyncio

from bridge.relay.shared.pump import Pump


class Work:
    """Counts its runs; each waits until it may end."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()
        self.failures: list[Exception] = []
        self.pump = Pump("test", self.run, self.failures.append)

    async def run(self) -> None:
        self.begun += 1
        await self.go_on.wait()


async def test_a_kick_during_a_run_has_it_run_once_more() -> None:
    work = Work()
    work.pump.kick()
    await asyncio.sleep(0)
    work.pump.kick()
    work.pump.kick()
    work.go_on.set()
    async with asyncio.timeout(5):
        await work.pump.drained()
    assert work.begun == 2
    assert not work.pump.busy


async def test_stopping_it_before_its_first_step_ends() -> None:
    """A task that is cancelled before it began never runs its own clean-up."""
    work = Work()
    work.pump.kick()
    async with asyncio.timeout(5):
        await work.pump.stop()
    assert work.begun == 0
    assert not work.pump.busy
    work.go_on.set()
    work.pump.kick()
    async with asyncio.timeout(5):
        await work.pump.drained()
    assert work.begun == 1


async def test_an_error_goes_to_the_owner_once() -> None:
    failures: list[Exception] = []

    async def fail() -> None:
        raise ValueError("no")

    pump = Pump("test", fail, failures.append)
    pump.kick()
    async with asyncio.timeout(5):
        await pump.drained()
    assert [str(failure) for failure in failures] == ["no"]
