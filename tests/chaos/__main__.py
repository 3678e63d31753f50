"""`python -m tests.chaos --seed N …`: one run; exit status 1 if a promise was not kept.

`--profile storm` is everything at once in 20 seconds; `--seeds 1-100 --jobs 2` plays many of them.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cryptography.fernet import Fernet

from bridge.store.migrate import upgrade
from tests.chaos.blows import Restart
from tests.chaos.plan import Plan, Size, make_plan, storm
from tests.chaos.report import story, table
from tests.chaos.run import Outcome, run
from tests.chaos.shrink import smaller
from tests.chaos.storms import PATIENCE as STORM_PATIENCE
from tests.chaos.storms import play_all
from tests.e2e.warm import warm_up
from tests.postgres import Postgres, running_postgres


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--profile", choices=("chaos", "storm"), default="chaos")
    parser.add_argument(
        "--friendly", action="store_true", help="a storm against the friendliest LivePerson"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", metavar="FIRST-LAST", help="many, a line for each")
    parser.add_argument("--jobs", type=int, default=1, help="how many of --seeds at a time")
    parser.add_argument("--stories", type=Path, help="where --seeds writes what went wrong")
    parser.add_argument("--minutes", type=float, default=2.0, help="how long the load lasts")
    parser.add_argument("--kills", type=int, default=5, help="how many workers die by kill -9")
    parser.add_argument("--workers", type=int, help="1 on SQLite, else 3 (a storm's: 2)")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--messages", type=int, default=1_000, help="in both directions together")
    parser.add_argument("--lease", type=float, default=3.0, help="BRIDGE_LEASE_SECONDS")
    parser.add_argument(
        "--database", default="sqlite", help="sqlite, postgresql, or the URL of an empty database"
    )
    parser.add_argument("--shrink", type=int, default=0, metavar="RUNS", help="after a failure")
    return parser.parse_args()


@contextmanager
def databases(kind: str) -> Iterator[tuple[Iterator[str], Restart | None]]:
    """Fresh databases, one after the other (a URL gives only one), and what restarts the server."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="lp-bridge-chaos-") as folder:
            yield (f"sqlite:///{Path(folder) / f'{number}.db'}" for number in range(1_000)), None
    elif kind == "postgresql":
        with running_postgres() as server:
            yield (server.url(server.create()) for _ in range(1_000)), restarting(server)
    else:
        yield iter([kind]), None


def restarting(server: Postgres) -> Restart:
    """What stops a server, and starts it again so many seconds later."""

    def restart(seconds: float) -> None:
        server.stop()
        time.sleep(seconds)
        server.start()

    return restart


def play(plan: Plan, urls: Iterator[str], restart: Restart | None) -> Outcome:
    """Run a plan on the next database."""
    url = next(urls)
    keys = Fernet.generate_key().decode()

    async def whole() -> Outcome:
        await upgrade(url)
        if not plan.hasty:
            return await run(plan, url, keys, restart=restart)
        with warm_up() as warm:
            return await run(plan, url, keys, restart=restart, patience=STORM_PATIENCE, warm=warm)

    return asyncio.run(whole())


def size_of(options: argparse.Namespace) -> Size:
    """How much of everything."""
    embedded = options.database.startswith("sqlite")
    if options.profile == "storm":
        size = storm(options.workers or (1 if embedded else 2))
        return replace(size, manners=not options.friendly)
    return Size(
        seconds=options.minutes * 60,
        sessions=options.sessions,
        messages=options.messages,
        kills=options.kills,
        workers=options.workers or (1 if embedded else 3),
        lease=options.lease,
    )


def main() -> int:
    """Run; tell; shrink if asked."""
    options = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave no process behind
    size = size_of(options)
    if options.seeds:
        first, _, last = options.seeds.partition("-")
        seeds = list(range(int(first), int(last or first) + 1))
        kept = play_all(
            seeds, size, database=options.database, jobs=options.jobs, stories=options.stories
        )
        return 0 if kept else 1
    with databases(options.database) as (urls, restart):
        outcome = play(make_plan(options.seed, size), urls, restart)
        print(table(outcome), flush=True)
        if not outcome.violations:
            return 0
        for attempt in range(options.shrink):
            plan = smaller(outcome, attempt)
            if plan is None:
                break
            again = play(plan, urls, restart)
            print(
                f"shrinking: {len(again.violations)} violations with {len(plan.scripts)} sessions"
            )
            outcome = again if again.violations else outcome
    print(story(outcome))
    return 1


if __name__ == "__main__":
    sys.exit(main())
