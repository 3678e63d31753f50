"""The steady state in closed form: who uses how much of what, and what gives way first."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.scale.costs import Costs
from benchmarks.scale.fleet import (
    BATCH,
    LEASE,
    PACE,
    POLL_SECONDS,
    SLACK_WAITS,
    Design,
    Fleet,
)

FULL = 0.8
"""A server or a core that is used more than this has no room for what comes unevenly."""
HALF = 0.5
"""Share of the workers that have fewer sessions than their share, so that they try to claim."""


@dataclass(frozen=True, slots=True)
class Load:
    """The steady state of a fleet."""

    database: dict[str, float]
    """Cores of the data's servers in use, by what for."""
    worker: dict[str, float]
    """Share of a worker's one core, by what for."""
    coordinator: float
    """Cores in use where Citus routes statements; 0 without shards."""
    statements: float
    """Statements a second, all servers together."""
    writer: float
    """Share of the time in which a worker's writer is busy with statements."""
    passes: float
    """How often a worker looks for free sessions and polls, times a second."""
    stall: float
    """Seconds that a worker's writer is held by one search for free sessions."""
    commit: float
    """Seconds of a commit, queueing for the lock of NOTIFY included."""
    lock: float
    """Share of the time that NOTIFY's lock would be held if batches did not grow."""
    sign_ins: float
    """Requests a second."""

    @property
    def needed(self) -> float:
        """Share of a worker's core that it cannot do without.

        Its own loops take what is left: of its polls only those count that the clock demands.
        """
        elastic = self.worker["polls"] * (1 - min(1.0, 1 / POLL_SECONDS / self.passes))
        return sum(self.worker.values()) - elastic

    def limits(self, fleet: Fleet) -> dict[str, float]:
        """How far each limit is used up (1: reached), by its name.

        At the database all searches and polls count: it does not know which of them could wait.
        """
        return {
            "database CPU": sum(self.database.values()) / (fleet.shards * fleet.cores * FULL),
            "coordinator CPU": self.coordinator / (fleet.cores * FULL),
            "worker CPU": self.needed / FULL,
            "a worker's writer": self.writer / FULL,
            "claims hold the writer": self.stall / SLACK_WAITS,
            "NOTIFY's lock": self.commit / SLACK_WAITS,
            "sign-ins": self.sign_ins / fleet.sign_in_limit,
        }

    def first(self, fleet: Fleet, *, but: tuple[str, ...] = ()) -> tuple[str, float]:
        """The limit that is used up most, and how far."""
        limits = {name: used for name, used in self.limits(fleet).items() if name not in but}
        return max(limits.items(), key=lambda item: item[1])


def steady(fleet: Fleet, costs: Costs, design: Design) -> Load:
    """Work it out."""
    own = fleet.sessions / fleet.workers
    commits = commits_of(fleet, costs)
    touched = nodes_of_commit(fleet, costs)
    statements = (
        fleet.up * costs.statements_up
        + fleet.down * costs.statements_down
        + fleet.lives * costs.statements_life
    )
    search = Search(fleet, costs, design)
    passes = search.passes
    database = {
        "messages": statements * costs.db_ms_per_statement / 1000,
        "commits": commits.rate * costs.db_ms_per_commit * touched / 1000,
        "searches": passes * fleet.workers * (search.count + HALF * search.claim),
        "polls": passes * fleet.workers * search.poll,
        "strays": fleet.workers / LEASE * search.strays,
        "wake-ups": commits.notifying * costs.db_ms_wakeup / 1000,
    }
    worker = {
        "messages": (fleet.up * costs.cpu_ms_up + fleet.down * costs.cpu_ms_down)
        / fleet.workers
        / 1000,
        "lives": fleet.lives * costs.cpu_ms_life / fleet.workers / 1000,
        "idle": own * costs.idle_cpu_ms_per_session_second / 1000,
        "polls": passes * search.poll_cpu,
        "wake-ups": fleet.up / fleet.workers * costs.cpu_ms_wakeup / 1000,
    }
    writer = statements / fleet.workers * (costs.round_trip_ms + costs.db_ms_per_statement) / 1000
    beats = fleet.workers * 3 / LEASE * 2
    statements += beats + passes * fleet.workers * fleet.shards * search.statements
    return Load(
        database=database,
        worker=worker,
        coordinator=statements * costs.db_ms_routed_statement / 1000 if fleet.shards > 1 else 0.0,
        statements=statements,
        writer=writer,
        passes=passes,
        stall=search.claim,
        commit=commits.seconds,
        lock=commits.lock,
        sign_ins=fleet.sign_ins,
    )


