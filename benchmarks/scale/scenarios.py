"""The four scenarios, and what is written down of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from benchmarks.scale.costs import Costs
from benchmarks.scale.fleet import SLACK_WAITS, Design, Fleet
from benchmarks.scale.limits import RACK
from benchmarks.scale.world import Scale, World

WARM_UP = 20.0
"""Seconds before anything happens, and before anything is counted."""
STEADY_SECONDS = 40.0
RACK_PATIENCE = 300.0
"""A takeover is watched for so many seconds."""
STORM_PATIENCE = 6_000.0
DOWN = 600.0
"""Seconds that LivePerson is down."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run. Times in seconds since it happened: the deaths, the cut, LivePerson's return."""

    watched: float
    """When the run ended."""
    affected: int
    """Sessions that lost their worker or their connection."""
    returned: int
    """Of these, connected again when the run ended."""
    half: float | None
    """When half of the affected were connected again; None: not before the run ended."""
    most: float | None
    """Likewise 95 in a hundred."""
    all: float | None
    statements: float
    """Statements a second, mean."""
    statements_peak: float
    """In the busiest second."""
    database: float
    """Use of the data's cores, mean (1: all of them)."""
    worker: float
    """Use of a worker's core, mean over all."""
    worker_peak: float
    """In the busiest second, mean over all workers."""
    commit_wait: float
    """Seconds that 99 of 100 messages wait for their commit at most."""
    commit_longest: float
    """Seconds that one waited at most."""
    late: float
    """Share of the messages that wait longer than Slack does."""
    sign_ins: float
    """Sign-in requests in the busiest second, refused ones included."""
    sign_ins_refused: float
    """Share of all sign-in requests that got 429."""
    slack_calls: float
    """Notices and card updates about the connection, in the busiest second."""
    given_up: float
    """Searches and claims that took longer than the bridge waits for the database."""
    leases_lost: float
    curve: list[tuple[float, float]] = field(repr=False, default_factory=list)
    """Share of the affected that is connected again, over the seconds."""
    per_second: dict[str, list[float]] = field(repr=False, default_factory=dict)
    """Statements, sign-ins and refused sign-ins in each second since it happened."""


def steady_state(fleet: Fleet, costs: Costs, design: Design, *, seed: int) -> Outcome:
    """Nothing happens but messages."""
    world = World(fleet, costs, design, scale=fine(fleet), seed=seed)
    world.env.run(WARM_UP)
    world.records.waits.clear()
    world.env.run(WARM_UP + STEADY_SECONDS)
    return outcome(world, begun=WARM_UP, affected=0)


def rack_dies(
    fleet: Fleet, costs: Costs, design: Design, *, seed: int, scale: Scale | None = None
) -> Outcome:
    """A rack of workers dies at once (`kill -9`, or its switch)."""
    world = World(fleet, costs, design, scale=scale or fine(fleet), seed=seed)
    world.env.run(WARM_UP)
    world.records.waits.clear()
    world.kill(max(1, round(len(world.workers) * RACK)))
    affected = world.missing
    world.env.run(world.env.any_of([world.all_back, world.env.timeout(RACK_PATIENCE)]))
    return outcome(world, begun=WARM_UP, affected=affected)


def tokens_expire(fleet: Fleet, costs: Costs, design: Design, *, seed: int) -> Outcome:
    """LivePerson ends all tokens at once (close code 4407 on every websocket)."""
    world = World(fleet, costs, design, scale=coarse(fleet, 50), seed=seed)
    world.env.run(WARM_UP)
    world.records.waits.clear()
    world.renewing = False
    affected = sum(worker.online for worker in world.workers)
    world.cut(stale=1.0)
    world.env.run(world.env.any_of([world.all_back, world.env.timeout(STORM_PATIENCE)]))
    return outcome(world, begun=WARM_UP, affected=affected)


