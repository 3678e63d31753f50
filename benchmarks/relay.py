"""What a message costs, up and down: the durable bridge beside the careless one.

    python -m benchmarks.relay                                  # the whole table: about 25 minutes
    python -m benchmarks.relay --rates 200,500 --subjects sqlite,careless --runs 3
    python -m benchmarks.relay --old-rows 1000000 --subjects sqlite --rates 500

Open-loop load over `--sessions` sessions, each in a channel of its own. The stand-ins and the load
are in this process, the subject is in another. The subjects take turns, `--runs` times, and each
figure is the median of the runs. `--loops`: the event loops to run the subjects on.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.load import Direction, Sample, load, middle
from benchmarks.old_rows import add_old_rows
from benchmarks.stage import run, stage
from benchmarks.subjects import subject
from benchmarks.tables import keep, table

DIRECTIONS: tuple[Direction, ...] = ("up", "down")
Key = tuple[str, str, Direction, float]
"""Subject, event loop, direction, messages a second."""

COLUMNS = (
    *("subject", "loop", "way", "rate", "p50 ms", "p95 ms", "p99 ms", "max ms"),
    *("CPU ms", "RSS MiB", "lost", "twice", "sustained"),
)


async def one_run(name: str, loop: str, options: argparse.Namespace) -> list[tuple[Key, Sample]]:
    """One subject, started afresh, under all loads."""
    found: list[tuple[Key, Sample]] = []
    async with stage() as place, subject(name, place, loop=loop) as under_test:
        await place.open(options.sessions)
        if options.old_rows and name != "careless":
            await add_old_rows(under_test.database_url, options.old_rows)
        await load(place, under_test, "up", rate=100, seconds=2)  # caches fill, memory settles
        await load(place, under_test, "down", rate=100, seconds=2)
        for rate in options.rates:
            for direction in DIRECTIONS:
                gc.collect()  # of the stand-ins: they keep everything
                sample = await load(
                    place, under_test, direction, rate=rate, seconds=options.seconds
                )
                found.append(((name, loop, direction, rate), sample))
                if not sample.sustained:
                    await asyncio.sleep(3)
    return found


async def all_runs(options: argparse.Namespace) -> dict[Key, list[Sample]]:
    """All subjects in turn, several times."""
    samples: dict[Key, list[Sample]] = defaultdict(list)
    for number in range(options.runs):
        for loop in options.loops:
            for name in options.subjects:
                for key, sample in await one_run(name, loop, options):
                    samples[key].append(sample)
                    print(f"  run {number + 1}: {line(key, sample)}", flush=True)
    return samples


def line(key: Key, sample: Sample) -> str:
    """One sample while it runs."""
    name, loop, direction, rate = key
    return (
        f"{name:10} {loop:7} {direction:4} {rate:6.0f}/s  p50 {sample.p50:7.1f}  p99 "
        f"{sample.p99:7.1f} ms  CPU {sample.cpu:.3f} ms  generator late {sample.late:.1f} ms"
    )


def rows(medians: dict[Key, Sample]) -> list[list[object]]:
    """The table."""
    return [
        [
            *key,
            *(sample.p50, sample.p95, sample.p99, sample.max, sample.cpu, sample.rss),
            *(sample.lost, sample.twice, sample.sustained),
        ]
        for key, sample in medians.items()
    ]


def ratios(samples: dict[Key, list[Sample]]) -> list[list[object]]:
    """The bridge over the careless one: CPU as a ratio, latency as a difference.

    Each is taken within a run, where both had the same machine, and then the median of the runs.
    """
    found: list[list[object]] = []
    for (name, loop, direction, rate), own in samples.items():
        other = samples.get(("careless", loop, direction, rate))
        if name == "careless" or other is None:
            continue
        pairs = list(zip(own, other, strict=True))
        found.append(
            [
                *(name, loop, direction, rate),
                _median([a.cpu / b.cpu for a, b in pairs]),
                _median([a.p50 - b.p50 for a, b in pairs]),
                _median([a.p99 - b.p99 for a, b in pairs]),
            ]
        )
    return found


def highest(medians: dict[Key, Sample]) -> list[list[object]]:
    """The highest rate that each sustained in every run."""
    best: dict[tuple[str, str, str], float] = {}
    for (name, loop, direction, rate), sample in medians.items():
        if sample.sustained:
            place = (name, loop, direction)
            best[place] = max(best.get(place, 0.0), rate)
    return [[*place, rate] for place, rate in best.items()]


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def arguments() -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each load")
    parser.add_argument("--rates", type=_numbers, default=[50, 200, 500, 1_000])
    parser.add_argument("--subjects", type=_words, default=["sqlite", "careless", "postgresql"])
    parser.add_argument("--loops", type=_words, default=["uvloop"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--old-rows", type=int, default=0, help="rows of closed sessions to add")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _words(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]


def main() -> None:
    """Run and print the tables."""
    options = arguments()
    samples = run(all_runs(options))
    medians = {key: middle(found) for key, found in samples.items()}
    print("\n" + table(COLUMNS, rows(medians)))
    compared = ratios(samples)
    if compared:
        columns = ("subject", "loop", "way", "rate", "CPU ratio", "p50 + ms", "p99 + ms")
        print("\nBeside the careless one (medians of the runs' own ratios and differences):\n")
        print(table(columns, compared))
    print("\nHighest rate without a growing queue, of those tried:\n")
    print(table(("subject", "loop", "way", "rate"), highest(medians)))
    results: dict[str, Any] = {
        " ".join(map(str, key)): [asdict(sample) for sample in found]
        for key, found in samples.items()
    }
    keep(options.json, results)


if __name__ == "__main__":
    main()
