"""Several bridges on one PostgreSQL share the sessions without disturbing each other."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import select, update

from bridge.app import bound_port, running
from bridge.config import load
from bridge.ids import WorkerId
from bridge.relay.shared import channels
from bridge.relay.worker import supervisor
from bridge.store import workers
from bridge.store.connection import Transaction
from bridge.store.database import Database, open_database
from bridge.store.models import DIALOGS, INBOX, OUTBOX, SESSIONS
from bridge.store.wakeups import Wakeups
from lp_sandbox.slack.model import Channel
from tests.e2e.front import to_all
from tests.e2e.warm import Warm
from tests.e2e.world import (
    ACCOUNT,
    ANA,
    CHANNEL,
    Bridge,
    Thread,
    World,
    held_up,
    is_card,
    said,
    was_held_up,
    world_of,
)

pytestmark = [
    pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True),
    pytest.mark.timeout(180),
]

LEASE = 2.0
LONG_LEASE = 60.0
"""Longer than any wait here: a session that is taken over sooner was handed over."""
GRACE = 5.0
"""Seconds beyond the lease within which a dead worker's sessions relay again."""
SLOW = 60.0


@pytest.fixture
async def world(database_url: str, encryption_key: str, warm: Warm) -> AsyncIterator[World]:
    """Stand-ins, and bridges that start at once; Slack asks again for as long as needed."""
    patience = (0.2,) * 200
    options: dict[str, Any] = {"redelivery_delays": patience}
    async with world_of(database_url, encryption_key, warm=warm, **options) as world:
        yield world


@pytest.fixture
async def store(database_url: str, encryption_key: str) -> AsyncIterator[Database]:
    """What the workers share."""
    async with open_database(database_url, keys=[encryption_key]) as database:
        yield database


async def worker(world: World, name: str, lease: float = LEASE) -> Bridge:
    """Start a worker under this name."""
    return await world.bridge(BRIDGE_WORKER_ID=name, BRIDGE_LEASE_SECONDS=str(lease))


async def owners(store: Database) -> dict[str, str | None]:
    """The owner of each live session."""
    async with store.read() as transaction:
        found = await transaction.execute(
            select(SESSIONS.c.id, SESSIONS.c.owner).where(SESSIONS.c.live)
        )
        return {row.id: row.owner for row in found}


async def shared_out(store: Database, wanted: Callable[[Counter[str | None]], bool]) -> None:
    """Wait until the sessions are shared out as wanted."""
    async with asyncio.timeout(SLOW):
        while not wanted(Counter((await owners(store)).values())):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)


class Pair:
    """One thread and its conversation, and what was said in them."""

    def __init__(self, world: World, thread: Thread, conversation: Any) -> None:
        self.world, self.thread, self.conversation = world, thread, conversation
        self.up: list[str] = []
        self.down: list[str] = []

    @property
    def arrived(self) -> list[str]:
        """What LivePerson has."""
        return said(self.world, self.conversation)

    @property
    def shown(self) -> list[str]:
        """What the thread has of the agent's words."""
        return [text for text in self.thread.texts if text.startswith("down")]

    async def exchange(self, timeout: float = SLOW) -> None:
        """A word each way; both arrive once, in order."""
        self.up.append(f"up {len(self.up)}")
        self.down.append(f"down {len(self.down)}")
        await self.world.liveperson.say(self.conversation.id, self.down[-1])
        await self.thread.say(self.up[-1])
        await self.complete(timeout)

    async def complete(self, timeout: float = SLOW) -> None:
        """Wait until everything has arrived; then it is there once, in order."""
        await self.world.until(
            lambda: len(self.arrived) >= len(self.up) and len(self.shown) >= len(self.down), timeout
        )
        assert self.arrived == self.up
        assert self.shown == self.down


async def pairs(world: World, count: int) -> list[Pair]:
    """Open sessions, each in a channel of its own (one channel has but one post a second)."""
    workspace = world.slack.workspace
    everyone = set(workspace.channels[CHANNEL].members)
    made = []
    for _ in range(count):
        name = f"C0MORE{len(workspace.channels)}"
        workspace.channels[name] = Channel(name, name.lower(), "channel", set(everyone))
        known = len(world.liveperson.conversations)
        thread = await world.connect(channel=name)
        await world.until(lambda known=known: len(world.liveperson.conversations) > known)  # type: ignore[misc]
        conversation = world.conversation(ACCOUNT)
        await world.liveperson.accept(conversation.id)
        await thread.shows("joined")
        made.append(Pair(world, thread, conversation))
    return made


