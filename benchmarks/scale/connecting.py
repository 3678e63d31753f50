"""How the sessions of one worker come (back) to LivePerson: gates, tokens, waits between tries."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import simpy

from benchmarks.scale.fleet import (
    GATE,
    GATE_OF_ACCOUNT,
    LOADING,
    SIGN_IN_GATE,
    SIGN_IN_REQUESTS,
    THROTTLE_WAIT,
    TIMINGS,
)
from benchmarks.scale.servers import Steps
from bridge.backoff import Backoff

if TYPE_CHECKING:
    from benchmarks.scale.worker import Worker
    from benchmarks.scale.world import World


class Lot:
    """Some sessions of one account that do the same, one after the other."""

    __slots__ = ("account", "first", "renewed", "size", "stale")

    def __init__(self, first: int, size: int, account: int) -> None:
        self.first = first
        """Number of the first of these sessions; the others follow it."""
        self.size = size
        self.account = account
        self.stale = False
        """Whether their tokens are no longer valid."""
        self.renewed = 0
        """How many requests of a renewal are done."""

    def split(self, size: int) -> Lot:
        """Leave so many in this lot; give the others."""
        rest = Lot(self.first + size, self.size - size, self.account)
        self.size = size
        return rest


class Outage:
    """How long some sessions have been without a connection, and whether that was told."""

    __slots__ = ("backoff", "since", "told")

    def __init__(self, world: World) -> None:
        self.backoff = Backoff(
            first=TIMINGS.retry_first, cap=TIMINGS.retry_cap, rng=world.rng.random
        )
        self.since: float | None = None
        self.told = False


class Connecting:
    """Connects sessions, a lot at a time."""

    def __init__(self, world: World, worker: Worker) -> None:
        self._world, self._env, self._worker = world, world.env, worker
        self.gate = simpy.Resource(self._env, GATE)
        self.gates: dict[int, simpy.Resource] = defaultdict(
            lambda: simpy.Resource(self._env, GATE_OF_ACCOUNT)
        )
        self._loading = simpy.Resource(self._env, LOADING)
        self._identity = simpy.Resource(self._env, SIGN_IN_GATE)

    def come_back(self, lot: Lot) -> Steps:
        """The websockets of some sessions were cut."""
        outage = Outage(self._world)
        yield from self._lost(lot, outage, None)
        yield from self._connect(lot, outage)

    def reopen(self, lot: Lot) -> Steps:
        """Run sessions that were just claimed."""
        world, costs = self._world, self._world.costs
        yield from self._worker.use(lot.size * costs.cpu_ms_claimed_session)
        with self._loading.request() as place:
            yield place
            statements = lot.size * costs.statements_per_reopened_session
            yield from world.database.run(statements * costs.db_ms_per_statement, statements)
        yield from self._connect(lot, Outage(world))

    def _connect(self, lot: Lot, outage: Outage) -> Steps:
        while True:
            with self.gates[lot.account].request() as mine:
                yield mine
                with self.gate.request() as place:
                    yield place
                    retry_after = yield from self._try(lot)
            if retry_after is None:
                break
            yield from self._lost(lot, outage, retry_after)
        if outage.told:
            yield from self._tell(lot.size)

    def _try(self, lot: Lot) -> Steps:
        """Give None if it worked, else the seconds that LivePerson wants to be left alone for."""
        world, costs = self._world, self._world.costs
        if lot.stale and not (yield from self._sign_in(lot)):
            return THROTTLE_WAIT
        if not world.liveperson.up:
            yield from self._refused(lot.size)
            return 0.0
        yield from self._worker.use(lot.size * costs.cpu_ms_reopen_session)
        first = self._env.now + costs.connect_ms / 1000
        yield self._env.timeout(lot.size * costs.connect_ms / 1000)
        self._worker.online += lot.size
        world.returned(lot.size, first=first)
        return None

    def _sign_in(self, lot: Lot) -> Steps:
        """Renew tokens; give whether it worked."""
        world, costs = self._world, self._world.costs
        with self._identity.request() as place:
            yield place
            while lot.renewed < SIGN_IN_REQUESTS:
                begun = self._env.now
                if not world.liveperson.sign_in(lot.size):
                    yield from self._refused(lot.size)
                    world.records.spread("sign-ins refused", lot.size, begun)
                    if world.design.renewal_restarts:
                        lot.renewed = 0
                    return False
                yield from self._worker.use(lot.size * costs.cpu_ms_sign_in)
                yield self._env.timeout(lot.size * costs.sign_in_ms / 1000)
                world.records.spread("sign-ins", lot.size, begun)
                lot.renewed += 1
        lot.stale = False
        yield from self._worker.write(lot.size, 2 * lot.size)
        return True

    def _refused(self, size: int) -> Steps:
        costs = self._world.costs
        yield from self._worker.use(size * costs.cpu_ms_failed_try)
        yield self._env.timeout(size * costs.refused_ms / 1000)

    def _lost(self, lot: Lot, outage: Outage, retry_after: float | None) -> Steps:
        """Wait for better times, and say so in the threads if they do not come soon."""
        now = self._env.now
        if outage.since is None:
            outage.since = now
        again = now + outage.backoff.next(retry_after)
        tell_at = outage.since + TIMINGS.outage_grace
        if not outage.told and tell_at <= again:
            yield self._env.timeout(max(0.0, tell_at - now))
            outage.told = True
            yield from self._tell(lot.size)
        yield self._env.timeout(max(0.0, again - self._env.now))

    def _tell(self, size: int) -> Steps:
        """The state and the notice are committed, then shown, then noted as shown."""
        costs, works = self._world.costs, size * self._world.costs.works_told
        statements = size * costs.statements_told
        yield from self._worker.write(size, statements / costs.works_told)
        self._world.records.add("Slack calls", 2 * size)
        yield from self._worker.use(size * costs.cpu_ms_told)
        yield from self._worker.write(works - size, statements * (1 - 1 / costs.works_told))
