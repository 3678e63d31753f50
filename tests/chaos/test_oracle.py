"""The judge itself: it must find what is wrong, and nothing else."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.oracle import Arrived, Said, in_sequence, in_thread_order, judge
from tests.chaos.plan import Size, make_plan

ORDER = in_thread_order(5.0)


def up(number: int, *, kept: float | None = None, text: str = "") -> Said:
    """The `number`th message: written at `number`, acknowledged half a second later."""
    return Said(text or f"m{number}", number, number + 0.5 if kept is None else kept, number)


def arrived(*texts: str, at: float = 0.0) -> list[Arrived]:
    return [Arrived(text, at + index) for index, text in enumerate(texts)]


def kinds(said: list[Said], seen: list[Arrived]) -> list[str]:
    return [violation.kind for violation in judge(0, "up", said, seen, ORDER)]


def test_each_kind_is_found() -> None:
    said = [up(1), up(2), up(3)]
    assert kinds(said, arrived("m1", "m2", "m3")) == []
    assert kinds(said, arrived("m1", "m3")) == ["lost"]
    assert kinds(said, arrived("m1", "m2", "m2", "m3")) == ["duplicated"]
    assert kinds(said, arrived("m2", "m1", "m3")) == ["reordered"]
    assert kinds(said, arrived("m1", "m2", "m3", "m4")) == ["strange"]


def test_same_texts_are_told_apart_by_count_and_order() -> None:
    said = [up(1, text="ok"), up(2), up(3, text="ok")]
    assert kinds(said, arrived("ok", "m2", "ok")) == []
    assert kinds(said, arrived("ok", "ok", "m2")) == ["reordered"]
    assert kinds(said, arrived("ok", "m2")) == ["lost"]
    assert kinds(said, arrived("ok", "m2", "ok", "ok")) == ["duplicated"]


def test_what_was_never_acknowledged_may_arrive_once_or_not() -> None:
    said = [up(1), Said("m2", 2, None, 2), up(3)]
    assert kinds(said, arrived("m1", "m3")) == []
    assert kinds(said, arrived("m1", "m3", "m2")) == []
    assert kinds(said, arrived("m1", "m2", "m2", "m3")) == ["duplicated"]


def test_a_late_one_may_come_after_its_successor_unless_they_waited_together() -> None:
    late = [up(1, kept=9.0), up(2, kept=2.5)]
    assert kinds(late, arrived("m2", "m1", at=3.0)) == []
    assert kinds(late, arrived("m2", "m1", at=13.0)) == []
    assert kinds(late, arrived("m2", "m1", at=15.0)) == ["reordered"]


def test_parts_of_one_message_keep_their_order() -> None:
    parts = [replace(up(1), text="one"), replace(up(1), text="two")]
    assert kinds(parts, arrived("two", "one")) == ["reordered"]


@given(st.permutations(range(6)))
def test_down_any_other_order_is_wrong(order: list[int]) -> None:
    said = [up(number) for number in range(6)]
    found = judge(0, "down", said, arrived(*(f"m{number}" for number in order)), in_sequence)
    assert bool(found) == (order != sorted(order))


def test_a_plan_is_made_of_its_seed_alone() -> None:
    size = Size(seconds=60, sessions=7, messages=200, kills=4, workers=3, lease=3)
    plan = make_plan(11, size)
    random.seed(0)
    assert make_plan(11, size) == plan != make_plan(12, size)
    assert len(plan.scripts) == 7
    assert sum(blow.kind == "kill" for blow in plan.blows) == 4
    assert plan.messages == 7 * (200 // 7)