def liveperson_down(fleet: Fleet, costs: Costs, design: Design, *, seed: int) -> Outcome:
    """LivePerson cuts all websockets and refuses everything for ten minutes.

    Tokens run out meanwhile, as many as do in ten minutes.
    """
    world = World(fleet, costs, design, scale=coarse(fleet, 20), seed=seed)
    world.env.run(WARM_UP)
    world.records.waits.clear()
    world.renewing = False
    world.liveperson.up = False
    affected = sum(worker.online for worker in world.workers)
    world.cut(stale=min(1.0, DOWN / 3600 / fleet.token_hours))
    world.env.run(WARM_UP + DOWN)
    world.liveperson.up = True
    world.env.run(world.env.any_of([world.all_back, world.env.timeout(STORM_PATIENCE)]))
    return outcome(world, begun=WARM_UP, affected=affected, since=WARM_UP + DOWN)


def fine(fleet: Fleet) -> Scale:
    """About 25 workers, for what depends on how they compete for the database."""
    return Scale(stands_for=max(1, fleet.workers // 25), lot=5)


def coarse(fleet: Fleet, lot: int) -> Scale:
    """About four workers, for what lasts long and has them wait for LivePerson."""
    return Scale(stands_for=max(1, fleet.workers // 4), lot=lot, slice_seconds=0.1, tick=1.0)


def outcome(world: World, *, begun: float, affected: int, since: float | None = None) -> Outcome:
    """Work out what was recorded from `begun` on; returns are counted `since` (seconds)."""
    records, fleet, scale = world.records, world.fleet, world.scale.stands_for
    start, seconds = int(begun), max(1, round(world.env.now - begun))
    zero = begun if since is None else since

    def of(name: str) -> list[float]:
        return records.curve(name, start + seconds)[start:]

    curve = returned_curve(world, affected, zero)
    statements, cpu = of("statements"), of("worker CPU")
    workers = sum(worker.lives for worker in world.workers) * scale
    taken, refused = of("sign-ins"), of("sign-ins refused")
    asked = [one + other for one, other in zip(taken, refused, strict=True)]
    return Outcome(
        watched=world.env.now - zero,
        affected=affected * scale,
        returned=round(curve[-1][1] * affected) * scale if curve else 0,
        half=when(curve, 0.5),
        most=when(curve, 0.95),
        all=when(curve, 1.0),
        statements=sum(statements) / seconds,
        statements_peak=max(statements),
        database=sum(of("database CPU")) / seconds / fleet.cores / fleet.shards,
        worker=sum(cpu) / seconds / workers,
        worker_peak=max(cpu) / workers,
        commit_wait=quantile(records.waits, 0.99),
        commit_longest=max((wait for wait, _ in records.waits), default=0.0),
        late=sum(much for wait, much in records.waits if wait > SLACK_WAITS)
        / max(1.0, sum(much for _, much in records.waits)),
        sign_ins=max(asked),
        sign_ins_refused=sum(refused) / max(1.0, sum(asked)),
        slack_calls=max(of("Slack calls")),
        given_up=records.total("given up"),
        leases_lost=records.total("leases lost"),
        curve=curve,
        per_second={"statements": statements, "sign-ins": taken, "refused": refused},
    )


def returned_curve(world: World, affected: int, zero: float) -> list[tuple[float, float]]:
    """Share of the affected that is connected, by seconds since `zero`: one point for each lot."""
    points: list[tuple[float, float]] = []
    done = 0
    for _, last, size in sorted(world.back, key=lambda item: item[1]):
        done += size
        points.append((last - zero, done / affected))
    return points


def when(curve: Sequence[tuple[float, float]], share: float) -> float | None:
    """When so many were connected again."""
    return next((at for at, done in curve if done >= share - 1e-9), None)


def quantile(weighted: Sequence[tuple[float, float]], share: float) -> float:
    """The value that so many, by weight, do not exceed."""
    left = share * sum(much for _, much in weighted)
    for value, much in sorted(weighted):
        left -= much
        if left <= 0:
            return value
    return 0.0


def one_account(fleet: Fleet) -> Fleet:
    """The same fleet, where all sessions belong to one account."""
    return replace(fleet, accounts=1)
