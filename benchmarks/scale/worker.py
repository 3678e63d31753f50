"""One worker: one core, one writer, its gates, and the loops of the supervisor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import simpy

from benchmarks.scale.connecting import Connecting
from benchmarks.scale.fleet import (
    BATCH,
    CLAIM_BATCH,
    LEASE,
    POLL_SECONDS,
    READ_SECONDS,
    SIGN_IN_REQUESTS,
    WRITE_SECONDS,
    fair_share,
)
from benchmarks.scale.load import triggers
from benchmarks.scale.servers import Server, Steps

if TYPE_CHECKING:
    from benchmarks.scale.world import World


class Worker:
    """One process of the bridge."""

    def __init__(self, world: World, number: int) -> None:
        self._world, self._env, self.number = world, world.env, number
        self.lives = True
        self.owned = self.online = 0
        """Sessions; those whose websocket is open."""
        self.beaten = 0.0
        """When the last heartbeat that was committed began (seconds)."""
        self.cpu = Server(
            self._env, world.records, "worker CPU", slice_seconds=world.scale.slice_seconds
        )
        self.connecting = Connecting(world, self)
        self._writer = simpy.Resource(self._env, 1)
        self._tick = world.scale.tick
        self._queued = 0.0
        self._strays_at = 0.0

    def start(self) -> None:
        """Begin all loops, each at its own moment."""
        rng = self._world.rng
        self.beaten = -rng.uniform(0, LEASE / 3)
        self._strays_at = rng.uniform(0, LEASE)
        for loop, within in (
            (self._heartbeat, LEASE / 3 + self.beaten),
            (self._claims, rng.uniform(0, POLL_SECONDS)),
            (self._everyday, rng.uniform(0, self._tick)),
        ):
            self._env.process(self._later(loop(), within))

    def _later(self, steps: Steps, seconds: float) -> Steps:
        yield self._env.timeout(seconds)
        yield from steps

    def use(self, milliseconds: float, *, whole: bool = False) -> Steps:
        """Use the worker's core; see `Server.run`."""
        yield from self.cpu.run(milliseconds / 1000, whole=whole)

    # The supervisor

    def _heartbeat(self) -> Steps:
        database, costs = self._world.database, self._world.costs
        while self.lives:
            begun = self._env.now
            yield from database.run(2 * costs.db_ms_per_statement, 2)
            yield from database.commit(1)
            if begun - self.beaten >= LEASE:
                self._world.records.add("leases lost", 1)
            if self._env.now - begun <= max(1.0, LEASE / 5):
                self.beaten = begun
                yield self._env.timeout(LEASE / 3)
            else:
                yield self._env.timeout(0.5)

    def _claims(self) -> Steps:
        world, rate = self._world, triggers(self._world.fleet)
        while self.lives:
            begun = self._env.now
            world.records.add("searches", 1)
            if (yield from self._look_for_sessions()):
                yield from self._poll()
            idle = world.rng.random() < math.exp(-rate * (self._env.now - begun))
            if idle:  # no reason to look again came meanwhile
                next_reason = world.rng.expovariate(rate) if rate > 0 else POLL_SECONDS
                yield self._env.timeout(min(next_reason, POLL_SECONDS))

    def _look_for_sessions(self) -> Steps:
        """Give whether the database answered in time."""
        world, begun = self._world, self._env.now
        yield from world.database.search(world.search.count * 1000, 3)
        if self._env.now - begun > READ_SECONDS:
            world.records.add("given up", 1)
            return False
        capacity = world.fleet.capacity
        share = fair_share(world.sessions, [capacity] * len(world.alive), capacity)
        while (room := share - self.owned) > 0 and self.lives:
            limit = min(room, CLAIM_BATCH)
            lots = yield from self._claim(limit)
            if lots is None:
                return False
            for lot in lots:
                self.owned += lot.size
                self._env.process(self.connecting.reopen(lot))
            if sum(lot.size for lot in lots) < limit:
                break
        return True

    def _claim(self, limit: int) -> Steps:
        """One transaction of the writer. Gives the lots, None if it took too long."""
        world, costs = self._world, self._world.costs
        with self._writer.request() as turn:
            yield turn
            begun = self._env.now
            lots, walked = world.take(limit)
            count = sum(lot.size for lot in lots)
            walk = walked * costs.db_us_scanned_session / 1000
            if not world.design.claims_scan:
                walk = costs.db_ms_per_statement
            yield from world.database.search(walk, 2)
            if lots:
                yield from world.database.run(count * costs.db_ms_claimed_session, 2)
                yield from world.database.commit(1)
            if self._env.now - begun > WRITE_SECONDS:
                world.put_back(lots)
                world.records.add("given up", 1)
                return None
        world.claimed(lots)
        return lots

    def _poll(self) -> Steps:
        world = self._world
        search = world.search
        yield from world.database.search(search.poll_of(world.waiting) * 1000, 2)
        yield from self.use(search.poll_cpu * 1000)
        if self._env.now >= self._strays_at:
            self._strays_at = self._env.now + LEASE
            yield from world.database.search(search.strays * 1000)

    # Everyday work

    def _everyday(self) -> Steps:
        """Messages, sessions that open and close, pings; a tick at a time."""
        world, costs, fleet = self._world, self._world.costs, self._world.fleet
        idle, last = costs.idle_cpu_ms_per_session_second, self._env.now - self._tick
        while self.lives:
            seconds, since, last = self._env.now - last, last, self._env.now
            workers = len(world.alive) * world.scale.stands_for
            up = fleet.up / workers * seconds
            lives = fleet.lives / workers * seconds
            down = fleet.down * self.online / fleet.sessions * seconds
            renewed = self.online / fleet.token_hours / 3600 * seconds if world.renewing else 0.0
            if world.liveperson.up:
                world.records.spread("sign-ins", SIGN_IN_REQUESTS * (lives + renewed), since)
            yield from self.use(
                up * costs.cpu_ms_up
                + down * costs.cpu_ms_down
                + lives * costs.cpu_ms_life
                + self.online * idle * seconds
                + up * costs.cpu_ms_wakeup,
                whole=True,
            )
            works = up * costs.works_up + down * costs.works_down + lives * costs.works_life
            statements = (
                up * costs.statements_up
                + down * costs.statements_down
                + lives * costs.statements_life
            )
            yield from self._write_everyday(works, statements, notifying=up, seconds=seconds)
            yield self._env.timeout(max(0.0, self._tick - (self._env.now - last)))

    def _write_everyday(
        self, works: float, statements: float, *, notifying: float, seconds: float
    ) -> Steps:
        """What came in so many seconds. How commits queue for NOTIFY's lock is worked out apart."""
        world, costs, commits = self._world, self._world.costs, self._world.commits
        late = seconds > 2 * self._tick  # the writer was held up: all of it is waiting
        count = works / (min(float(BATCH), works) if late else commits.batch)
        asked = self._env.now
        with self._writer.request() as turn:
            yield turn
            waited = self._env.now - asked
            yield from world.database.run(
                statements * costs.db_ms_per_statement + min(notifying, count) * costs.db_ms_wakeup,
                statements,
            )
        yield from world.database.commit(count, seconds=commits.seconds)
        # A tick that took longer than planned kept messages waiting before it was their turn.
        excess = max(0.0, seconds - self._tick)
        for part in (0.125, 0.375, 0.625, 0.875):
            wait = excess * part + waited + commits.seconds
            world.records.waits.append((wait, seconds))

    def write(self, works: float, statements: float) -> Steps:
        """Have the writer do works that come all at once, together with others that wait."""
        world, costs = self._world, self._world.costs
        self._queued += works
        with self._writer.request() as turn:
            yield turn
            batch = min(float(BATCH), max(costs.works_per_commit, self._queued))
            self._queued -= works
            yield from world.database.run(statements * costs.db_ms_per_statement, statements)
            yield from world.database.commit(works / batch)
