"""Short chaos: some seconds of load with everything breaking, on both databases.

The long runs are `python -m tests.chaos --seed N --minutes M --kills K --workers W …`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.plan import Size, make_plan, storm
from tests.chaos.report import story, table
from tests.chaos.run import run
from tests.e2e.warm import Warm

SHORT = Size(
    seconds=7.0,
    sessions=5,
    messages=70,
    kills=2,
    workers=1,
    lease=2.0,
    fault_share=0.2,
    blow_every=1.0,
    slow=False,
)
MANY_WORKERS = Size(
    seconds=8.0,
    sessions=5,
    messages=70,
    kills=2,
    workers=3,
    lease=2.0,
    fault_share=0.2,
    blow_every=1.0,
    slow=False,
)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_one_worker_keeps_every_promise(
    database_url: str, encryption_key: str, warm: Warm
) -> None:
    outcome = await run(make_plan(101, SHORT), database_url, encryption_key, patience=30, warm=warm)
    assert not outcome.violations, f"{table(outcome)}\n{story(outcome)}"
    assert outcome.kills > 0


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_three_workers_keep_every_promise(
    database_url: str, encryption_key: str, warm: Warm
) -> None:
    outcome = await run(
        make_plan(102, MANY_WORKERS), database_url, encryption_key, patience=30, warm=warm
    )
    assert not outcome.violations, f"{table(outcome)}\n{story(outcome)}"
    assert outcome.kills > 0


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@pytest.mark.timeout(300)
async def test_a_storm_breaks_no_promise(
    database_kind: str, database_url: str, encryption_key: str, warm: Warm
) -> None:
    # A third of a storm: whole ones are for `python -m tests.chaos`.
    size = storm(1 if database_kind == "sqlite" else 2)
    plan = make_plan(7, replace(size, sessions=5, messages=5 * 80))
    outcome = await run(plan, database_url, encryption_key, patience=40, warm=warm)
    assert not outcome.violations, f"{table(outcome)}\n{story(outcome)}"
    assert outcome.kills == 5
