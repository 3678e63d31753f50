"""The bridge is killed at every point where that could lose, double or reorder something.

One session lives through all of them: each process is told where to die (`BRIDGE_TEST_CRASH_AT`),
dies there, and the next one goes on from what is stored. So every point is passed by a session
that has died at all points before, too.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, select

from bridge.relay.shared.crashpoints import POINTS
from bridge.slack.views import notices
from bridge.store.database import Database, open_database
from bridge.store.models import INBOX, OUTBOX, SESSIONS
from tests.e2e.warm import Warm
from tests.e2e.world import (
    ACCOUNT,
    ANA,
    CHANNEL,
    Bridge,
    Thread,
    World,
    is_card,
    next_or_tick,
    said,
    world_of,
)

DEATH_SECONDS = 40.0
_OPENING, _CLOSING = POINTS.index("session.committed"), POINTS.index("close.committed")
TALKING = tuple(point for point in POINTS[:_OPENING] if not point.startswith("file."))
"""Files have a test of their own: `test_files.py`."""
IN_ORDER = (*POINTS[_OPENING:_CLOSING], *TALKING, *POINTS[_CLOSING:])
"""All points, as a session comes to them."""

PUBLISH, OPEN, UPDATE = (
    "ms.PublishEvent",
    "cm.ConsumerRequestConversation",
    "cm.UpdateConversationField",
)
CHAT = ("postMessage", "update")
FAULTS: dict[str, Callable[[World], None]] = {
    **{
        f"{what} {request}": fault
        for request in (PUBLISH, OPEN, UPDATE)
        for what, fault in (
            (
                "stored, not answered:",
                lambda world, request=request: world.liveperson.faults.swallow_answer(
                    request, drop=True
                ),
            ),
            (
                "not stored, not answered:",
                lambda world, request=request: world.liveperson.faults.drop_before(request),
            ),
        )
    },
    "posted, not answered": lambda world: world.slack.faults.lost_answer("chat.postMessage"),
    "updated, not answered": lambda world: world.slack.faults.lost_answer("chat.update"),
}
"""Each is in force once in each process."""


@dataclass
class Life:
    """One session, from the command to the end, and what was said in it."""

    world: World
    written: list[str] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    met: list[str] = field(default_factory=list)
    """Points at which the fault had come into force before the bridge died."""
    _delivery: asyncio.Task[bool] | None = None

    async def die_at(self, point: str, fault: Callable[[World], None] | None) -> None:
        """Start a bridge that dies at this point, and bring it there."""
        self.world.liveperson.faults.clear()
        self.world.slack.faults.clear()
        if fault is not None:
            fault(self.world)
        bridge = await self.world.bridge(ready=False, BRIDGE_TEST_CRASH_AT=point)
        bringing = asyncio.create_task(self._bring(bridge, point.partition(":")[0]))
        assert bridge.process is not None
        try:
            async with asyncio.timeout(DEATH_SECONDS):
                status = await bridge.process.wait()
        except TimeoutError:
            raise AssertionError(f"the bridge did not come to {point}: {bridge.log}") from None
        finally:
            bringing.cancel()
            await asyncio.wait({bringing})
        assert status == -signal.SIGKILL, f"it ended by itself before {point}: {bridge.log}"
        assert bridge.errors() == []
        left = any(self.world.slack.faults.take(f"chat.{name}", CHANNEL) for name in CHAT)
        if fault is not None and not left and not self.world.liveperson.faults.waiting():
            self.met.append(point)

    async def _bring(self, bridge: Bridge, point: str) -> None:
        try:
            await bridge.logged("bridge.ready")
        except AssertionError:
            return  # dead already
        self.world.route(bridge)
        if point == "session.committed":
            await self.world.slack.command(ANA, CHANNEL, f"connect {ACCOUNT}")
        elif point == "close.committed":
            await self.settled()
            await self.end()
        elif point in TALKING:
            await self.talk()

    @property
    def thread(self) -> Thread:
        """The session's thread."""
        cards = [message for message in self.world.slack.messages(CHANNEL) if is_card(message)]
        assert len(cards) == 1, cards
        return Thread(self.world, CHANNEL, cards[0]["ts"])

    @property
    def conversation(self) -> Any:
        """The session's conversation."""
        (conversation,) = self.world.liveperson.conversations.values()
        return conversation

    async def talk(self) -> None:
        """Both sides talk, for as long as the bridge lives."""
        await self.world.until(lambda: len(self.world.liveperson.conversations) == 1)
        if self.conversation.assigned is None:
            await self.world.liveperson.accept(self.conversation.id)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._write())
            both.create_task(self._speak())

    async def _write(self) -> None:
        while True:
            if self._delivery is not None:
                await asyncio.wait({self._delivery})
                await self.world.until(lambda: self.written == self.arrived, DEATH_SECONDS)
            text = f"up {len(self.written)}"
            self.written.append(text)
            ts = await self.world.slack.say(ANA, CHANNEL, text, thread_ts=self.thread.ts)
            self._delivery = asyncio.create_task(self.world.slack.delivered(ts, CHANNEL))

    async def _speak(self) -> None:
        while True:
            text = f"down {len(self.spoken)}"
            self.spoken.append(text)
            await self.world.liveperson.say(self.conversation.id, text)
            await self.world.until(lambda: self.spoken == self.shown, DEATH_SECONDS)

    @property
    def arrived(self) -> list[str]:
        """What LivePerson has of what was written in Slack."""
        return said(self.world, self.conversation)

    @property
    def shown(self) -> list[str]:
        """What the thread has of what the agent said."""
        return [text for text in self.thread.texts if text.startswith("down")]

    async def settled(self) -> None:
        """Wait until everything that was said has arrived."""
        if self._delivery is not None:
            assert await self._delivery, "Slack was never told 200"
        await self.world.until(
            lambda: len(self.arrived) >= len(self.written) and len(self.shown) >= len(self.spoken),
            DEATH_SECONDS,
        )
        await self.thread.card_shows("lp_end")

    async def end(self) -> None:
        """Press "End conversation"; the bridge may die over it."""
        await self.world.slack.click(ANA, CHANNEL, self.thread.ts, "lp_end")

    async def check(self, keys: str) -> None:
        """Have the rest done, and compare what was said with what arrived."""
        bridge = await self.world.bridge()
        await self.thread.card_shows("lp_again", timeout=DEATH_SECONDS)
        async with open_database(self.world.env["DATABASE_URL"], keys=[keys]) as database:
            await nothing_left(self.world, database)
        assert await bridge.stop() == 0
        assert bridge.errors() == []

        assert self.conversation.state == "CLOSE"
        assert self.arrived == self.written
        assert self.shown == self.spoken
        told = self.thread.texts
        assert told.count(notices.ready().text) <= 1  # left out if somebody has written already
        for once in (
            notices.joined("Maria"),
            notices.closed_by("consumer", "Maria"),
        ):
            assert told.count(once.text) == 1, (once.text, told)


