"""The bridge's processes of a run: started, killed, paused, and handed Slack's requests."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from bridge.store.database import Database
from bridge.store.errors import StoreUnavailable
from bridge.store.models import SESSIONS
from lp_sandbox.slack.server import SlackSandbox
from tests.chaos.diary import Diary
from tests.e2e.warm import Warm
from tests.e2e.world import Bridge

COMMAND = (sys.executable, "-m", "tests.chaos.hasty", "serve")


@dataclass(slots=True)
class Takeover:
    """A worker died: how long its conversations were without one."""

    at: float
    waiting: set[str]
    """Conversations that nobody has read again yet."""
    seconds: float = 0.0

    def read(self, conversation: str) -> None:
        """A worker reads this conversation's dialog."""
        if conversation in self.waiting:
            self.waiting.discard(conversation)
            self.seconds = time.monotonic() - self.at


class Workers:
    """So many slots, each with one process after the other."""

    def __init__(
        self,
        env: Mapping[str, str],
        count: int,
        slack: SlackSandbox,
        database: Database,
        diary: Diary,
        chance: random.Random,
        warm: Warm | None,
    ) -> None:
        self._env = dict(env)
        self._warm = warm
        self._slots: list[Bridge | None] = [None] * count
        self._paused: set[int] = set()
        self._busy = [asyncio.Lock() for _ in range(count)]
        self._slack = slack
        self._database = database
        self._diary = diary
        self._chance = chance
        self._all: list[Bridge] = []
        self.takeovers: list[Takeover] = []
        self.kills = 0
        self.statuses: list[int | None] = []
        """Exit statuses of those that were asked to stop; None: it did not."""

    @property
    def bridges(self) -> list[Bridge]:
        """Every process that was ever started."""
        return self._all

    async def start_all(self) -> None:
        """Start every slot that has no process."""
        await asyncio.gather(*(self.start(slot) for slot in range(len(self._slots))))

    async def start(self, slot: int) -> None:
        """Start a process in an empty slot, and wait until it takes requests.

        It may be killed while it starts, or find the database away: then it is started again.
        """
        async with self._busy[slot]:
            while self._slots[slot] is None:
                bridge = Bridge(self._env, self._warm, argv=COMMAND)
                self._all.append(bridge)
                try:
                    await bridge.start()
                except (AssertionError, TimeoutError):
                    self._diary.note(f"worker {slot} did not start: {bridge.log[-1:]}")
                    await bridge.kill()
                    if not any("Traceback" in str(line) for line in bridge.log):
                        self._all.remove(bridge)  # it said what was wrong, as it should
                    await asyncio.sleep(0.5)
                except asyncio.CancelledError:
                    await bridge.kill()
                    raise
                else:
                    self._slots[slot] = bridge
                    self._diary.note(f"worker {slot} is {name_of(bridge)}")
        self.route()

    async def kill(self, slot: int) -> None:
        """`kill -9`; the sessions that it had are watched until somebody reads them again."""
        async with self._busy[slot]:
            bridge, self._slots[slot] = self._slots[slot], None
            if bridge is None:
                return
            self._paused.discard(slot)
            self._diary.note(f"worker {slot} ({name_of(bridge)}) is killed")
            at = time.monotonic()
            await bridge.kill()
            self.kills += 1
            self.route()
            self.takeovers.append(Takeover(at, await self._conversations(name_of(bridge))))

    async def victim(self, slot: int) -> int:
        """This slot, or another one if it has no process just now; there will be one soon."""
        slots = [slot, *(other for other in range(len(self._slots)) if other != slot)]
        while True:
            for each in slots:
                if self._slots[each] is not None:
                    return each
            await asyncio.sleep(0.05)

    async def stop(self, slot: int) -> None:
        """Ask a process to end, and wait for that."""
        async with self._busy[slot]:
            bridge, self._slots[slot] = self._slots[slot], None
            if bridge is None:
                return
            self._resume(slot, bridge)
            self._diary.note(f"worker {slot} ({name_of(bridge)}) is asked to stop")
            self.route()
            try:
                self.statuses.append(await bridge.stop())
            except TimeoutError:
                self._diary.note(f"worker {slot} does not stop")
                self.statuses.append(None)
                await bridge.kill()
            except asyncio.CancelledError:  # the faults are over: another follows in its place
                await bridge.kill()
                raise

    async def stop_all(self) -> None:
        """Ask all to end."""
        await asyncio.gather(*(self.stop(slot) for slot in range(len(self._slots))))

    async def kill_all(self) -> None:
        """End whatever still runs; for when a run breaks off."""
        for bridge in self.bridges:
            await bridge.kill()

    def pause(self, slot: int) -> bool:
        """SIGSTOP; False if there is nobody to pause."""
        bridge = self._slots[slot]
        if bridge is None or slot in self._paused or self._busy[slot].locked():
            return False
        assert bridge.process is not None
        bridge.process.send_signal(signal.SIGSTOP)
        self._paused.add(slot)
        self._diary.note(f"worker {slot} is paused")
        return True

    def resume(self, slot: int) -> None:
        """SIGCONT, unless it is dead or runs."""
        bridge = self._slots[slot]
        if bridge is not None:
            self._resume(slot, bridge)

    def resume_all(self) -> None:
        """SIGCONT for everybody."""
        for slot in range(len(self._slots)):
            self.resume(slot)

    def _resume(self, slot: int, bridge: Bridge) -> None:
        if slot in self._paused:
            self._paused.discard(slot)
            assert bridge.process is not None
            bridge.process.send_signal(signal.SIGCONT)
            self._diary.note(f"worker {slot} goes on")

    def route(self) -> None:
        """Send Slack's next request to any worker; a paused one too: who would know?"""
        running = [bridge for bridge in self._slots if bridge is not None]
        if running:
            port = self._chance.choice(running).port
            self._slack.events_url = f"http://127.0.0.1:{port}/slack/events"

    def saw(self, conversation: str) -> None:
        """A dialog was subscribed to."""
        for takeover in self.takeovers[-10:]:
            takeover.read(conversation)

    async def _conversations(self, worker: str) -> set[str]:
        statement = select(SESSIONS.c.conversation_id).where(
            SESSIONS.c.owner == worker, SESSIONS.c.live, SESSIONS.c.conversation_id.is_not(None)
        )
        async with asyncio.timeout(60):
            while True:  # the database may be just being restarted
                try:
                    async with self._database.read() as connection:
                        return {str(row[0]) for row in await connection.execute(statement)}
                except StoreUnavailable:
                    await asyncio.sleep(0.1)

    def lines(self, *levels: str) -> list[dict[str, Any]]:
        """What all processes have logged on these levels."""
        return [
            line for bridge in self.bridges for line in bridge.log if line.get("level") in levels
        ]


def name_of(bridge: Bridge) -> str:
    """The worker's own name."""
    return next(str(line["worker"]) for line in bridge.log if line.get("event") == "bridge.ready")