async def exchanges(every: Sequence[Pair]) -> None:
    """A word each way in every session."""
    async with asyncio.TaskGroup() as talking:
        for pair in every:
            talking.create_task(pair.exchange())


async def test_new_workers_take_a_fair_share(world: World, store: Database) -> None:
    await worker(world, "first")
    every = await pairs(world, 12)
    for name, shares in (("second", [6, 6]), ("third", [4, 4, 4])):
        await worker(world, name)
        # While they are handed over, both sides go on talking.
        await exchanges(every)
        await shared_out(store, lambda found, shares=shares: sorted(found.values()) == shares)  # type: ignore[misc]
        await exchanges(every)
    assert len(world.liveperson.conversations) == len(every)


async def test_when_one_of_three_dies_its_sessions_relay_again(
    world: World, store: Database
) -> None:
    first = await worker(world, "first")
    every = await pairs(world, 12)
    await worker(world, "second")
    third = await worker(world, "third")
    await shared_out(store, lambda shares: min(shares.values()) >= 2 and len(shares) == 3)
    world.route(third)
    await first.kill()
    died = time.monotonic()
    await exchanges(every)
    took = time.monotonic() - died
    print(f"all sessions relayed again {took:.1f} s after the death of their worker")
    assert took < LEASE + GRACE
    assert set((await owners(store)).values()) == {"second", "third"}


async def test_a_worker_that_stops_hands_over_at_once(world: World) -> None:
    first = await worker(world, "first", lease=LONG_LEASE)
    (pair,) = await pairs(world, 1)
    second = await worker(world, "second", lease=LONG_LEASE)
    world.route(second)
    await pair.exchange()
    assert await first.stop() == 0
    await pair.exchange(timeout=30)
    assert first.errors() == second.errors() == []


async def test_a_worker_that_comes_back_under_its_name_takes_its_own_up(world: World) -> None:
    """Once the lease of the one that died is over: it might only have been paused."""
    first = await worker(world, "web.1")
    (pair,) = await pairs(world, 1)
    await first.kill()
    await world.restart(first)
    await pair.exchange(timeout=30)


async def written(store: Database) -> list[list[tuple[Any, ...]]]:
    """Everything that sessions write."""
    async with store.read() as transaction:
        return [
            sorted(tuple(row) for row in await transaction.execute(select(table)))
            for table in (SESSIONS, DIALOGS, INBOX, OUTBOX)
        ]


async def paused(world: World, store: Database, first: Bridge, other: Bridge) -> None:
    """Pause a worker for longer than its lease, until the other has all its sessions."""
    assert first.process is not None
    first.process.send_signal(signal.SIGSTOP)
    world.route(other)
    await shared_out(store, lambda shares: set(shares) == {"second"})


async def test_a_paused_worker_does_nothing_more_when_it_goes_on(
    world: World, store: Database
) -> None:
    """It is paused while it posts, publishes, and keeps another session quietly."""
    first = await worker(world, "first")
    posting, publishing, quiet = await pairs(world, 3)
    await exchanges([posting, publishing, quiet])
    # Slack has it wait, so that it is paused before it posts these …
    held_up(world, posting.thread.channel)
    posting.down += [f"down {number}" for number in range(1, 9)]
    for text in posting.down[1:]:
        await world.liveperson.say(posting.conversation.id, text)
    # … and a message that LivePerson has, but has not answered.
    world.liveperson.faults.slow_answer(
        "ms.PublishEvent", seconds=1.0, conversation=publishing.conversation.id
    )
    publishing.up.append("up 1")
    await publishing.thread.say("up 1")
    await world.until(lambda: publishing.arrived == publishing.up and was_held_up(world))
    assert posting.shown != posting.down, "it must not be done yet"

    second = await worker(world, "second")
    await paused(world, store, first, second)
    async with asyncio.TaskGroup() as done:
        done.create_task(posting.complete())
        done.create_task(publishing.complete())
        done.create_task(quiet.exchange())
    await exchanges([posting, publishing, quiet])
    before, shown = await settled(store), everything(world)

    assert first.process is not None
    first.process.send_signal(signal.SIGCONT)
    async with asyncio.timeout(SLOW):
        while [line.get("event") for line in first.log].count("session.let_go") < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await first.stop() == 0, "what it had begun is over now"
    assert await written(store) == before
    assert everything(world) == shown
    await exchanges([posting, publishing, quiet])


