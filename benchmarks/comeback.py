"""How long a bridge takes to come back with many open sessions after `kill -9`.

    python -m benchmarks.comeback --sessions 2000
    python -m benchmarks.comeback --sessions 2000 --expired     # every token has expired meanwhile

The stand-ins run in this process, the bridge in one of its own, on SQLite. "Back" is a session
whose websocket is open, subscribed and read; the last line is when all are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cryptography.fernet import Fernet

from lp_sandbox.slack.model import Channel
from lp_sandbox.wire import Entry
from tests.e2e.world import ACCOUNT, ANA, Bridge, World, world_of

PER_CHANNEL = 4
"""Cards that a channel takes without waiting: Slack's pace is not what is measured."""


@dataclass(frozen=True, slots=True)
class Result:
    """One run. Times in seconds."""

    sessions: int
    opening: float
    ready: float
    half: float
    all: float
    busiest_second: int
    """New websockets in the busiest second."""
    sign_ins: int
    busiest_sign_in_second: int


async def measure(count: int, *, expired: bool) -> Result:
    """Open `count` sessions, kill the bridge, start it again, and wait for all of them."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bridge.db'}"
        async with world_of(url, Fernet.generate_key().decode()) as world:
            bridge = await world.bridge()
            begun = time.monotonic()
            await open_sessions(world, count)
            opening = time.monotonic() - begun
            await bridge.kill()
            await until(lambda: world.liveperson.sockets == 0)
            if expired:
                world.liveperson.faults.expire_tokens()
            return await come_back(world, bridge, count, opening)


async def open_sessions(world: World, count: int) -> None:
    """Type `/lp connect` in enough channels, and wait until every conversation is there."""
    bot = world.slack.workspace.app.user_id
    for number in range(-(-count // PER_CHANNEL)):
        name = f"C{number:08d}"
        world.slack.workspace.channels[name] = Channel(
            id=name, name=f"room-{number}", kind="channel", members={ANA, bot}
        )
    for number in range(count):
        channel = f"C{number // PER_CHANNEL:08d}"
        answer = await world.slack.command(ANA, channel, f"connect {ACCOUNT}")
        assert answer.status == 200, answer
    await until(lambda: len(world.liveperson.conversations) == count)
    await until(lambda: world.liveperson.sockets == count)


async def come_back(world: World, bridge: Bridge, count: int, opening: float) -> Result:
    """Start the bridge again and watch the sockets return."""
    async with world.wire.watch() as entries:
        begun = time.time()
        await bridge.start()
        ready = time.time() - begun
        opened: list[float] = []
        signed_in: list[float] = []
        while len(opened) < count:
            async with asyncio.timeout(300):
                entry = await entries.get()
            if is_read(entry):
                opened.append(entry.at - begun)
            elif entry.channel == "idp" and entry.direction == "in":
                signed_in.append(entry.at - begun)
    assert all(earlier <= later for earlier, later in pairwise(opened))
    return Result(
        sessions=count,
        opening=opening,
        ready=ready,
        half=opened[count // 2],
        all=opened[-1],
        busiest_second=busiest(opened),
        sign_ins=len(signed_in),
        busiest_sign_in_second=busiest(signed_in),
    )


def is_read(entry: Entry) -> bool:
    """A session is back when it has asked for what it has missed."""
    return entry.title.startswith("ms.SubscribeMessagingEvents") and entry.direction == "in"


def busiest(times: list[float]) -> int:
    """The most of these in one second."""
    return max(Counter(int(at) for at in times).values(), default=0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something in the stand-ins, which run in this process."""
    async with asyncio.timeout(600):
        while not condition():  # noqa: ASYNC110  # nothing is measured by this
            await asyncio.sleep(0.05)


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=2_000)
    parser.add_argument("--expired", action="store_true", help="expire every token meanwhile")
    parser.add_argument("--json", type=Path, help="write the result there too")
    options = parser.parse_args()
    result = asyncio.run(measure(options.sessions, expired=options.expired))
    fields = {name: getattr(result, name) for name in Result.__slots__}
    for name, value in fields.items():
        print(
            f"{name.replace('_', ' '):24} {value:10.1f}"
            if isinstance(value, float)
            else f"{name.replace('_', ' '):24} {value:10d}"
        )
    if options.json:
        options.json.write_text(json.dumps(fields, indent=2) + "\n")


if __name__ == "__main__":
    main()
