"""The whole fleet, and who owns which session."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import simpy

from benchmarks.scale.connecting import Lot
from benchmarks.scale.costs import Costs
from benchmarks.scale.fleet import LEASE, Design, Fleet
from benchmarks.scale.load import SENT_SECONDS, Search, commits_of
from benchmarks.scale.servers import Database, LivePerson, Records
from benchmarks.scale.worker import Worker


@dataclass(frozen=True, slots=True)
class Scale:
    """How coarsely it is simulated."""

    stands_for: int = 4
    """Workers for which each simulated one stands; shared servers are as much smaller."""
    lot: int = 5
    """Sessions that connect one after the other, in one place at the gate."""
    slice_seconds: float = 0.02
    """Whoever uses a core for longer lets others that wait come first."""
    tick: float = 0.25
    """Seconds of everyday work that are done at once."""


class World:
    """Builds the fleet, lets workers die, and hands out what they leave."""

    def __init__(
        self, fleet: Fleet, costs: Costs, design: Design, *, scale: Scale, seed: int
    ) -> None:
        self.env = env = simpy.Environment()
        self.fleet, self.costs, self.design, self.scale = fleet, costs, design, scale
        self.rng = random.Random(seed)
        self.records = Records(env, scale.stands_for)
        self.database = Database(
            env,
            fleet,
            costs,
            self.records,
            stands_for=scale.stands_for,
            slice_seconds=scale.slice_seconds,
            rng=self.rng,
        )
        self.liveperson = LivePerson(env, fleet, stands_for=scale.stands_for, rng=self.rng)
        self.search = Search(fleet, costs, design)
        self.commits = commits_of(fleet, costs)
        self.sessions = fleet.sessions // scale.stands_for
        """Sessions that are simulated."""
        self.renewing = True
        """Whether tokens run out evenly."""
        self.missing = 0
        """Sessions that are without a connection."""
        self.back: list[tuple[float, float, int]] = []
        """Connected again: the first and the last one's time (seconds), and how many."""
        self.all_back = env.event()
        self._cut_at = 0.0
        self._orphans: dict[Worker, deque[Lot]] = {}
        self._numbered = 0
        self.claims: list[tuple[int, int]] = []
        """What was claimed: the first session's number, and how many."""
        self._claimed = 0
        count = fleet.workers // scale.stands_for
        self.workers = [Worker(self, number) for number in range(count)]
        self._spread()
        for worker in self.workers:
            worker.start()

    def _spread(self) -> None:
        """Give each worker its share, within a hundredth."""
        share, rest = divmod(self.sessions, len(self.workers))
        for worker in self.workers:
            worker.owned = share
        self.workers[0].owned += rest
        for one, other in zip(self.workers[::2], self.workers[1::2], strict=False):
            some = self.rng.randint(0, share // 100)
            one.owned += some
            other.owned -= some
        for worker in self.workers:
            worker.online = worker.owned

    @property
    def alive(self) -> list[Worker]:
        """Workers whose lease has not run out."""
        return [worker for worker in self.workers if worker.lives or not self._expired(worker)]

    def _expired(self, worker: Worker) -> bool:
        return not worker.lives and self.env.now - worker.beaten > LEASE

    # Sessions without a connection

    def kill(self, count: int) -> None:
        """Let so many of the simulated workers die at once."""
        self._cut_at = self.env.now
        for worker in self.rng.sample(self.workers, count):
            worker.lives = False
            self._orphans[worker] = deque(self.lots(worker.owned))
            self.missing += worker.owned
            worker.owned = worker.online = 0

    def cut(self, *, stale: float) -> None:
        """Cut all websockets; this share of the tokens is no longer valid."""
        self._cut_at = self.env.now
        for worker in self.workers:
            self.missing += worker.online
            for lot in self.lots(worker.online):
                lot.stale = self.rng.random() < stale
                self.env.process(worker.connecting.come_back(lot))
            worker.online = 0

    def lots(self, sessions: int) -> Iterable[Lot]:
        """Cut so many sessions into lots of one account each."""
        while sessions > 0:
            size = min(self.scale.lot, sessions)
            yield Lot(self._numbered, size, self.rng.randrange(self.fleet.accounts))
            self._numbered += size
            sessions -= size

    def returned(self, size: int, *, first: float) -> None:
        """So many sessions have a connection again, the first of them since `first` (seconds)."""
        self.back.append((first, self.env.now, size))
        self.missing -= size
        if self.missing == 0 and not self.all_back.triggered:
            self.all_back.succeed()

    @property
    def waiting(self) -> float:
        """Rows of the real fleet that wait for LivePerson: people write on meanwhile."""
        cut_off = self.missing / self.sessions * (self.env.now - self._cut_at)
        return self.fleet.up * (SENT_SECONDS + cut_off)

    # RequestHeaders

    def take(self, limit: int) -> tuple[list[Lot], float]:
        """Lock free sessions (SKIP LOCKED: no two get the same), and say how many rows that walks.

        Newest activity first: what was claimed before, and what others own, is walked past again.
        """
        free = [lots for worker, lots in self._orphans.items() if lots and self._expired(worker)]
        taken: list[Lot] = []
        left = limit
        while left > 0 and free:
            lots = self.rng.choice(free)
            lot = lots.popleft()
            if lot.size > left:
                lots.appendleft(lot.split(left))
            taken.append(lot)
            left -= lot.size
            if not lots:
                free.remove(lots)
        if left > 0:
            return taken, float(self.fleet.sessions)
        dead = len(self._orphans) / len(self.workers)
        walked = (self._claimed * self.scale.stands_for + limit) / dead
        return taken, min(walked, float(self.fleet.sessions))

    def claimed(self, lots: Iterable[Lot]) -> None:
        """The claim is committed."""
        for lot in lots:
            self._claimed += lot.size
            self.claims.append((lot.first, lot.size))

    def put_back(self, lots: Iterable[Lot]) -> None:
        """The claim was given up, and rolled back."""
        for worker, left in self._orphans.items():
            if self._expired(worker):
                left.extendleft(lots)
                return

    @property
    def orphans(self) -> int:
        """Sessions of dead workers that nobody has claimed."""
        return sum(lot.size for lots in self._orphans.values() for lot in lots)
