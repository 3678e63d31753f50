"""Several workers on one PostgreSQL: how they share sessions, and what a message then costs.

    python -m benchmarks.workers --workers 1,2,3 --rates 100,200

Slack's events go to the workers in turn, so that most reach one that does not own the session, as
behind a load balancer. All processes share this machine: on two cores more workers show that the
work is shared fairly, not that it gets faster.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from cryptography.fernet import Fernet

from benchmarks.load import Sample, load
from benchmarks.stage import Stage, run, stage
from benchmarks.subjects import Cost, Subject, command, environment
from benchmarks.tables import keep, table
from bridge.store.migrate import upgrade
from tests.e2e.world import Bridge
from tests.postgres import running_postgres

SETTLE = 20.0
"""Seconds in which the workers have agreed who runs what."""


class Fleet(Subject):
    """Several bridges, measured as one."""

    def __init__(self, members: list[Subject], database_url: str) -> None:
        self.name = f"{len(members)} workers"
        self.members = members
        self.database_url = database_url

    @property
    def cost(self) -> Cost:
        """What all have used up to now."""
        costs = [member.cost for member in self.members]
        return Cost(sum(cost.cpu for cost in costs), sum(cost.rss for cost in costs))


@dataclass(frozen=True, slots=True)
class Result:
    """One load over so many workers."""

    workers: int
    sample: Sample
    shares: tuple[int, ...]
    """How many sessions each ran."""
    shared_cpu: tuple[float, ...]
    """Each worker's share of the CPU, in per cent."""


async def one_run(count: int, options: argparse.Namespace) -> list[Result]:
    """So many workers, started afresh."""
    found = []
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(stage())
        postgres = stack.enter_context(running_postgres(durable=True))
        url = postgres.url(postgres.create())
        await upgrade(url)
        fleet = await start(place, url, count, stack)
        await place.open(options.sessions)
        await asyncio.sleep(SETTLE if count > 1 else 0.0)
        for rate in options.rates:
            for direction in ("up", "down"):
                before = [member.cost.cpu for member in fleet.members]
                sample = await load(place, fleet, direction, rate=rate, seconds=options.seconds)
                spent = [
                    member.cost.cpu - at for member, at in zip(fleet.members, before, strict=True)
                ]
                shares = await owned(url)
                cpu = tuple(round(100 * one / sum(spent), 1) for one in spent)
                found.append(Result(count, sample, shares, cpu))
                print(f"  {found[-1]}", flush=True)
    return found


async def start(place: Stage, url: str, count: int, stack: AsyncExitStack) -> Fleet:
    """Start the workers; Slack's events go to each in turn."""
    env = environment(place, url) | {"BRIDGE_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
    members = []
    for number in range(count):
        bridge = Bridge(
            {**env, "BRIDGE_WORKER_ID": f"worker-{number}"}, argv=command("postgresql", "uvloop")
        )
        stack.push_async_callback(bridge.kill)
        await bridge.start()
        members.append(Subject(f"worker-{number}", bridge, url))
    place.event_urls = [f"http://127.0.0.1:{one.bridge.port}/slack/events" for one in members]
    place.slack.events_url = place.event_urls[0]
    return Fleet(members, url)


async def owned(url: str) -> tuple[int, ...]:
    """How many sessions each worker runs."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        found = await connection.execute(
            "SELECT count(*) FROM sessions WHERE live GROUP BY owner ORDER BY owner"
        )
        return tuple(row[0] for row in await found.fetchall())


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    numbers = lambda text: [int(word) for word in text.split(",")]  # noqa: E731
    parser.add_argument("--workers", type=numbers, default=[1, 2, 3])
    parser.add_argument("--rates", type=numbers, default=[100, 200])
    parser.add_argument("--sessions", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: list[Result] = []
    for count in options.workers:
        results += run(one_run(count, options))
    columns = (
        *("workers", "way", "rate", "p50 ms", "p99 ms", "CPU ms", "sustained"),
        *("sessions of each", "CPU % of each"),
    )
    rows = [
        [
            *(one.workers, one.sample.direction, one.sample.rate, one.sample.p50, one.sample.p99),
            *(one.sample.cpu, one.sample.sustained),
            *(" / ".join(map(str, one.shares)), " / ".join(map(str, one.shared_cpu))),
        ]
        for one in results
    ]
    print("\n" + table(columns, rows))
    keep(options.json, {"results": [asdict(one) for one in results]})


if __name__ == "__main__":
    main()
