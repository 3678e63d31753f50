"""Messages that Slack could not deliver, and gave up on, are read in the threads afterwards."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing

import psycopg
import pytest
from sqlalchemy import make_url, select

from bridge.app import bound_port, running
from bridge.config import load
from bridge.ids import ChannelId, TeamId
from bridge.relay.intake.intake import Intake
from bridge.relay.worker import catching_up
from bridge.slack.port import ThreadMessage
from bridge.slack.receiver.fast_path import MessageFastPath
from bridge.slack.receiver.ingress import PATH
from bridge.store.database import Database
from bridge.store.models import PRESENCE
from lp_sandbox.slack.model import Message
from tests.e2e.test_crash_points import rows
from tests.e2e.test_workers import pairs, store
from tests.e2e.warm import Warm
from tests.e2e.world import ANA, BEN, CHANNEL, Bridge, Thread, World, said, world_of
from tests.postgres import Postgres

WORDS = ["one", "two", "three"]
on_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
__all__ = ["store"]
both_ways = pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket mode"])


@pytest.fixture
async def world(database_url: str, encryption_key: str, warm: Warm) -> AsyncIterator[World]:
    """Stand-ins, and a Slack that asks but once."""
    async with world_of(database_url, encryption_key, warm=warm, redelivery_delays=()) as world:
        world.env["BRIDGE_LEASE_SECONDS"] = "1"
        yield world


async def lost(thread: Thread, *texts: str, user: str = ANA) -> None:
    """Write something that Slack cannot deliver."""
    for text in texts:
        ts = await thread.say(text, user=user)
        assert not await thread.world.slack.delivered(ts, thread.channel)


async def told(world: World, conversation: object, *texts: str) -> None:
    """Wait until the agent has been told this, and see that it was only that, in order."""
    wanted = [*texts]
    await world.until(lambda: len(said(world, conversation)) >= len(wanted), 40)
    assert said(world, conversation) == wanted


async def goes_on(thread: Thread, conversation: object, *before: str, heard: str = "after") -> None:
    """Exchange further messages: a message that comes twice would have come before these."""
    await thread.say("after")
    await told(thread.world, conversation, *before, heard)


def read(world: World, thread: Thread) -> int:
    """How often a thread has been read."""
    return sum(
        entry.title.startswith("conversations.replies → ok")
        and entry.body["arguments"]["ts"] == thread.ts
        for entry in world.wire.entries()
    )


def marked(world: World) -> int:
    """How many threads are still to be read: whatever is not marked is left alone."""
    count = "SELECT count(*) FROM sessions WHERE unheard_since IS NOT NULL"
    url = make_url(world.env["DATABASE_URL"])
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database))) as file:
            return int(file.execute(count).fetchone()[0])
    with psycopg.connect(world.env["DATABASE_URL"]) as connection:
        row = connection.execute(count).fetchone()
        assert row is not None
        return int(row[0])


def refused(world: World) -> int:
    """How often reading a thread has been refused."""
    titles = [entry.title for entry in world.wire.entries()]
    return sum(t.startswith("conversations.replies") and "(fault: refuse)" in t for t in titles)


@both_ways
@pytest.mark.parametrize("end", [Bridge.kill, Bridge.stop], ids=["killed", "stopped"])
async def test_a_bridge_that_was_away(
    world: World, socket_mode: bool, end: Callable[[Bridge], Awaitable[object]]
) -> None:
    bridge = await world.bridge(socket_mode=socket_mode)
    thread, conversation = await world.talking()
    await thread.say("before")
    await told(world, conversation, "before")
    await end(bridge)
    await lost(thread, *WORDS)
    again = await world.bridge(socket_mode=socket_mode)
    await told(world, conversation, "before", *WORDS)
    await goes_on(thread, conversation, "before", *WORDS)
    assert again.errors() == []


async def test_a_socket_that_was_lost(world: World) -> None:
    bridge = await world.bridge(socket_mode=True)
    thread, conversation = await world.talking()
    await thread.say("before")
    world.slack.faults.drop_sockets()
    await lost(thread, *WORDS)
    await told(world, conversation, "before", *WORDS)
    await goes_on(thread, conversation, "before", *WORDS)
    assert bridge.errors() == []


@asynccontextmanager
async def database_away(world: World, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Have the database take nothing for a while."""
    url = make_url(world.env["DATABASE_URL"])
    if url.get_backend_name() == "sqlite":
        lock = sqlite3.connect(str(url.database), isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            lock.close()
        return
    server: Postgres = request.getfixturevalue("postgres")
    server.stop()
    try:
        yield
    finally:
        server.start()


@both_ways
async def test_a_database_that_was_away(
    world: World, socket_mode: bool, request: pytest.FixtureRequest
) -> None:
    await world.bridge(socket_mode=socket_mode)
    thread, conversation = await world.talking()
    await thread.say("before")
    await told(world, conversation, "before")
    async with database_away(world, request):
        await lost(thread, *WORDS)
    await told(world, conversation, "before", *WORDS)
    await goes_on(thread, conversation, "before", *WORDS)


@both_ways
async def test_a_message_that_was_refused_while_all_seemed_well(
    world: World, socket_mode: bool, request: pytest.FixtureRequest
) -> None:
    """Too short for a gap, since no heartbeat was missed."""
    bridge = await world.bridge(socket_mode=socket_mode, BRIDGE_LEASE_SECONDS="90")
    thread, conversation = await world.talking()
    await thread.say("before")
    await told(world, conversation, "before")
    async with database_away(world, request):
        await lost(thread, "one")
    await told(world, conversation, "before", "one")
    await goes_on(thread, conversation, "before", "one")
    gaps = [line for line in bridge.log if line.get("event") == "slack.was_out_of_reach"]
    assert len(gaps) <= 1  # that of the start


async def test_pages_that_slack_cuts_short_are_all_read(world: World) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    await bridge.stop()
    many = [f"word {number}" for number in range(40)]
    await lost(thread, *many)
    world.slack.faults.throttle_reading(objects=15, seconds=0.5)
    await world.bridge()
    await told(world, conversation, *many)
    pages = [e for e in world.wire.entries() if e.title.startswith("conversations.replies → ok")]
    assert len(pages) >= 3
    assert all(len(entry.body["answer"]["messages"]) <= 15 for entry in pages)


async def test_each_message_is_what_its_event_would_have_been(world: World) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    await bridge.stop()
    await lost(thread, "one", "// among us")
    note = thread.replies[-1]["ts"]
    file = await thread.say("", files=["plan.pdf"])
    workspace = world.slack.workspace
    for bot, text in ((workspace.app.bot_id, "our own words"), ("B0OTHER", "a robot's words")):
        workspace.post(
            Message(
                ts=workspace.next_ts(CHANNEL),
                channel=CHANNEL,
                team=workspace.team.id,
                user=None,
                text=text,
                thread_ts=thread.ts,
                subtype="bot_message",
                bot_id=bot,
            )
        )
    await lost(thread, f"<@{workspace.app.user_id}> status")
    await lost(thread, "a &lt; b", user=BEN)
    await world.bridge()
    await told(world, conversation, "one", "Ben: a < b")
    await thread.shows("plan.pdf")
    await thread.shows("Talking with Maria")
    locked = {"lock": [workspace.app.user_id]}
    await world.until(lambda: world.slack.reactions(CHANNEL, note) == locked)
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, file))
    await goes_on(thread, conversation, "one", "Ben: a < b", heard="Ana: after")
    for word in ("plan.pdf", "Talking with Maria"):
        assert sum(word in text for text in thread.texts) == 1


