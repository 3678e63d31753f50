"""A busy workspace whose messages are in no thread of ours: what each of them costs.

    python -m benchmarks.chatter --rate 500 --runs 3

Four of five messages stand in a channel, one in a thread that is not bridged. Beside bare Bolt
(`benchmarks/bare_bolt.py`), in turns. The database's transactions are counted by PostgreSQL, and
those of an idle bridge in the same time are taken off. What is measured begins when each thread has
been looked up: the first message of a thread that nobody has asked about costs one query.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psycopg

from benchmarks.stage import Stage, run, stage
from benchmarks.subjects import Subject, subject
from benchmarks.tables import keep, table

CHANNELS, THREADS = 50, 200
STATISTICS = 2.0
"""Seconds until PostgreSQL's counters are up to date."""


@dataclass(frozen=True, slots=True)
class Chatter:
    """One run."""

    subject: str
    loop: str
    events: int
    rate: float
    """Events a second, as they were answered."""
    cpu: float
    """Milliseconds of CPU for each event."""
    refused: int
    transactions: int | None
    """Transactions beyond those of an idle bridge; None without a PostgreSQL that counts them."""


async def chat(place: Stage, *, rate: float, seconds: float) -> int:
    """Send events; give how many."""
    begun, sent = time.monotonic(), 0
    while (at := begun + sent / rate) < begun + seconds:
        if (wait := at - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        number = sent // 5 % THREADS if sent % 5 == 0 else None  # a thread stays in its channel
        thread = None if number is None else f"1500000000.{number:06d}"
        channel = (sent if number is None else number) % CHANNELS
        place.event(f"CCHAT{channel}", f"Lunch at noon, {sent}?", thread)
        sent += 1
    while sum(place.answers.values()) < sent:  # noqa: ASYNC110 - nothing is measured by it
        await asyncio.sleep(0.01)
    return sent


async def transactions(under_test: Subject) -> int | None:
    """How many transactions PostgreSQL has counted in the subject's database."""
    if not under_test.database_url.startswith("postgres"):
        return None
    await asyncio.sleep(STATISTICS)
    async with await psycopg.AsyncConnection.connect(
        under_test.database_url, autocommit=True
    ) as connection:
        found = await connection.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database "
            "WHERE datname = current_database()"
        )
        row = await found.fetchone()
    return int(row[0]) if row else 0


async def one_run(name: str, loop: str, options: argparse.Namespace) -> Chatter:
    """One subject, started afresh."""
    async with stage() as place, subject(name, place, loop=loop) as under_test:
        await place.open(20) if name != "bolt" else None
        await chat(place, rate=200, seconds=6)  # every thread is looked up, once
        place.answers.clear()
        idle = await transactions(under_test)
        await asyncio.sleep(options.seconds)
        before_counter = await transactions(under_test)
        before, begun = under_test.cost, time.monotonic()
        events = await chat(place, rate=options.rate, seconds=options.seconds)
        took, after = time.monotonic() - begun, under_test.cost
        counter = await transactions(under_test)
        extra = None
        if idle is not None and before_counter is not None and counter is not None:
            extra = max(0, (counter - before_counter) - (before_counter - idle))
        return Chatter(
            subject=name,
            loop=loop,
            events=events,
            rate=events / took,
            cpu=(after.cpu - before.cpu) * 1000 / events,
            refused=events - place.answers[200],
            transactions=extra,
        )


async def all_runs(options: argparse.Namespace) -> list[Chatter]:
    """Run the subjects in turns."""
    found = []
    for _ in range(options.runs):
        for name in ("sqlite", "bolt", "postgresql"):
            found.append(await one_run(name, options.loop, options))
            print(f"  {found[-1]}", flush=True)
    return found


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=18.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--loop", default="uvloop")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = run(all_runs(options))
    rows: list[list[object]] = []
    bolt = [one.cpu for one in found if one.subject == "bolt"]
    for name in ("sqlite", "postgresql", "bolt"):
        runs = [one for one in found if one.subject == name]
        ratios = [one.cpu / other for one, other in zip(runs, bolt, strict=True)]
        counted = [one.transactions for one in runs if one.transactions is not None]
        rows.append(
            [
                name,
                median(one.rate for one in runs),
                median(one.cpu for one in runs),
                median(ratios),
                sum(one.refused for one in runs),
                max(counted) if counted else "-",
            ]
        )
    columns = ("subject", "events/s", "CPU ms", "of Bolt's", "not 200", "transactions")
    print("\n" + table(columns, rows))
    keep(options.json, {"runs": [asdict(one) for one in found]})


if __name__ == "__main__":
    main()
