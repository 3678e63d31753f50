"""How far a fleet can grow until something gives way, by arithmetic.

What one operation costs stands in `costs.json`, how each cost was found beside it. How often a
worker does what, and how many at a time, is imported from the code. Each limit is then a product:
so many operations a second, times the cost of one, against what there is. Nothing here is a
measurement of the whole: quote it as an estimate. `benchmarks.scale` prints it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path

from bridge.config import Settings
from bridge.relay.intake.intake import SLACK_WAITS
from bridge.relay.shared.gate import Gate
from bridge.relay.worker.supervisor import CLAIM_BATCH, POLL_SECONDS
from bridge.store.writer import BATCH, PACE

LEASE = float(Settings.model_fields["bridge_lease_seconds"].default)
GATE: int = signature(Gate).parameters["total"].default
GATE_OF_ACCOUNT: int = signature(Gate).parameters["each"].default

FULL = 0.8
"""A server or core that is used more than this has no reserve for uneven load."""
BEHIND = 0.5
"""Share of the workers that have fewer sessions than their share, so that they try to claim."""
PER_WORKER = 10_000
"""Sessions of one worker, where the number of sessions is what is raised."""
RACK = 0.2
"""Share of the workers that die at once."""
SENT_SECONDS = 0.3
"""How long a message waits for LivePerson while all is well."""
SIGN_IN_REQUESTS = 2
"""To extend an anonymous identity: `anonymous/authorize`, then `authenticate`."""

COSTS: dict[str, float] = {
    name: entry["value"]
    for name, entry in json.loads(Path(__file__).with_name("costs.json").read_text()).items()
}


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many of what, and how the bridge works. Rates are a second's, for the whole fleet."""

    name: str
    searches_walk: bool = True
    """Counting and claiming walk over all live sessions, and the poll over all that waits; else
    each takes what it needs by owner, and each heartbeat brings a count along."""
    sessions: int = 1_000_000
    workers: int = 100
    shards: int = 1
    """1: one PostgreSQL. More: as many Citus nodes with data, and one coordinator."""
    cores: int = 32
    """Of each database server."""
    accounts: int = 500
    """LivePerson accounts, with equally many sessions each."""
    messages_per_hour: float = 12.0
    """Of each session, in each direction."""
    life_hours: float = 2.0
    """How long a session is live."""
    token_hours: float = 1.0
    sign_in_limit: float = 2_000.0
    """Sign-in requests a second that LivePerson answers with something else than 429."""

    @property
    def own(self) -> float:
        """Sessions of a worker."""
        return self.sessions / self.workers

    @property
    def messages(self) -> float:
        """Messages in one direction."""
        return self.sessions * self.messages_per_hour / 3600

    @property
    def lives(self) -> float:
        """Sessions that are opened, and as many that are closed."""
        return self.sessions / self.life_hours / 3600

    @property
    def sign_ins(self) -> float:
        """Sign-in requests: new consumers, and tokens that run out."""
        return SIGN_IN_REQUESTS * (self.lives + self.sessions / self.token_hours / 3600)

    def grown(self, sessions: float) -> Fleet:
        """With so many sessions, the workers that they need, and accounts in proportion."""
        limit = self.sign_in_limit / self.sessions * sessions
        workers = max(2, round(sessions / PER_WORKER))
        return replace(self, sessions=round(sessions), workers=workers, sign_in_limit=limit)


@dataclass(frozen=True, slots=True)
class Load:
    """The steady state."""

    cores: float
    """Cores of the database in use."""
    statements: float
    """Statements a second."""
    worker: float
    """Share of a worker's core that it cannot do without."""
    limits: dict[str, float]
    """How far each limit is used up (1: reached), by its name."""

    @property
    def full(self) -> bool:
        """Whether any limit is passed."""
        return max(self.limits.values()) > 1

    @property
    def first(self) -> str:
        """The limit that is used up most."""
        return max(self.limits, key=lambda name: self.limits[name])


