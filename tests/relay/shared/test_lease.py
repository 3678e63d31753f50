"""Lease arithmetic as a state machine: however slow or paused workers are, at most one may act."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bridge.relay.shared.lease import Lease
from tests.relay.cases import cases


@dataclass
class Worker:
    """One process: its lease, and which epoch of the session it believes to hold."""

    lease: Lease
    epoch: int | None = None
    term: int = 0
    beat_begun: float | None = None
    started: bool = False
    """Its first heartbeat is committed: before that it claims nothing."""


WORKERS = st.sampled_from([0, 1])


class SharedSession(RuleBasedStateMachine):
    """Two workers, one session, one clock; any worker may be paused at any moment."""

    SECONDS = 10.0

    @initialize()
    def begin(self) -> None:
        self.now = 100.0
        self.workers = [Worker(Lease(self.SECONDS, clock=lambda: self.now)) for _ in range(2)]
        self.beats = [-math.inf, -math.inf]
        """What the database knows: the last heartbeat of each."""
        self.owner: int | None = None
        self.epoch = 0

    @rule(seconds=st.sampled_from([1.0, 5.0, 10.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(which=WORKERS)
    def a_heartbeat_begins(self, which: int) -> None:
        self.workers[which].beat_begun = self.now

    @rule(which=WORKERS, told=st.booleans())
    def it_is_committed(self, which: int, told: bool) -> None:
        """Later than it was begun, dated then at the earliest; the worker may not hear of it."""
        worker = self.workers[which]
        if worker.beat_begun is None:
            return
        begun, worker.beat_begun = worker.beat_begun, None
        self.beats[which] = begun
        if told:
            worker.lease.renewed(begun)
            worker.started = True

    @rule(which=WORKERS, takes=st.sampled_from([0.0, 5.0]))
    def a_heartbeat(self, which: int, takes: float) -> None:
        self.a_heartbeat_begins(which)
        self.now += takes
        self.it_is_committed(which, True)

    @rule(which=WORKERS)
    def claim(self, which: int) -> None:
        worker = self.workers[which]
        if not (worker.started and worker.lease.valid):
            return  # it beats first
        if self.owner is not None and self.beats[self.owner] > self.now - self.SECONDS:
            return
        self.owner, self.epoch = which, self.epoch + 1
        worker.epoch, worker.term = self.epoch, worker.lease.term

    @invariant()
    def only_the_owner_may_act(self) -> None:
        """Post and publish, that is: what no epoch can prevent afterwards."""
        acting = list(self._acting())
        assert len(acting) <= 1
        assert all(self.workers.index(worker) == self.owner for worker in acting)
        assert all(worker.epoch == self.epoch for worker in acting)

    def _acting(self) -> Iterator[Worker]:
        for worker in getattr(self, "workers", ()):
            valid = worker.lease.valid and worker.lease.term == worker.term
            if worker.epoch is not None and valid:
                yield worker


TestSharedSession = cases(SharedSession, 200)
