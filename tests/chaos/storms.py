"""Many seeds of one size, some of them side by side: a line for each, and what they come to."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from cryptography.fernet import Fernet

from bridge.store.migrate import upgrade
from tests.chaos.plan import Size, make_plan
from tests.chaos.report import full_story, table
from tests.chaos.run import Outcome, run
from tests.e2e.warm import Warm, warm_up
from tests.postgres import Postgres, running_postgres

PATIENCE = 40.0
"""Seconds without anything arriving after which what is missing is lost."""
HEADS = (
    "seed",
    "up",
    "down",
    "faults",
    "kills",
    "lost",
    "doubled",
    "reordered",
    "other",
    "seconds",
)


@dataclass(frozen=True, slots=True)
class Task:
    """One seed, and where it is played."""

    seed: int
    size: Size
    url: str
    warm: Path
    """Where bridges are forked from."""


@dataclass(frozen=True, slots=True)
class Line:
    """What came of a seed, in the order of `HEADS`, and its story if it failed."""

    seed: int
    numbers: tuple[int, ...]
    story: str

    @property
    def failed(self) -> bool:
        """Whether a promise was not kept."""
        return bool(self.story)


def play(task: Task) -> Line:
    """Play one seed, in a process that plays others before and after."""
    plan = make_plan(task.seed, task.size)
    keys = Fernet.generate_key().decode()
    outcome = asyncio.run(run(plan, task.url, keys, patience=PATIENCE, warm=Warm(task.warm)))
    return line_of(outcome)


def line_of(outcome: Outcome) -> Line:
    """One run in short."""
    numbers = (
        outcome.messages["up"],
        outcome.messages["down"],
        outcome.faults,
        outcome.kills,
        *(outcome.count(kind) for kind in ("lost", "duplicated", "reordered")),
        outcome.count("strange", "wrong"),
        round(outcome.seconds),
    )
    story = f"{table(outcome)}\n{full_story(outcome)}" if outcome.violations else ""
    return Line(outcome.plan.seed, numbers, story)


def play_all(
    seeds: list[int], size: Size, *, database: str, jobs: int, stories: Path | None
) -> bool:
    """Play every seed and print what came of it; gives whether every promise was kept."""
    shown = "  ".join(f"{head:>9}" for head in HEADS)
    print(f"{database}, {size.workers} workers\n{shown}", flush=True)
    lines: list[Line] = []
    with databases(database) as urls, warm_up() as warm:
        tasks = [Task(seed, size, next(urls), warm.address) for seed in seeds]
        pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=interruptible)
        with pool:
            for future in as_completed([pool.submit(play, task) for task in tasks]):
                lines.append(line := future.result())
                print(row(str(line.seed), line.numbers), "  FAILED" * line.failed, flush=True)
                if line.failed and stories is not None:
                    stories.mkdir(parents=True, exist_ok=True)
                    (stories / f"{database}-{line.seed:04}.txt").write_text(line.story)
    sums = tuple(sum(numbers) for numbers in zip(*(line.numbers for line in lines), strict=True))
    print(row("all", sums))
    failed = sorted(line.seed for line in lines if line.failed)
    print(f"{len(lines) - len(failed)} of {len(lines)} seeds kept every promise")
    if failed:
        print(f"failed: {', '.join(map(str, failed))}")
    return not failed


def row(head: str, numbers: tuple[int, ...]) -> str:
    """One line of the table."""
    return "  ".join(f"{cell:>9}" for cell in (head, *numbers))


def interruptible() -> None:
    """Let a process of the pool be ended by its parent's signals only."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def databases(kind: str) -> Iterator[Iterator[str]]:
    """Migrated, empty databases, one after the other."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="lp-bridge-storms-") as folder:
            yield files(Path(folder))
    else:
        with running_postgres() as server:
            yield on(server)


def files(folder: Path) -> Iterator[str]:
    """SQLite files."""
    first = folder / "template.db"
    asyncio.run(upgrade(f"sqlite:///{first}"))
    for number in range(sys.maxsize):
        path = folder / f"{number}.db"
        shutil.copy(first, path)
        yield f"sqlite:///{path}"


def on(server: Postgres) -> Iterator[str]:
    """Databases of one server."""
    template = server.create()
    asyncio.run(upgrade(server.url(template)))
    while True:
        yield server.url(server.create(template))
