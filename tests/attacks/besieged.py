"""A whole bridge with two conversations: one with the sandbox's agent, one with an enemy.

The enemy is an account like any other, whose CSDS names hosts of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.e2e.warm import Warm
from tests.e2e.world import Bridge, Thread, World, said, world_of
from tests.liveperson.standin import StandIn, events

ENEMY = "66666666"
STALL = 2.0
"""The most seconds that other conversations may wait."""
GROWTH = 100.0
"""The most MiB that one enemy may cost."""

Answer = Callable[[web.WebSocketResponse, dict[str, Any]], Awaitable[None]]


class Enemy(StandIn):
    """The hostile account; for every other one it is the sandbox's CSDS."""

    def __init__(self, honest: str) -> None:
        super().__init__()
        self._honest = honest

    async def _csds(self, request: web.Request) -> web.Response:
        if request.match_info["account"] == ENEMY:
            return await super()._csds(request)
        async with (
            aiohttp.ClientSession() as http,
            http.get(self._honest + request.path_qs) as answer,
        ):
            return web.json_response(await answer.json())

    def has(self, kind: str) -> bool:
        """Whether a request of this type has come."""
        return any(frame["type"] == kind for frame in self.frames)

    async def tell(self, changes: list[dict[str, Any]]) -> None:
        """Send a notification; what is hung up on is no failure."""
        with contextlib.suppress(ConnectionError):
            await self.push(json.dumps(events(*changes)))


class Siege:
    """The bridge, its enemy, and the neighbour."""

    def __init__(self, world: World, enemy: Enemy, bridge: Bridge) -> None:
        self.world = world
        self.enemy = enemy
        self.bridge = bridge
        self.thread: Thread
        """With the enemy."""
        self._said = 0

    async def connect(self) -> None:
        """Open the enemy's conversation, up to where it gets events."""
        self.thread = await self.world.connect(ENEMY)
        await self.enemy.until(lambda: self.enemy.has("ms.SubscribeMessagingEvents"))

    async def neighbour(self) -> tuple[Thread, Any]:
        """Open the other one."""
        self._talk = await self.world.talking()
        return self._talk

    async def exchange(self) -> None:
        """Exchange a message each way with the neighbour."""
        thread, conversation = self._talk
        self._said += 1
        up, down = f"up {self._said}", f"down {self._said}"
        await thread.say(up)
        await self.world.liveperson.say(conversation.id, down)
        await self.world.until(lambda: up in said(self.world, conversation))
        await thread.shows(down)

    def memory(self, which: str = "VmRSS") -> float:
        """What the bridge's process has, in MiB."""
        assert self.bridge.process is not None
        status = Path(f"/proc/{self.bridge.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split(f"{which}:")[1].split()[0]) / 1024

    def crashes(self) -> list[dict[str, Any]]:
        """What no LivePerson should be able to cause."""
        names = ("session.crashed", "worker.heartbeat_failed")
        lines = [line for line in self.bridge.log if line.get("event") in names]
        return lines + self.bridge.errors()

    @asynccontextmanager
    async def unharmed(self) -> AsyncIterator[None]:
        """Check meanwhile and afterwards that no other conversation is affected."""
        before, slowest = self.memory("VmHWM"), 0.0
        over = asyncio.Event()

        async def watch() -> None:
            nonlocal slowest
            address = f"http://127.0.0.1:{self.bridge.port}/healthz"
            async with aiohttp.ClientSession() as http:
                while not over.is_set():
                    begun = time.monotonic()
                    async with http.get(address) as answer:
                        await answer.read()
                    slowest = max(slowest, time.monotonic() - begun)
                    await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as both:
            both.create_task(watch())
            try:
                yield
                await self.exchange()
            finally:
                over.set()
        grown = self.memory("VmHWM") - before
        found = f"slowest answer {slowest:.2f} s, grown by {grown:.0f} MiB"
        print(found)
        assert slowest < STALL, found
        assert grown < GROWTH, found
        assert self.crashes() == []


@asynccontextmanager
async def besieged(database_url: str, keys: str, warm: Warm) -> AsyncIterator[Siege]:
    """A bridge that serves a neighbour, and has an enemy among its accounts."""
    async with world_of(database_url, keys, warm=warm) as world:
        enemy = Enemy(world.liveperson.base_url)
        await enemy.start()
        try:
            world.env["LIVEPERSON_CSDS_URL"] = enemy.url
            siege = Siege(world, enemy, await world.bridge())
            await siege.neighbour()
            await siege.exchange()
            yield siege
        finally:
            await enemy.stop()
