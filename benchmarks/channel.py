"""A busy channel: many threads in one channel, which takes about one post a second.

    python -m benchmarks.channel                                # 50 threads in real time: 5 minutes
    python -m benchmarks.channel --threads 50,200 --speed 10    # all clocks ten times as fast
    python -m benchmarks.channel --code ../main                 # the bridge of another checkout

In each thread an agent says a line each `--every` seconds. The stand-in keeps Slack's limit: one
post a second in a channel after a small burst, otherwise 429 with `Retry-After`. Measured is the
time from a line's turn until it can be read in its thread. Lines that have not come in the end
count with the time that they have waited so far.

`--speed`: Slack's limit, the bridge's pace and the agents are so many times as fast, and the table
shows the times as they would be without that.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import quantile
from benchmarks.stage import ACCOUNT, ANA, Stage, run, stage, until
from benchmarks.subjects import database, environment
from benchmarks.tables import keep, table
from lp_sandbox.slack.faults import Pace
from lp_sandbox.slack.model import Change
from tests.e2e.world import Bridge

COLUMNS = (
    *(
        "threads",
        "lines/s",
        "p50 s",
        "p95 s",
        "longest s",
        "not there",
        "twice",
        "out of order",
        "429",
    ),
    *("posts/s", "Slack's limit", "lines a post", "least possible p95 s"),
)
BURST = 4
_LINE = re.compile(r"\bline (\d+) of thread (\d+)\b")
_START = """
import sys
sys.path.insert(0, {code!r})
from bridge.slack.web.pace import Pace
Pace.__init__.__kwdefaults__.update(interval={interval!r}, burst={burst!r})
from bridge.cli import main
main(['serve'])
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of the lines. Seconds as they would be at Slack's own speed."""

    threads: int
    said: float
    """Lines a second."""
    p50: float
    p95: float
    longest: float
    missing: int
    twice: int
    disordered: int
    refused: int
    """Posts that were answered with 429 meanwhile."""
    posts: float
    """A second, while lines were said."""
    together: float
    """Lines a post."""

    @property
    def row(self) -> list[object]:
        """Its line in the table."""
        least = 0.95 * self.threads  # each thread has a turn each so many seconds
        return [
            *(self.threads, self.said, self.p50, self.p95, self.longest),
            *(self.missing, self.twice, self.disordered, self.refused),
            *(self.posts, 1.0, self.together, least if self.said > 1 else 0.0),
        ]


class Limit(Pace):
    """Slack's limit, which counts whom it refuses."""

    refused = 0

    def wait(self, channel: str | None) -> int:
        """As `Pace` does."""
        seconds = super().wait(channel)
        self.refused += seconds > 0
        return seconds


class Watch:
    """What has come, thread by thread."""

    def __init__(self) -> None:
        self.came: dict[tuple[int, int], float] = {}
        self.twice = 0
        self.disordered = 0
        self.posts: list[tuple[float, int]] = []
        """When each post with lines came, and how many it had."""
        self._last: Counter[int] = Counter()

    def __call__(self, change: Change) -> None:
        """Look at a change in Slack."""
        if change.kind != "posted" or not change.message.get("bot_id"):
            return
        now, found = time.monotonic(), _LINE.findall(change.message["text"])
        if found:
            self.posts.append((now, len(found)))
        for number, thread in ((int(number), int(thread)) for number, thread in found):
            self.twice += (thread, number) in self.came
            self.came.setdefault((thread, number), now)
            self.disordered += number < self._last[thread]
            self._last[thread] = number


async def measure(threads: int, options: argparse.Namespace) -> Outcome:
    """One bridge, one channel, so many threads."""
    watch, speed = Watch(), options.speed
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(stage())
        url = stack.enter_context(database("sqlite"))
        code = _START.format(code=str(options.code.resolve()), interval=1 / speed, burst=BURST)
        bridge = Bridge(environment(place, url), argv=[options.python, "-W", "ignore", "-c", code])
        stack.push_async_callback(bridge.kill)
        await bridge.start()
        place.slack.events_url = f"http://127.0.0.1:{bridge.port}/slack/events"
        limit = Limit(speed, BURST + 1)  # so that a post which comes early by a hair is taken
        place.slack.faults._pace = limit
        place.slack.workspace.subscribe(watch)
        await opened(place, threads)
        begun, limit.refused = time.monotonic(), 0
        every, seconds = options.every / speed, options.seconds / speed
        said = await talk(place, threads, every=every, seconds=seconds)
        ended, refused = time.monotonic(), limit.refused
        give_up = ended + options.wait / speed
        while len(watch.came) < len(said) and time.monotonic() < give_up:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        now = time.monotonic()
    waits = sorted((watch.came.get(line, now) - due) * speed for line, due in said.items())
    during = [count for at, count in watch.posts if begun <= at <= ended]
    return Outcome(
        threads=threads,
        said=threads / options.every,
        p50=quantile(waits, 0.5),
        p95=quantile(waits, 0.95),
        longest=waits[-1],
        missing=len(said) - len(watch.came),
        twice=watch.twice,
        disordered=watch.disordered,
        refused=refused,
        posts=len(during) / (ended - begun) / speed,
        together=sum(during) / max(len(during), 1),
    )


async def opened(place: Stage, threads: int) -> None:
    """Open so many threads in one channel, and have an agent in each."""
    channel = place._channel()
    for number in range(threads):
        answer = await place.slack.command(ANA, channel, f"connect {ACCOUNT}")
        assert answer.status == 200, answer
        await until(lambda count=number + 1: len(place.liveperson.conversations) >= count)  # type: ignore[misc]
    for conversation in list(place.liveperson.conversations):
        await place.liveperson.accept(conversation)
        place.conversations.append(conversation)
    await place.quiet(2.5)


async def talk(
    place: Stage, threads: int, *, every: float, seconds: float
) -> dict[tuple[int, int], float]:
    """Have each agent say a line each `every` seconds; gives when each line was due."""
    chance = random.Random(1)
    begun = time.monotonic()
    plan = sorted(
        (begun + phase + number * every, thread, number)
        for thread in range(threads)
        for phase in [chance.random() * every]
        for number in range(max(1, int(seconds / every)))
    )
    for due, thread, number in plan:
        while (wait := due - time.monotonic()) > 0:  # noqa: ASYNC110 - it is a clock
            await asyncio.sleep(wait)
        place.down(thread, f"line {number + 1} of thread {thread}")
    return {(thread, number + 1): due for due, thread, number in plan}


def arguments() -> argparse.Namespace:
    """What was typed."""
    import sys

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=_numbers, default=[50])
    parser.add_argument("--every", type=float, default=5.0, help="seconds from line to line")
    parser.add_argument("--seconds", type=float, default=120.0, help="for which lines are said")
    parser.add_argument("--wait", type=float, default=120.0, help="for the last lines to come")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--code", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


async def all_runs(options: argparse.Namespace) -> list[Outcome]:
    """One after the other."""
    return [await measure(threads, options) for threads in options.threads]


def main() -> None:
    """Run and print the table."""
    options = arguments()
    outcomes: Sequence[Outcome] = run(all_runs(options))
    print(table(COLUMNS, [outcome.row for outcome in outcomes]))
    results: dict[str, Any] = {str(each.threads): asdict(each) for each in outcomes}
    keep(options.json, results)


if __name__ == "__main__":
    main()