async def nothing_left(world: World, database: Database) -> None:
    """Wait until the session is over and given up, and see that nothing waits or has failed."""
    over = select(SESSIONS.c.live, SESSIONS.c.attention, SESSIONS.c.owner)
    async with asyncio.timeout(DEATH_SECONDS), world.wire.watch() as news:
        while await rows(database, over) != [(False, False, None)]:
            await next_or_tick(news)
    for table, done in ((INBOX, "sent"), (OUTBOX, "posted")):
        assert await rows(database, select(table.c.id).where(table.c.state != done)) == []


async def rows(database: Database, statement: Select[Any]) -> list[tuple[Any, ...]]:
    """What the database holds now."""
    async with database.read() as connection:
        return [tuple(row) for row in await connection.execute(statement)]


@asynccontextmanager
async def life_in(database_url: str, keys: str, warm: Warm) -> AsyncIterator[Life]:
    """A world with one session-to-be. One worker's name: it takes its own sessions up at once."""
    patience = (0.2,) * 200
    async with world_of(database_url, keys, warm=warm, redelivery_delays=patience) as world:
        world.env["BRIDGE_WORKER_ID"] = "the-only-one"
        yield Life(world)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.timeout(300)
async def test_nothing_is_lost_or_doubled_when_killed_at_every_point(
    database_url: str, encryption_key: str, warm: Warm
) -> None:
    async with life_in(database_url, encryption_key, warm) as life:
        for point in IN_ORDER:
            await life.die_at(point, None)
        await life.check(encryption_key)


def points_for(fault: str) -> list[str]:
    """A third of all points, and those where the session begins and ends."""
    turn = list(FAULTS).index(fault) % 3
    always = {"session.committed", "close.committed", "finish.noted"}
    return [p for number, p in enumerate(IN_ORDER) if number % 3 == turn or p in always]


LOST = {
    "LivePerson's": [name for name in FAULTS if "answered:" in name],
    "Slack's": [name for name in FAULTS if "answered:" not in name],
}


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("whose", LOST)
@pytest.mark.timeout(300)
async def test_killed_at_every_point_while_answers_are_lost(
    whose: str, database_url: str, encryption_key: str, warm: Warm
) -> None:
    """Each lost answer at every third point, another third for each; the lives run side by side."""
    template = Path(database_url.removeprefix("sqlite:///"))

    async def live(name: str) -> None:
        path = template.with_name(f"{list(FAULTS).index(name)}.db")
        shutil.copy(template, path)
        async with life_in(f"sqlite:///{path}", encryption_key, warm) as life:
            for point in points_for(name):
                if point == "close.answered" and name == f"stored, not answered: {UPDATE}":
                    continue  # a lost answer is not answered: the point is never passed
                try:  # the second time: then the fault has had its occasion
                    await life.die_at(f"{point}:2" if point in TALKING else point, FAULTS[name])
                except (AssertionError, TimeoutError) as error:
                    error.add_note(f"with {name!r}, at {point}")
                    raise
            await life.check(encryption_key)
            assert life.met, f"{name!r} never came into force"
            print(name, life.met)

    async with asyncio.TaskGroup() as lives:
        for name in LOST[whose]:
            lives.create_task(live(name))
