"""Which fleets go through which scenarios."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks.scale.costs import Costs
from benchmarks.scale.fleet import AS_IT_IS, CHANGED, Design, Fleet, steps
from benchmarks.scale.limits import Breaking, breaking
from benchmarks.scale.scenarios import (
    Outcome,
    liveperson_down,
    one_account,
    rack_dies,
    steady_state,
    tokens_expire,
)

SHARDS = 4
BASE = Fleet()
"""The fleet that everything is about."""
SMALL = replace(
    BASE,
    sessions=BASE.sessions // 5,
    workers=BASE.workers // 5,
    accounts=BASE.accounts // 5,
    sign_in_limit=BASE.sign_in_limit / 5,
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A fleet and how its bridge works."""

    name: str
    fleet: Fleet
    design: Design = AS_IT_IS


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens to a fleet."""

    key: str
    title: str
    run: Callable[..., Outcome]
    database_matters: bool = True
    """Else LivePerson decides, and one size and one database are enough."""


@dataclass(frozen=True, slots=True)
class Run:
    """One fleet in one scenario."""

    scenario: Scenario
    deployment: Deployment
    outcome: Outcome


SCENARIOS = (
    Scenario("steady", "steady state", steady_state),
    Scenario("rack", "a fifth of the workers dies", rack_dies),
    Scenario("tokens", "all tokens expire", tokens_expire, database_matters=False),
    Scenario("down", "LivePerson down for 10 min", liveperson_down),
)


def deployments() -> list[Deployment]:
    """What is compared."""
    million = f"{BASE.sessions:,}"
    return [
        Deployment(f"{SMALL.sessions:,}", SMALL),
        Deployment(million, BASE),
        Deployment(f"{million}, {SHARDS} shards", replace(BASE, shards=SHARDS)),
        Deployment(f"{million}, changed", BASE, CHANGED),
    ]


def run_all(costs: Costs, *, seed: int) -> Iterator[Run]:
    """Run everything, one after the other."""
    for scenario in SCENARIOS:
        for deployment in deployments():
            fleet, design = deployment.fleet, deployment.design
            if fleet != BASE and not scenario.database_matters:
                continue
            yield Run(scenario, deployment, scenario.run(fleet, costs, design, seed=seed))
        if scenario.key == "rack":
            alone = Deployment(f"{deployment.name}, one account", one_account(fleet), design)
            yield Run(scenario, alone, rack_dies(alone.fleet, costs, design, seed=seed))


def limits(costs: Costs) -> list[Breaking]:
    """Where each design gives way, with one PostgreSQL and, at last, with several."""
    found = [breaking(BASE, costs, design) for design in steps()]
    sharded = replace(BASE, shards=SHARDS)
    found.append(breaking(sharded, costs, steps()[-1]))
    return found


def as_json(runs: list[Run], found: list[Breaking], costs: Costs, seed: int) -> dict[str, Any]:
    """Everything, for a file. Curves are left to the plots."""

    def flat(outcome: Outcome) -> dict[str, Any]:
        fields = asdict(outcome)
        return {key: value for key, value in fields.items() if key not in ("curve", "per_second")}

    return {
        "seed": seed,
        "costs": asdict(costs),
        "runs": [
            {
                "scenario": run.scenario.key,
                "deployment": run.deployment.name,
                "fleet": asdict(run.deployment.fleet),
                "design": asdict(run.deployment.design),
                **flat(run.outcome),
            }
            for run in runs
        ],
        "limits": [asdict(each) for each in found],
    }
