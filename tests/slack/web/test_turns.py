"""Who goes next in a channel in which several wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from bridge.slack.web.pace import Pace
from bridge.slack.web.turns import PATIENT, Turns, Urgent


class Line:
    """A lane that lets somebody through when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._gate = asyncio.Semaphore(0)
        pace = Pace(interval=1.0, burst=1, clock=lambda: self.now, sleep=self._sleep)
        self.turns = Turns(pace, clock=lambda: self.now)
        self.gone: list[str] = []
        self.waited: dict[str, bool] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.then: dict[str, Callable[[], object]] = {}
        """What somebody who has gone does next."""

    async def _sleep(self, seconds: float) -> None:
        await self._gate.acquire()

    async def ask(self, name: str, urgent: Urgent | None = None) -> None:
        async def go() -> None:
            self.waited[name] = await self.turns.turn("lane", urgent)
            self.gone.append(name)
            self.then.get(name, lambda: None)()

        self.tasks[name] = asyncio.create_task(go())
        await settle()

    async def let(self, count: int = 1) -> None:
        for _ in range(count):
            self.now += 1.0
            self._gate.release()
            await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def line() -> Line:
    line = Line()
    await line.ask("first")  # takes the turn that is there, and leaves none
    await line.ask("front")
    return line


async def test_who_meets_nobody_does_not_wait() -> None:
    line = Line()
    await line.ask("a")
    assert (line.gone, line.waited) == (["a"], {"a": False})
    assert line.turns.ahead("lane") == 0


async def test_who_waits_is_told_so_and_counted(line: Line) -> None:
    await line.ask("next")
    assert line.turns.ahead("lane") == 2
    await line.let(2)
    assert line.gone == ["first", "front", "next"]
    assert line.waited == {"first": False, "front": True, "next": True}
    assert line.turns.ahead("lane") == 0


async def test_those_of_one_kind_go_in_the_order_of_asking(line: Line) -> None:
    for name in "abc":
        await line.ask(name)
    await line.let(4)
    assert line.gone[2:] == ["a", "b", "c"]


async def test_words_go_before_status_lines(line: Line) -> None:
    await line.ask("status", lambda: False)
    await line.ask("words", lambda: True)
    await line.let(3)
    assert line.gone[2:] == ["words", "status"]


async def test_a_status_line_that_words_have_joined_is_urgent(line: Line) -> None:
    words: list[str] = []
    await line.ask("status", lambda: False)
    await line.ask("joined", lambda: bool(words))
    words.append("hello")
    await line.let(3)
    assert line.gone[2:] == ["joined", "status"]


async def test_a_status_line_goes_in_the_end_however_much_is_said(line: Line) -> None:
    await line.ask("status", lambda: False)
    for number in range(5):
        await line.ask(f"words {number}", lambda: True)
    line.now += PATIENT
    await line.let(2)
    assert line.gone[2] == "status"


@pytest.mark.parametrize("who", ["front", "a", "b"])
async def test_who_gives_up_holds_nobody_up(line: Line, who: str) -> None:
    for name in "abc":
        await line.ask(name)
    line.tasks[who].cancel()
    await settle()
    await line.let(5)
    assert line.gone[1:] == [name for name in ("front", "a", "b", "c") if name != who]
    assert line.turns.ahead("lane") == 0


async def test_who_gives_up_just_when_it_may_go_holds_nobody_up(line: Line) -> None:
    for name in "ab":
        await line.ask(name)
    line.then["front"] = line.tasks["a"].cancel
    await line.let(4)
    assert line.gone == ["first", "front", "b"]
    assert line.turns.ahead("lane") == 0
