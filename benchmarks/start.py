"""How long the bridge takes to start: importing, and until it is ready.

    python -m benchmarks.start --runs 7

"Ready" is the moment at which it logs `bridge.ready`: the database is open (and up to date), Slack
has said who we are, HTTP is served, sessions are claimed. Each from a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.stage import Stage, run, stage
from benchmarks.subjects import command, environment
from benchmarks.tables import keep, table
from tests.e2e.world import Bridge


def seconds_of(code: str) -> float:
    """How long a Python process takes that does this and ends."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
    return time.monotonic() - begun


async def seconds_to_ready(place: Stage, folder: Path, *, fresh: bool) -> float:
    """How long `lp-bridge serve` takes on a new SQLite file, or on one that is there."""
    path = folder / "bridge.db"
    if fresh:
        empty(folder)
    env = environment(place, f"sqlite:///{path}")
    bridge = Bridge({**env, "BRIDGE_ENCRYPTION_KEYS": KEY}, argv=command("sqlite", "uvloop"))
    begun = time.monotonic()
    await bridge.start()
    took = time.monotonic() - begun
    await bridge.stop()
    return took


def empty(folder: Path) -> None:
    """Remove the database and what lies beside it."""
    for file in folder.iterdir():
        file.unlink()


KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


async def measure(runs: int) -> dict[str, list[float]]:
    """All of it, `runs` times."""
    found: dict[str, list[float]] = {
        "python itself": [seconds_of("pass") for _ in range(runs)],
        "import bridge.cli": [seconds_of("import bridge.cli") for _ in range(runs)],
        "import bridge.app": [seconds_of("import bridge.app") for _ in range(runs)],
        "ready, new database": [],
        "ready": [],
    }
    async with stage() as place:
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(runs):
                for name, fresh in (("ready, new database", True), ("ready", False)):
                    found[name].append(await seconds_to_ready(place, Path(folder), fresh=fresh))
                    await asyncio.sleep(0.2)
    return found


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = run(measure(options.runs))
    rows = [[name, median(took), min(took), max(took)] for name, took in found.items()]
    print(table(("what", "median s", "least s", "most s"), rows))
    keep(options.json, found)


if __name__ == "__main__":
    main()
