"""The scaling model: what must hold whatever the costs are, and that the document follows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.scale import AS_IT_IS, CHANGED, rewritten
from benchmarks.scale_model import LEASE, Fleet, reconnect, steady, takeover

DOCUMENT = Path(__file__).parents[2] / "docs" / "scaling.md"


def test_the_document_says_what_the_model_says() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document == rewritten(document), "python -m benchmarks.scale --docs docs/scaling.md"


def test_only_what_is_between_the_markers_is_rewritten() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert rewritten(document.replace("| --- ", "| +++ ")) == document
    with pytest.raises(ValueError, match="no markers"):
        rewritten("no markers\n")


@pytest.mark.parametrize("fleet", [AS_IT_IS, CHANGED], ids=lambda fleet: fleet.name)
def test_ten_times_the_sessions_need_at_least_nine_times_the_database(fleet: Fleet) -> None:
    small, large = steady(fleet), steady(fleet.grown(10 * fleet.sessions))
    assert large.cores > 9 * small.cores
    assert large.worker == pytest.approx(small.worker, rel=0.1), "workers grow with the sessions"


def test_searches_grow_much_faster_than_the_fleet_until_they_are_changed() -> None:
    as_it_is, changed = (
        steady(fleet.grown(400_000)).cores / steady(fleet.grown(100_000)).cores
        for fleet in (AS_IT_IS, CHANGED)
    )
    assert changed < 4 < 8 < as_it_is


def test_a_takeover_never_takes_less_than_the_lease_and_grows_with_the_sessions() -> None:
    times = [
        takeover(replace(CHANGED, sessions=sessions))[1]
        for sessions in (40_000, 400_000, 4_000_000)
    ]
    assert LEASE < times[0] < times[1] < times[2]


def test_sign_ins_take_as_long_as_liveperson_lets_them() -> None:
    halved = replace(CHANGED, sign_in_limit=CHANGED.sign_in_limit / 2)
    (why, seconds), (_, slower) = (reconnect(fleet, expired=1.0) for fleet in (CHANGED, halved))
    assert why == "sign-ins"
    assert slower == 2 * seconds
