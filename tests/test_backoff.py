"""How long to wait before trying again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.backoff import Backoff


def test_waits_double_up_to_their_cap_and_begin_anew_after_a_success() -> None:
    most = Backoff(rng=lambda: 1.0)
    assert [most.next() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    most.reset()
    assert most.next() == 1


def test_full_jitter_may_wait_not_at_all_and_half_jitter_waits_at_least_half() -> None:
    assert Backoff(rng=lambda: 0.0).next() == 0
    half = Backoff(first=1.0, cap=8.0, jitter=0.5, rng=lambda: 0.0)
    assert [half.next() for _ in range(5)] == [0.5, 1, 2, 4, 4]


def test_without_jitter_nothing_is_left_to_chance() -> None:
    assert Backoff(jitter=0.0, rng=lambda: 0.0).next() == 1


@given(st.floats(0, 1), st.lists(st.one_of(st.none(), st.floats(0, 1e4)), max_size=2_000))
def test_nobody_waits_less_than_the_other_side_asks_for(
    jitter: float, waits: list[float | None]
) -> None:
    backoff = Backoff(jitter=jitter)
    for wait in waits:
        least = wait or 0.0
        assert least <= backoff.next(wait) <= least + 60