async def settled(store: Database) -> list[list[tuple[Any, ...]]]:
    """Everything that is written, once nothing waits any more."""
    async with asyncio.timeout(SLOW):
        while True:
            tables = await written(store)
            waiting = [row for table in tables[2:] for row in table if "waiting" in row]
            if not waiting and tables == await written(store):
                return tables
            await asyncio.sleep(0.05)


def everything(world: World) -> list[Any]:
    """All messages, of both stand-ins."""
    slack = [
        message
        for channel in world.slack.workspace.channels
        for message in world.slack.messages(channel)
    ]
    liveperson = [said(world, each) for each in world.liveperson.conversations.values()]
    return [slack, liveperson]


async def test_what_another_has_claimed_is_not_written_to(world: World, store: Database) -> None:
    """Even a worker with a valid lease cannot write: each write checks the session's epoch."""
    first = await worker(world, "first", lease=LONG_LEASE)
    (pair,) = await pairs(world, 1)
    await pair.exchange()
    before = await settled(store)
    thief = WorkerId("second")

    async def steal(transaction: Transaction) -> None:
        await workers.beat(transaction, thief, "x", capacity=1, lease_ms=1_000)
        await transaction.execute(update(SESSIONS).values(owner=thief, epoch=SESSIONS.c.epoch + 1))

    await store.writer.run(steal)
    pair.down.append("down 1")
    await world.liveperson.say(pair.conversation.id, "down 1")
    await first.logged("session.let_go")
    for table, now in zip(before[1:], (await written(store))[1:], strict=True):
        assert now == table, "dialogs, inbox and outbox are as they were"
    await store.writer.run(lambda transaction: workers.forget(transaction, only=[thief]))
    await pair.exchange()


async def test_two_workers_that_get_parts_of_a_burst_keep_its_order(world: World) -> None:
    first = await worker(world, "first")
    (pair,) = await pairs(world, 1)
    second = await worker(world, "second")
    world.liveperson.faults.http_status("ums", 503, times=None)
    world.liveperson.faults.drop_sockets()
    for number, bridge in enumerate((second, first, second)):
        world.route(bridge)
        world.slack.faults.shuffle(times=2)  # the later one is delivered first
        texts = [f"up {number}{part}" for part in "ab"]
        pair.up += texts
        async with asyncio.TaskGroup() as both:
            for text in texts:
                both.create_task(pair.thread.say(text))
    world.liveperson.faults.clear()
    await pair.complete()


async def test_what_two_workers_get_is_done_once(world: World, store: Database) -> None:
    """Each event and command reaches both workers at the same time."""
    first = await worker(world, "first")
    second = await worker(world, "second")
    async with to_all([first.port, second.port]) as address:
        world.slack.events_url = address
        (pair,) = await pairs(world, 1)
        for number in range(8):
            pair.up.append(f"up {number}")
            await pair.thread.say(pair.up[-1])
        await pair.exchange()
        assert len([m for m in world.slack.messages(pair.thread.channel) if is_card(m)]) == 1
        assert len(await owners(store)) == 1
        assert len(world.liveperson.conversations) == 1
        await pair.thread.press("lp_end")
        await pair.thread.card_shows("lp_again")
        assert sum("ended" in text for text in pair.thread.texts) == 1


@asynccontextmanager
async def here(world: World, name: str, **env: str) -> AsyncIterator[int]:
    """Run a bridge in this process, where a test can change its pace; gives its port."""
    settings = load(
        {**world.env, "BRIDGE_WORKER_ID": name, "BRIDGE_LEASE_SECONDS": str(LONG_LEASE), **env}
    )
    async with running(settings, stop=asyncio.Event()) as runner:
        yield bound_port(runner)


