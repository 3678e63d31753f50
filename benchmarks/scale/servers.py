"""The servers that all workers share: the database, and LivePerson."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Generator
from typing import Any

import simpy

from benchmarks.scale.costs import Costs
from benchmarks.scale.fleet import SIGN_IN_REQUESTS, Fleet
from benchmarks.scale.load import flush_seconds, nodes_of_commit

Steps = Generator[simpy.Event, Any, Any]
"""What a SimPy process is made of."""


LATELY = 5.0
"""Seconds over which LivePerson looks back when it limits sign-ins."""


class Records:
    """What is counted, second by second, for the whole fleet."""

    def __init__(self, env: simpy.Environment, stands_for: int) -> None:
        """Each simulated worker stands for `stands_for`."""
        self._env = env
        self._stands_for = stands_for
        self.series: dict[str, defaultdict[int, float]] = {}
        self.waits: list[tuple[float, float]] = []
        """Seconds that messages waited for their commits, and a weight."""

    def add(self, name: str, amount: float) -> None:
        """Count something that happens now."""
        if amount:
            at = self.series.setdefault(name, defaultdict(float))
            at[int(self._env.now)] += amount * self._stands_for

    def spread(self, name: str, amount: float, since: float) -> None:
        """Count something that has happened evenly since a moment."""
        first, last = int(since), int(self._env.now)
        for second in range(first, last + 1):
            part = min(self._env.now, second + 1) - max(since, second)
            whole = self._env.now - since
            share = part / whole if whole > 0 else 1.0
            if share > 0 and amount:
                at = self.series.setdefault(name, defaultdict(float))
                at[second] += amount * share * self._stands_for

    def total(self, name: str) -> float:
        """How much of it there was."""
        return sum(self.series.get(name, {}).values(), 0.0)

    def curve(self, name: str, seconds: int) -> list[float]:
        """How much there was in each second."""
        at: dict[int, float] = self.series.get(name, defaultdict(float))
        return [at.get(second, 0.0) for second in range(seconds)]


class Server:
    """One PostgreSQL. Its cores are shared in slices."""

    def __init__(
        self,
        env: simpy.Environment,
        records: Records,
        name: str,
        *,
        slice_seconds: float,
        cores: float = 1.0,
    ) -> None:
        """`name` of what is counted; `cores` may be a fraction of a core.

        After `slice_seconds` whoever else waits for a core comes first.
        """
        self._env, self._records, self._name = env, records, name
        self._slice = slice_seconds
        count = max(1, math.ceil(cores))
        self._cores = simpy.Resource(env, capacity=count)
        self._speed = cores / count

    def run(self, seconds: float, *, whole: bool = False) -> Steps:
        """Use one core for so many seconds of CPU.

        `whole`: these are many small things that came before whatever waits behind them.
        """
        left = seconds / self._speed
        while left > 0:
            with self._cores.request() as core:
                yield core
                used = left if whole else min(left, self._slice)
                yield self._env.timeout(used)
            self._records.add(self._name, used * self._speed)
            left -= used


class Database:
    """One PostgreSQL, or a Citus cluster of several and a coordinator."""

    def __init__(
        self,
        env: simpy.Environment,
        fleet: Fleet,
        costs: Costs,
        records: Records,
        *,
        stands_for: int,
        slice_seconds: float,
        rng: random.Random,
    ) -> None:
        self._env, self._costs, self._records, self._rng = env, costs, records, rng
        cores = fleet.cores / stands_for

        def server(name: str) -> Server:
            return Server(env, records, name, cores=cores, slice_seconds=slice_seconds)

        self._shards = [server("database CPU") for _ in range(fleet.shards)]
        self._coordinator = server("coordinator CPU") if fleet.shards > 1 else None
        self._touched = nodes_of_commit(fleet, costs)
        self._flush = flush_seconds(fleet, costs)

    def run(self, milliseconds: float, statements: float) -> Steps:
        """Statements that concern few sessions, one after the other; CPU of all together."""
        begun = self._env.now
        yield from self._route(statements)
        yield from self._rng.choice(self._shards).run(milliseconds / 1000)
        yield self._env.timeout(statements * self._costs.round_trip_ms / 1000)
        self._records.spread("statements", statements, begun)

    def search(self, milliseconds: float, statements: float = 1) -> Steps:
        """Statements that concern all sessions: each shard does its part at the same time."""
        begun, share = self._env.now, milliseconds / 1000 / len(self._shards)
        yield from self._route(statements * len(self._shards))
        if len(self._shards) == 1:
            yield from self._shards[0].run(share)
        else:
            parts = [self._env.process(shard.run(share)) for shard in self._shards]
            yield self._env.all_of(parts)
        self._records.spread("statements", statements * len(self._shards), begun)

    def commit(self, commits: float, *, seconds: float | None = None) -> Steps:
        """So many commits of one connection; waits for them, or for `seconds`."""
        work = commits * self._costs.db_ms_per_commit * self._touched / 1000
        yield from self._rng.choice(self._shards).run(work)
        self._records.add("commits", commits)
        yield self._env.timeout(commits * self._flush if seconds is None else seconds)

    def _route(self, statements: float) -> Steps:
        if self._coordinator is not None:
            yield from self._coordinator.run(statements * self._costs.db_ms_routed_statement / 1000)


class LivePerson:
    """Answers, or does not; and limits sign-ins."""

    def __init__(
        self, env: simpy.Environment, fleet: Fleet, *, stands_for: int, rng: random.Random
    ) -> None:
        self._env, self._rng = env, rng
        self._limit = max(0.0, fleet.sign_in_limit - SIGN_IN_REQUESTS * fleet.lives) / stands_for
        self._asked, self._at = 0.0, 0.0
        self.up = True

    def sign_in(self, requests: int) -> bool:
        """Whether so many requests of one lot are answered, or get 429: all or none of them.

        Chance decides, so that of all who have asked lately as many as the limit are answered.
        """
        now = self._env.now
        self._asked = self._asked * math.exp((self._at - now) / LATELY) + requests
        self._at = now
        return self.up and self._rng.random() < self._limit * LATELY / self._asked
