"""What breaks first: how far a fleet can grow until something is full."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.scale.costs import Costs
from benchmarks.scale.fleet import (
    CLAIM_BATCH,
    GATE,
    GATE_OF_ACCOUNT,
    LEASE,
    POLL_SECONDS,
    Design,
    Fleet,
)
from benchmarks.scale.load import steady

PER_WORKER = 10_000
"""Sessions of one worker, where the number of sessions is what is raised."""
RACK = 0.2
"""Share of the workers that die at once."""
PATIENCE = 60.0
"""Seconds after the end of the lease in which a dead rack's sessions are to be back."""


def takeover(fleet: Fleet, costs: Costs, design: Design) -> tuple[str, float]:
    """What a takeover of a rack waits for most, and the seconds until all of it is done."""
    dead = round(fleet.workers * RACK)
    left = max(1, fleet.workers - dead)
    affected = fleet.sessions * dead / fleet.workers
    each = affected / left
    places = min(GATE, GATE_OF_ACCOUNT * fleet.accounts)
    cpu = (costs.cpu_ms_claimed_session + costs.cpu_ms_reopen_session) / 1000
    everyday = steady(fleet, costs, design).needed
    read = costs.statements_per_reopened_session * costs.db_ms_per_statement
    walked = affected / CLAIM_BATCH * fleet.sessions / 2 * costs.db_us_scanned_session / 1e6
    database = affected * (costs.db_ms_claimed_session + read) / 1000
    database += walked if design.claims_scan else 0.0
    stages = {
        "the gate": each * (costs.connect_ms + costs.cpu_ms_reopen_session) / 1000 / places,
        "worker CPU": each * cpu / max(0.05, 1 - everyday),
        "the database": database / fleet.cores / fleet.shards,
    }
    slowest = max(stages, key=lambda name: stages[name])
    return slowest, LEASE + POLL_SECONDS + stages[slowest]


def most(good: Callable[[float], bool], low: float, high: float) -> float:
    """How far a value can grow from `low` until it is first not good, to 1 %.

    0 if `low` is not good, `high` if all are. Goes up in steps of a quarter: good values beyond bad
    ones are not reached by growing.
    """
    if not good(low):
        return 0.0
    step = low
    while good(step):
        if step >= high:
            return high
        low, step = step, min(step * 1.25, high)
    while step / low > 1.01:
        middle = math.sqrt(low * step)
        low, step = (middle, step) if good(middle) else (low, middle)
    return low


def grown(fleet: Fleet, sessions: float) -> Fleet:
    """The same fleet with so many sessions, and the workers that these need."""
    workers = max(2, round(sessions / PER_WORKER))
    limit = fleet.sign_in_limit / fleet.sessions * sessions  # more accounts, more sign-ins
    return replace(fleet, sessions=round(sessions), workers=workers, sign_in_limit=limit)


def busier(fleet: Fleet, messages: float) -> Fleet:
    """The same fleet with so many messages a second, half of them each way."""
    each = messages / 2 * 3600 / fleet.sessions
    return replace(fleet, up_per_hour=each, down_per_hour=each)


@dataclass(frozen=True, slots=True)
class Breaking:
    """Where a design gives way."""

    design: str
    shards: int
    sessions: float
    """The most, with 10,000 a worker."""
    sessions_limit: str
    messages: float
    """The most a second, both ways together, with the fleet's sessions and workers."""
    messages_limit: str
    cores: float
    """Database cores that the fleet's own load needs."""
    takeover: float
    """The most sessions a worker that a dead rack's are back in time, with the fleet's workers."""
    takeover_limit: str


def breaking(fleet: Fleet, costs: Costs, design: Design) -> Breaking:
    """Raise the sessions, then the messages, until something is full."""

    def used(load_of: Fleet) -> tuple[str, float]:
        return steady(load_of, costs, design).first(load_of, but=("sign-ins",))

    sessions = most(lambda n: used(grown(fleet, n))[1] <= 1, 20_000, 100_000_000)
    messages = most(lambda n: used(busier(fleet, n))[1] <= 1, 10, 1_000_000)

    def late(sessions: float) -> bool:
        held = replace(fleet, sessions=round(sessions))
        return takeover(held, costs, design)[1] > LEASE + PATIENCE

    held = most(lambda n: not late(n), 1_000, 100_000_000)
    return Breaking(
        design=design.name,
        shards=fleet.shards,
        sessions=sessions,
        sessions_limit=used(grown(fleet, max(sessions, 20_000) * 1.02))[0],
        messages=messages,
        messages_limit=used(busier(fleet, max(messages, 10) * 1.02))[0],
        cores=sum(steady(fleet, costs, design).database.values()),
        takeover=held / fleet.workers,
        takeover_limit=takeover(replace(fleet, sessions=round(held * 1.02)), costs, design)[0],
    )