class Search:
    """One look for free sessions, and the poll that follows it. Seconds of a database's CPU."""

    def __init__(self, fleet: Fleet, costs: Costs, design: Design) -> None:
        sessions, own = fleet.sessions, fleet.sessions / fleet.workers
        statement = costs.db_ms_per_statement / 1000
        scans = design.claims_scan
        self.count = sessions * costs.db_us_counted_session / 1e6 if scans else statement
        self.claim = sessions * costs.db_us_scanned_session / 1e6 if scans else statement
        """A claim that finds nothing."""
        self.strays = own * costs.db_us_searched_session / 1e6
        self._poll, self._row = costs.db_ms_poll / 1000, costs.db_us_polled_row / 1e6
        self._walked = 1.0 if scans else 1 / fleet.workers
        self.poll = self.poll_of(fleet.up * SENT_SECONDS)
        """While all is well."""
        self.poll_cpu = costs.cpu_ms_poll / 1000
        """Seconds of the worker's CPU."""
        self.statements = 7
        self.triggers = triggers(fleet)
        """How often a worker has a reason to look, times a second; the clock not counted."""
        parallel = fleet.shards
        seconds = (self.count + HALF * self.claim) / parallel + self.poll + self.poll_cpu
        self.passes = 1 / (seconds + pause(self.triggers, seconds))

    def poll_of(self, waiting: float) -> float:
        """A poll while so many rows wait for LivePerson, of all workers' sessions."""
        return self._poll + waiting * self._walked * self._row


def triggers(fleet: Fleet) -> float:
    """How often a worker has a reason to look for free sessions, times a second."""
    return fleet.lives / fleet.workers  # one of its own has ended


def pause(rate: float, busy: float) -> float:
    """Mean seconds between two looks: none if a reason came during the one before."""
    if rate <= 0:
        return POLL_SECONDS
    return math.exp(-rate * busy) * (1 - math.exp(-rate * POLL_SECONDS)) / rate


@dataclass(frozen=True, slots=True)
class Commits:
    """How all workers' messages are committed.

    A commit that notifies holds one lock of the whole server until it is on the disk. Where the
    lock is always held, each worker waits for all others, and batches grow meanwhile.
    """

    rate: float
    """Commits a second."""
    notifying: float
    """Of these, the ones with a notification."""
    batch: float
    """Works in each."""
    seconds: float
    """From its beginning to its end, queueing for the lock included."""
    lock: float
    """Share of the time that the lock would be held if batches did not grow."""


def commits_of(fleet: Fleet, costs: Costs) -> Commits:
    """The balance between the lock's queue and the size of batches."""
    works = (
        fleet.up * costs.works_up + fleet.down * costs.works_down + fleet.lives * costs.works_life
    )
    hold = flush_seconds(fleet, costs)
    batch = min(float(BATCH), max(costs.works_per_commit, works / fleet.workers * PACE))
    rate = works / batch
    notifying = min(rate, fleet.up)
    lock = notifying * hold
    if lock < FULL:
        return Commits(rate, notifying, batch, hold / (1 - lock), lock)
    cycle = fleet.workers * hold / FULL
    batch = min(float(BATCH), max(batch, works / fleet.workers * cycle))
    rate = works / batch
    return Commits(rate, min(rate, fleet.up), batch, cycle, lock)


def flush_seconds(fleet: Fleet, costs: Costs) -> float:
    """Seconds that one commit takes: a second flush, on the shards, where there are several."""
    return costs.db_ms_flush / 1000 * (1 if fleet.shards == 1 else 2)


def nodes_of_commit(fleet: Fleet, costs: Costs) -> float:
    """How many commits the servers make for one of a worker's: two phases on each shard."""
    if fleet.shards == 1:
        return 1.0
    touched: float = fleet.shards * (1 - (1 - 1 / fleet.shards) ** costs.works_per_commit)
    return 1 + 2 * touched


SENT_SECONDS = 0.3
"""How long a message waits for LivePerson while all is well."""
