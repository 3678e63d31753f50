"""Open-loop load: messages leave when their time has come, whether or not earlier ones arrived.

So a bridge that falls behind is seen to: the latency of a message counts from the moment at which
it was due, not from the moment at which the generator got round to it.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from benchmarks.stage import Stage
from benchmarks.subjects import Subject

Direction = Literal["up", "down"]
SETTLE = 0.5
"""Seconds after the last arrival in which delayed writes are still measured."""
WAIT = 10.0
"""Seconds for which the last messages are waited for."""
_runs = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Sample:
    """One load, as it went. Latencies in milliseconds."""

    direction: Direction
    rate: float
    """Messages a second, as they were due."""
    sent: int
    lost: int
    twice: int
    p50: float
    p95: float
    p99: float
    max: float
    cpu: float
    """Milliseconds of the subject's CPU for each message."""
    rss: float
    """MiB of the subject's resident memory at the end."""
    late: float
    """Milliseconds (p99) that the generator itself was late: if it is much, so is all the rest."""
    backlog: int
    """Messages on their way when the last one was due."""

    @property
    def sustained(self) -> bool:
        """Whether no queue grew: less than a quarter of a second's messages were on their way."""
        return self.lost == 0 and self.backlog <= max(5.0, self.rate * 0.25)


async def load(
    stage: Stage,
    subject: Subject,
    direction: Direction,
    *,
    rate: float,
    seconds: float,
    seed: int = 1,
) -> Sample:
    """Send at `rate` (exponential gaps) for `seconds`, to sessions in turn, and see it arrive."""
    chance = random.Random(seed)
    run = next(_runs)
    times = _times(rate, seconds, chance)
    due = {f"{direction[0]}{run}x{number}": at for number, at in enumerate(times)}
    arrivals: dict[str, float] = {}
    twice = 0
    begun = time.monotonic() + 0.05

    def arrived(name: str, at: float) -> None:
        nonlocal twice
        if name in arrivals:
            twice += 1
        elif name in due:  # else it is of an earlier run, and late
            arrivals[name] = (at - begun - due[name]) * 1000

    stage.arrived = arrived
    send = stage.up if direction == "up" else stage.down
    order = list(range(len(stage.threads)))
    chance.shuffle(order)
    before, late = subject.cost, []
    for number, (name, at) in enumerate(due.items()):
        while (wait := begun + at - time.monotonic()) > 0:  # noqa: ASYNC110 - it is a clock
            await asyncio.sleep(wait)
        late.append(-wait * 1000)
        send(order[number % len(order)], name)
        if number % 8 == 7:
            await asyncio.sleep(0)  # a generator that is behind lets the stand-ins work too
    backlog = len(due) - len(arrivals)
    await _all_there(lambda: len(arrivals) == len(due))
    await asyncio.sleep(SETTLE)
    after = subject.cost
    stage.arrived = lambda name, at: None
    found = sorted(arrivals.values()) or [math.inf]
    return Sample(
        direction=direction,
        rate=rate,
        sent=len(due),
        lost=len(due) - len(arrivals),
        twice=twice,
        p50=quantile(found, 0.5),
        p95=quantile(found, 0.95),
        p99=quantile(found, 0.99),
        max=found[-1],
        cpu=(after.cpu - before.cpu) * 1000 / len(due),
        rss=after.rss / 2**20,
        late=quantile(sorted(late), 0.99),
        backlog=backlog,
    )


async def _all_there(done: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WAIT
    while not done() and time.monotonic() < give_up:  # noqa: ASYNC110 - nothing is measured by it
        await asyncio.sleep(0.02)


def _times(rate: float, seconds: float, chance: random.Random) -> Sequence[float]:
    times, at = [], chance.expovariate(rate)
    while at < seconds:
        times.append(at)
        at += chance.expovariate(rate)
    return times


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of the (sorted) values lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def middle(samples: Sequence[Sample]) -> Sample:
    """The median of several runs of the same load, field by field."""
    first = samples[0]
    return Sample(
        direction=first.direction,
        rate=first.rate,
        sent=sum(sample.sent for sample in samples),
        lost=sum(sample.lost for sample in samples),
        twice=sum(sample.twice for sample in samples),
        backlog=max(sample.backlog for sample in samples),
        **{
            name: median(getattr(sample, name) for sample in samples)
            for name in ("p50", "p95", "p99", "max", "cpu", "rss", "late")
        },
    )
