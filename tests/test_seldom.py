"""Log lines that strangers can cause are logged now and then, and counted meanwhile."""

from __future__ import annotations

from bridge.seldom import KINDS, Seldom


def test_what_is_left_out_is_counted_until_the_next_time() -> None:
    now = 0.0
    seldom = Seldom(1, 60.0, clock=lambda: now)
    assert [seldom.ask("a") for _ in range(4)] == [0, None, None, None]
    assert seldom.ask("b") == 0
    now = 60.0
    assert seldom.ask("a") == 3
    now = 120.0
    assert seldom.ask("a") == 0


def test_many_kinds_count_as_one_so_that_memory_stays_bounded() -> None:
    seldom = Seldom(1)
    assert [seldom.ask(str(number)) for number in range(KINDS)] == [0] * KINDS
    assert [seldom.ask(f"more {number}") for number in range(3)] == [0, None, None]
