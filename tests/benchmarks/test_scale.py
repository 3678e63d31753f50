"""What must hold in any run of the scaling model, whatever the costs are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.scale.costs import read_costs
from benchmarks.scale.fleet import (
    AS_IT_IS,
    CHANGED,
    CLAIM_BATCH,
    GATE,
    GATE_OF_ACCOUNT,
    LEASE,
    Design,
    Fleet,
)
from benchmarks.scale.limits import takeover
from benchmarks.scale.load import steady
from benchmarks.scale.report import BEGIN, END, rewrite
from benchmarks.scale.scenarios import rack_dies, steady_state
from benchmarks.scale.world import Scale, World

COSTS = read_costs()
SMALL = Fleet(sessions=1_000, workers=5, accounts=3, sign_in_limit=50)
DESIGNS = pytest.mark.parametrize("design", [AS_IT_IS, CHANGED], ids=lambda each: each.name)


def world(fleet: Fleet = SMALL, design: Design = AS_IT_IS, *, lot: int = 4) -> World:
    """A fleet of which each worker is simulated, some seconds old."""
    made = World(fleet, COSTS, design, scale=Scale(stands_for=1, lot=lot), seed=7)
    made.env.run(5)
    return made


@DESIGNS
def test_each_session_of_a_dead_worker_is_claimed_exactly_once(design: Design) -> None:
    made = world(design=design)
    made.kill(2)
    orphans = made.orphans
    died = made.env.now
    made.env.run(made.all_back)
    claimed = [first + each for first, size in made.claims for each in range(size)]
    assert sorted(claimed) == list(range(orphans))
    assert made.back[0][1] > died + LEASE * 2 / 3, "claimed before any lease had run out"


def test_no_session_is_lost_or_made_while_they_change_hands() -> None:
    made = world()
    made.kill(1)
    under_way = 0
    while made.missing:
        made.env.step()
        held = sum(worker.owned for worker in made.workers) + made.orphans
        under_way = max(under_way, made.sessions - held)
        assert held <= made.sessions
    assert under_way > 0, "claims take time"
    assert sum(worker.owned for worker in made.workers) == made.sessions
    assert sum(worker.online for worker in made.workers) == made.sessions


def test_a_claim_that_takes_too_long_is_rolled_back_and_loses_nothing() -> None:
    slow = replace(COSTS, db_us_scanned_session=50_000.0)
    fleet = replace(SMALL, sessions=5_000)
    made = World(fleet, slow, AS_IT_IS, scale=Scale(stands_for=1), seed=7)
    made.env.run(5)
    made.kill(2)
    orphans = made.orphans
    made.env.run(200)
    assert made.records.total("given up") * CLAIM_BATCH > orphans
    assert not made.claims
    at_most_under_way = CLAIM_BATCH * sum(worker.lives for worker in made.workers)
    assert orphans - at_most_under_way <= made.orphans <= orphans


def test_the_gates_are_full_and_never_more_than_full() -> None:
    made = world(replace(SMALL, accounts=6), lot=2)
    made.cut(stale=0.0)
    most = most_of_account = 0
    while made.missing:
        made.env.step()
        for worker in made.workers:
            most = max(most, worker.connecting.gate.count)
            for gate in worker.connecting.gates.values():
                most_of_account = max(most_of_account, gate.count)
    assert most == GATE
    assert most_of_account == GATE_OF_ACCOUNT


def test_sign_ins_stay_within_what_liveperson_answers() -> None:
    made = world()
    made.renewing = False
    made.cut(stale=1.0)
    made.env.run(made.all_back)
    seconds = made.env.now - 5
    renewals = made.records.total("sign-ins")
    assert renewals >= 2 * made.sessions
    assert renewals <= SMALL.sign_in_limit * (seconds + 1) + 2 * GATE * len(made.workers)
    assert made.records.total("sign-ins refused") > 0


def test_the_same_seed_gives_the_same_run() -> None:
    one, other = (steady_state(SMALL, COSTS, AS_IT_IS, seed=3) for _ in range(2))
    assert one == other


@DESIGNS
def test_formula_and_simulation_agree_where_nothing_is_full(design: Design) -> None:
    fleet = replace(SMALL, sessions=5_000)
    expected, found = steady(fleet, COSTS, design), steady_state(fleet, COSTS, design, seed=3)
    cores = sum(expected.database.values())
    assert found.database * fleet.cores == pytest.approx(cores, rel=0.2)
    assert found.worker == pytest.approx(sum(expected.worker.values()), rel=0.2)


def test_formula_and_simulation_agree_about_a_takeover() -> None:
    fleet = replace(SMALL, sessions=5_000, accounts=50)
    found = rack_dies(fleet, COSTS, CHANGED, seed=3, scale=Scale(stands_for=1))
    assert found.returned == found.affected
    assert found.all == pytest.approx(takeover(fleet, COSTS, CHANGED)[1], rel=0.2)


def test_a_takeover_never_takes_less_than_the_lease_and_grows_with_the_sessions() -> None:
    times = [
        takeover(replace(SMALL, sessions=sessions), COSTS, CHANGED)[1]
        for sessions in (2_000, 20_000, 200_000)
    ]
    assert LEASE < times[0] < times[1] < times[2]


def test_only_what_is_between_the_markers_is_rewritten(tmp_path: Path) -> None:
    file = tmp_path / "doc.md"
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    rewrite(file, "new")
    assert file.read_text() == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    file.write_text("no markers\n")
    with pytest.raises(ValueError, match="no markers"):
        rewrite(file, "new")
