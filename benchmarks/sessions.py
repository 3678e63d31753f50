"""What idle sessions cost: memory, CPU, the latency of one message among them, and a restart.

    python -m benchmarks.sessions                       # 100, 1,000, 5,000 and 10,000: 15 minutes
    python -m benchmarks.sessions --counts 100,1000 --subject careless

One process is filled step by step. Memory per session is what it has grown by since before the
first. "Back" after `kill -9` is a session whose websocket is open, subscribed and read.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.comeback import busiest, is_read
from benchmarks.load import load
from benchmarks.stage import Stage, run, stage, until
from benchmarks.subjects import Subject, subject
from benchmarks.tables import keep, table


@dataclass(frozen=True, slots=True)
class Step:
    """One number of sessions."""

    sessions: int
    kib_each: float
    """KiB of resident memory for each session."""
    idle_cpu: float
    """Per cent of one core, while nothing happens."""
    up_p50: float
    up_p99: float
    down_p50: float
    down_p99: float
    """Milliseconds, of single messages."""
    opened_per_second: float
    opening_cpu: float
    """Milliseconds of CPU to open one."""


@dataclass(frozen=True, slots=True)
class Restart:
    """The way back, in seconds."""

    sessions: int
    ready: float
    half: float
    all: float
    busiest_second: int
    """New websockets in the busiest second."""
    most_at_once: int
    """Sessions that were connecting at the same time."""
    cpu: float
    """Milliseconds of CPU for each."""


async def step(
    place: Stage, under_test: Subject, more: int, empty: int, options: argparse.Namespace
) -> Step:
    """Open `more` sessions, then measure them all."""
    before = under_test.cost
    took = await place.open(more) if more else 1.0
    opening_cpu = (under_test.cost.cpu - before.cpu) * 1000 / max(more, 1)
    gc.collect()
    await asyncio.sleep(8)  # the collector's look, the pool's idle connections
    count = len(place.threads)
    begun, at_first = time.monotonic(), under_test.cost
    await asyncio.sleep(options.idle)
    idle = (under_test.cost.cpu - at_first.cpu) / (time.monotonic() - begun) * 100
    rss = under_test.cost.rss
    up = await load(place, under_test, "up", rate=20, seconds=options.seconds)
    down = await load(place, under_test, "down", rate=20, seconds=options.seconds)
    assert up.lost == down.lost == 0
    return Step(
        sessions=count,
        kib_each=(rss - empty) / 1024 / count,
        idle_cpu=idle,
        up_p50=up.p50,
        up_p99=up.p99,
        down_p50=down.p50,
        down_p99=down.p99,
        opened_per_second=more / took,
        opening_cpu=opening_cpu,
    )


async def restart(place: Stage, under_test: Subject) -> Restart:
    """Kill it, start it again, and watch the websockets return."""
    count = len(place.threads)
    await under_test.bridge.kill()
    await until(lambda: place.liveperson.sockets == 0)
    async with place.wire.watch() as entries:
        begun = time.time()
        starting = asyncio.create_task(under_test.bridge.start())
        back: list[float] = []
        opened = 0
        most = 0
        while len(back) < count:
            async with asyncio.timeout(300):
                entry = await entries.get()
            if is_read(entry):
                back.append(entry.at - begun)
            elif entry.title.endswith("socket open"):
                opened += 1
            most = max(most, opened - len(back))
        await starting
    ready = next(line for line in under_test.bridge.log if line.get("event") == "bridge.ready")
    assert ready["sessions"] == count, ready
    again = Subject(under_test.name, under_test.bridge, under_test.database_url)
    return Restart(
        sessions=count,
        ready=under_test.bridge.ready_at - begun,
        half=back[count // 2],
        all=back[-1],
        busiest_second=busiest(back),
        most_at_once=most,
        cpu=again.cost.cpu * 1000 / count,
    )


async def measure(options: argparse.Namespace) -> tuple[list[Step], Restart | None]:
    """All steps, then the restart."""
    steps: list[Step] = []
    async with stage() as place, subject(options.subject, place, loop=options.loop) as under_test:
        await place.open(10)  # what every process needs once is not a session's
        empty = under_test.cost.rss - 10 * 40 * 1024
        for count in options.counts:
            more = count - len(place.threads)
            steps.append(await step(place, under_test, more, empty, options))
            print(f"  {steps[-1]}", flush=True)
        if options.subject == "careless" or options.no_restart:
            return steps, None
        return steps, await restart(place, under_test)


def main() -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--counts",
        type=lambda text: [int(word) for word in text.split(",")],
        default=[100, 1_000, 5_000, 10_000],
    )
    parser.add_argument("--subject", default="sqlite")
    parser.add_argument("--loop", default="uvloop")
    parser.add_argument("--idle", type=float, default=30.0, help="seconds of idling")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds of single messages")
    parser.add_argument("--no-restart", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    steps, back = run(measure(options))
    columns = (
        *("sessions", "KiB each", "idle CPU %", "up p50", "up p99", "down p50", "down p99"),
        *("opened/s", "CPU ms to open"),
    )
    print("\n" + table(columns, [list(asdict(one).values()) for one in steps]))
    if back is not None:
        names = ("sessions", "ready s", "half back s", "all back s")
        more = ("busiest second", "most at once", "CPU ms each")
        print("\n" + table((*names, *more), [list(asdict(back).values())]))
    keep(
        options.json,
        {"steps": [asdict(one) for one in steps], "restart": asdict(back) if back else None},
    )


if __name__ == "__main__":
    main()