def steady(fleet: Fleet) -> Load:
    """What a fleet needs while nothing happens but messages."""
    c, messages, lives, workers = COSTS, fleet.messages, fleet.lives, fleet.workers
    statements = messages * (c["statements_up"] + c["statements_down"])
    statements += lives * c["statements_life"]
    writer = statements / workers * (c["round_trip_ms"] + c["db_ms_per_statement"]) / 1000
    commits, commit_seconds = group_commits(fleet)
    notifying = min(commits, messages)

    # Looks for free sessions, each with a count, sometimes a claim, and a poll of what waits.
    by_key = c["db_ms_per_statement"] / 1000
    walk = fleet.searches_walk
    count = fleet.sessions * c["db_us_counted_session"] / 1e6 if walk else by_key
    claim = fleet.sessions * c["db_us_scanned_session"] / 1e6 if walk else by_key
    waiting = messages * SENT_SECONDS / (1 if walk else workers)
    poll = c["db_ms_poll"] / 1000 + waiting * c["db_us_polled_row"] / 1e6
    look = (count + BEHIND * claim) / fleet.shards + poll + c["cpu_ms_poll"] / 1000
    looks = 1 / (look + pause(lives / workers, look))

    cores = sum(
        (
            statements * by_key,
            commits * c["db_ms_per_commit"] / 1000 * servers_of_a_commit(fleet.shards),
            notifying * c["db_ms_wakeup"] / 1000,
            looks * workers * (count + BEHIND * claim + poll),
            fleet.sessions / LEASE * c["db_us_searched_session"] / 1e6,
        )
    )
    statements += workers * 3 / LEASE * 2 + looks * workers * fleet.shards * 7
    worker = (
        messages * (c["cpu_ms_up"] + c["cpu_ms_down"] + c["cpu_ms_wakeup"]) / workers
        + lives * c["cpu_ms_life"] / workers
        + fleet.own * c["idle_cpu_ms_per_session_second"]
        + min(looks, 1 / POLL_SECONDS) * c["cpu_ms_poll"]
    ) / 1000
    routed = statements * c["db_ms_routed_statement"] / 1000 if fleet.shards > 1 else 0.0
    limits = {
        "database CPU": cores / (fleet.shards * fleet.cores * FULL),
        "coordinator CPU": routed / (fleet.cores * FULL),
        "worker CPU": worker / FULL,
        "a worker's writer": writer / FULL,
        "claims hold the writer": claim / SLACK_WAITS,
        "NOTIFY's lock": commit_seconds / SLACK_WAITS,
    }
    return Load(cores, statements, worker, limits)


def pause(rate: float, busy: float) -> float:
    """Mean seconds between two looks: none if a session ended during the one before."""
    return math.exp(-rate * busy) * (1 - math.exp(-rate * POLL_SECONDS)) / rate


def group_commits(fleet: Fleet) -> tuple[float, float]:
    """Commits a second, and the seconds of one, the queue for NOTIFY's lock included.

    A commit that notifies holds one lock of the whole server until it is on the disk. Where the
    lock is always held, each worker waits for all others, and batches grow meanwhile.
    """
    c = COSTS
    works = fleet.messages * (c["works_up"] + c["works_down"]) + fleet.lives * c["works_life"]
    each = works / fleet.workers
    hold = c["db_ms_flush"] / 1000 * (1 if fleet.shards == 1 else 2)  # a second one, on the shards
    batch = min(float(BATCH), max(c["works_per_commit"], each * PACE))
    held = min(works / batch, fleet.messages) * hold
    if held < FULL:
        return works / batch, hold / (1 - held)
    cycle = fleet.workers * hold / FULL
    return works / min(float(BATCH), max(batch, each * cycle)), cycle


def servers_of_a_commit(shards: int) -> float:
    """How many commits the servers make for one of a worker's: two phases on each shard."""
    if shards == 1:
        return 1.0
    touched: float = shards * (1 - (1 - 1 / shards) ** COSTS["works_per_commit"])
    return 1 + 2 * touched


def takeover(fleet: Fleet) -> tuple[str, float]:
    """What a takeover of a rack waits for most, and the seconds until all of it is done."""
    c, affected = COSTS, fleet.sessions * RACK
    each = affected / max(1, fleet.workers - round(fleet.workers * RACK))
    cpu = c["cpu_ms_claimed_session"] + c["cpu_ms_reopen_session"]
    read = c["statements_per_reopened_session"] * c["db_ms_per_statement"]
    database = affected * (c["db_ms_claimed_session"] + read) / 1000
    if fleet.searches_walk:  # through half of all sessions, on average, for each batch
        walks = affected / CLAIM_BATCH * fleet.sessions / 2
        database += walks * c["db_us_scanned_session"] / 1e6
    stages = {
        "the gate": each * connect_seconds(fleet),
        "worker CPU": each * cpu / 1000 / max(0.05, 1 - steady(fleet).worker),
        "the database": database / fleet.cores / fleet.shards,
    }
    slowest = max(stages, key=lambda name: stages[name])
    return slowest, LEASE + POLL_SECONDS + stages[slowest]


def connect_seconds(fleet: Fleet) -> float:
    """Seconds in which a worker connects one session more, while its gate is full."""
    places = min(GATE, GATE_OF_ACCOUNT * fleet.accounts)
    return (COSTS["connect_ms"] + COSTS["cpu_ms_reopen_session"]) / 1000 / places


def reconnect(fleet: Fleet, expired: float) -> tuple[str, float]:
    """What all sessions wait for that connect again at once, and the least seconds that it takes.

    `expired` is the share of them that have to sign in, each as if no request were refused.
    """
    requests = SIGN_IN_REQUESTS * expired * fleet.sessions
    stages = {
        "the gate": fleet.own * connect_seconds(fleet),
        "sign-ins": requests / fleet.sign_in_limit,
        "worker CPU": fleet.own * COSTS["cpu_ms_reopen_session"] / 1000,
    }
    slowest = max(stages, key=lambda name: stages[name])
    return slowest, stages[slowest]