@pytest.mark.parametrize("error", ["missing_scope", "thread_not_found"])
async def test_a_thread_that_cannot_be_read_says_so_once(world: World, error: str) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    await bridge.stop()
    await lost(thread, *WORDS)
    world.slack.faults.refuse("conversations.replies", error, times=100)
    await world.bridge()
    await thread.shows("could not reach the bridge for a while")
    await goes_on(thread, conversation)
    await world.until(lambda: marked(world) == 0)
    assert sum("could not reach the bridge" in text for text in thread.texts) == 1
    assert thread.card["text"]
    assert 1 <= refused(world) <= 2  # a post of before may have been looked for


@asynccontextmanager
async def here(world: World) -> AsyncIterator[None]:
    """A bridge that runs in this process, so that its waits can be shortened."""
    async with running(load(world.env), stop=asyncio.Event()) as runner:
        world.slack.events_url = f"http://127.0.0.1:{bound_port(runner)}{PATH}"
        yield


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have threads that could not be read tried again sooner than in production."""
    monkeypatch.setattr(catching_up, "RETRY_SECONDS", (0.1, 0.1))
    monkeypatch.setattr(catching_up, "CREDENTIALS_WAIT", 0.5)
    monkeypatch.setattr(catching_up, "REFUSALS", 2)


@on_sqlite
@pytest.mark.parametrize("raises", [False, True], ids=["refused", "raises"])
@pytest.mark.usefixtures("soon")
async def test_a_message_that_can_never_be_taken_hides_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, raises: bool
) -> None:
    bridge = await world.bridge()
    other, poisoned = await pairs(world, 2)  # newest activity is read first
    await bridge.stop()
    await lost(poisoned.thread, *WORDS)
    await lost(other.thread, *WORDS)
    take, missed = Intake.message, MessageFastPath.missed

    async def refuse(self: Intake, message: ThreadMessage) -> None:
        if message.text == "two" and message.channel == poisoned.thread.channel:
            raise ValueError
        await take(self, message)

    async def fail(
        self: MessageFastPath, team: TeamId, channel: ChannelId, message: dict[str, object]
    ) -> bool:
        if channel == poisoned.thread.channel and len(said(world, other.conversation)) < 3:
            raise ValueError
        return await missed(self, team, channel, message)

    if raises:
        monkeypatch.setattr(MessageFastPath, "missed", fail)
    else:
        monkeypatch.setattr(Intake, "message", refuse)
    wanted = WORDS if raises else ["one", "three"]
    async with here(world):
        await told(world, other.conversation, *WORDS)
        await told(world, poisoned.conversation, *wanted)
        if not raises:
            await poisoned.thread.shows("could not be passed on")
        await goes_on(poisoned.thread, poisoned.conversation, *wanted)
        await world.until(lambda: marked(world) == 0)
        assert said(world, poisoned.conversation) == [*wanted, "after"]
    notes = sum("could not be passed on" in text for text in poisoned.thread.texts)
    assert notes == (not raises)


@on_sqlite
@pytest.mark.parametrize("error", ["not_in_channel", "channel_not_found", "is_archived"])
@pytest.mark.usefixtures("soon")
async def test_a_channel_that_is_shut_is_waited_for(world: World, error: str) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    await bridge.stop()
    await lost(thread, *WORDS)
    world.slack.faults.refuse("conversations.replies", error, times=4)
    async with here(world):
        await told(world, conversation, *WORDS)
    assert not any("could not reach" in text for text in thread.texts)


@on_sqlite
@pytest.mark.usefixtures("soon")
async def test_a_refused_installation_is_asked_again_after_a_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catching_up, "CREDENTIALS_WAIT", 3.0)
    bridge = await world.bridge()
    every = await pairs(world, 3)
    await bridge.stop()
    for pair in every:
        await lost(pair.thread, "one")
    world.slack.faults.refuse("conversations.replies", "token_revoked", times=1)
    async with here(world):
        for pair in every:
            await told(world, pair.conversation, "one")
    assert refused(world) == 1


@on_sqlite
@pytest.mark.usefixtures("soon")
async def test_a_foreign_workspace_is_told_nothing(world: World) -> None:
    bridge = await world.bridge()
    thread, _ = await world.talking()
    await bridge.stop()
    await lost(thread, "one")
    world.slack.faults.refuse("conversations.replies", "foreign_team", times=100)
    async with here(world):
        await world.until(lambda: refused(world) > 0)
        await world.until(lambda: marked(world) == 0)
    assert refused(world) == 1
    assert not any("could not reach" in text for text in thread.texts)


@on_sqlite
@pytest.mark.parametrize("error", ["ekm_access_denied", "token_revoked"])
async def test_a_refusal_that_passes_is_waited_out(
    world: World, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catching_up, "RETRY_SECONDS", (0.1, 0.1))
    monkeypatch.setattr(catching_up, "CREDENTIALS_WAIT", 0.5)
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    await bridge.stop()
    await lost(thread, *WORDS)
    world.slack.faults.refuse("conversations.replies", error, times=2)
    async with running(load(world.env), stop=asyncio.Event()) as runner:
        world.slack.events_url = f"http://127.0.0.1:{bound_port(runner)}{PATH}"
        await told(world, conversation, *WORDS)
        await goes_on(thread, conversation, *WORDS)
    assert not any("could not reach" in text for text in thread.texts)


async def test_an_event_that_comes_late_as_well(
    database_url: str, encryption_key: str, warm: Warm
) -> None:
    delays = (6.0,)
    async with world_of(database_url, encryption_key, warm=warm, redelivery_delays=delays) as world:
        bridge = await world.bridge()
        thread, conversation = await world.talking()
        await bridge.kill()
        stamps = [await world.slack.say(ANA, CHANNEL, text, thread_ts=thread.ts) for text in WORDS]
        await world.bridge()
        await told(world, conversation, *WORDS)
        late = [asyncio.create_task(world.slack.delivered(ts, CHANNEL)) for ts in stamps]
        await asyncio.wait(late, timeout=0)
        assert not any(outcome.done() for outcome in late)
        assert all(await asyncio.gather(*late))
        await goes_on(thread, conversation, *WORDS)


async def test_a_conversation_that_ended_meanwhile_is_told_as_closed(world: World) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    await bridge.stop()
    await lost(thread, "too late")
    await world.liveperson.close(conversation.id)
    await world.bridge()
    await thread.shows("ended the conversation")
    late = next(message for message in thread.replies if message["text"] == "too late")
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, late["ts"]))


@on_postgresql
@pytest.mark.timeout(180)
async def test_of_several_workers_each_reads_its_own(world: World) -> None:
    first = await world.bridge(BRIDGE_WORKER_ID="first")
    second = await world.bridge(BRIDGE_WORKER_ID="second")
    every = await pairs(world, 6)
    await asyncio.gather(first.stop(), second.stop())
    for pair in every:
        await lost(pair.thread, *WORDS)
    before = [read(world, pair.thread) for pair in every]
    await asyncio.gather(first.start(), second.start())
    world.route(first)
    for pair in every:
        await told(world, pair.conversation, *WORDS)
    assert [read(world, pair.thread) for pair in every] == [count + 1 for count in before]


async def beaten(store: Database) -> None:
    """Wait until the fleet's presence has been extended once more."""
    now = time.time() * 1000
    async with asyncio.timeout(10):
        while (await rows(store, select(PRESENCE.c.until)))[0][0] < now:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)


@on_postgresql
@both_ways
@pytest.mark.timeout(180)
async def test_while_another_worker_is_there_nothing_is_read(
    world: World, socket_mode: bool, store: Database
) -> None:
    first = await world.bridge(BRIDGE_WORKER_ID="first", socket_mode=socket_mode)
    second = await world.bridge(BRIDGE_WORKER_ID="second", socket_mode=socket_mode)
    if socket_mode:
        await world.until(lambda: world.slack.sockets.connected == 2)
    (pair,) = await pairs(world, 1)
    await pair.exchange()
    await beaten(store)
    await first.stop()
    await first.start()
    if not socket_mode:
        world.route(second)
    await pair.exchange()
    await asyncio.sleep(4)  # four leases: whoever wants to judge has judged
    await pair.exchange()
    gaps = [line for b in world.bridges for line in b.log if "out_of_reach" in str(line)]
    assert [line["threads"] for line in gaps if line["threads"]] == []
    assert read(world, pair.thread) == 0