async def test_a_wake_up_suffices(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With polling switched off, only NOTIFY can tell an owner what another worker has stored."""
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 3_600.0)
    async with contextlib.AsyncExitStack() as stack:
        owner = await stack.enter_async_context(here(world, "first"))
        world.slack.events_url = f"http://127.0.0.1:{owner}/slack/events"
        (pair,) = await pairs(world, 1)
        async with here(world, "second") as other:
            world.slack.events_url = f"http://127.0.0.1:{other}/slack/events"
            for _ in range(3):
                await pair.exchange()
            await pair.thread.say("<@U0BRIDGE> status")
            await pair.thread.shows("Talking with Maria")
            # So does the word that a session is free.
            await stack.aclose()
            await pair.exchange()
            await pair.thread.press("lp_end")
            await pair.thread.card_shows("lp_again")


async def test_who_is_full_has_another_say_that_it_is_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 3_600.0)
    async with here(world, "first") as first, here(world, "full", BRIDGE_MAX_SESSIONS="1") as full:
        world.slack.events_url = f"http://127.0.0.1:{first}/slack/events"
        (over,) = await pairs(world, 1)
        await world.liveperson.close(over.conversation.id)
        await over.thread.card_shows("lp_again")
        world.slack.events_url = f"http://127.0.0.1:{full}/slack/events"
        await pairs(world, 1)
        late = await over.thread.say("too late", user=ANA)
        await world.until(lambda: "warning" in world.slack.reactions(over.thread.channel, late))


async def test_a_note_for_another_worker_starts_no_search(
    world: World, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that has no owner, and of which nobody was told, shows whether one was made."""
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 3_600.0)
    async with here(world, "first") as first:
        world.slack.events_url = f"http://127.0.0.1:{first}/slack/events"
        await pairs(world, 1)
        (orphan,) = await owners(store)
        (pair,) = await pairs(world, 1)
        async with here(world, "second") as second:
            world.slack.events_url = f"http://127.0.0.1:{second}/slack/events"
            disowned = update(SESSIONS).where(SESSIONS.c.id == orphan).values(owner=None)
            await store.writer.run(lambda transaction: transaction.execute(disowned))
            note = await pair.thread.say("// among us")
            await world.until(lambda: "lock" in world.slack.reactions(pair.thread.channel, note))
            await pair.exchange()
            assert (await owners(store))[orphan] is None


async def test_news_of_a_session_wake_its_owner_and_nobody_else(
    world: World, store: Database
) -> None:
    first = await worker(world, "first", lease=LONG_LEASE)
    (pair,) = await pairs(world, 1)
    second = await worker(world, "second", lease=LONG_LEASE)
    (session,) = await owners(store)
    all_hear: list[str] = []
    owner_hears: list[str] = []
    wakeups = Wakeups(store)
    wakeups.subscribe(channels.CHANNEL, all_hear.append)
    wakeups.subscribe(channels.channel_of(WorkerId("first")), owner_hears.append)
    await wakeups.start()
    try:
        world.route(second)
        await pair.exchange()
        await pair.thread.say("<@U0BRIDGE> status")
        await pair.thread.shows("Talking with Maria")
        await world.until(lambda: owner_hears == [session] * 2)
        world.route(first)
        await pair.exchange()
        await pair.thread.say("<@U0BRIDGE> help")
        await pair.thread.shows("Words that the bridge understands")
        assert owner_hears == [session] * 2, "it knows what it has stored itself"
        assert all_hear == []
    finally:
        await wakeups.stop()


async def test_both_workers_answer_a_thread_that_is_over(world: World) -> None:
    first = await worker(world, "first")
    (pair,) = await pairs(world, 1)
    second = await worker(world, "second")
    await world.liveperson.close(pair.conversation.id)
    await pair.thread.card_shows("lp_again")
    for bridge in (first, second):
        world.route(bridge)
        late = await pair.thread.say("too late", user=ANA)
        await world.until(
            lambda late=late: "warning" in world.slack.reactions(pair.thread.channel, late)  # type: ignore[misc]
        )
    assert pair.arrived == []
