"""The database is busy, locked, restarted or away: nothing is acknowledged that is not stored."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from sqlalchemy import make_url, update

from bridge.slack.receiver.ingress import PATH
from bridge.store.database import open_database
from bridge.store.models import SESSIONS
from lp_sandbox.slack.delivery import sign
from tests.e2e.warm import Warm
from tests.e2e.world import ACCOUNT, ANA, CHANNEL, Bridge, Thread, World, said, world_of
from tests.postgres import Postgres

on_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.fixture
async def world(database_url: str, encryption_key: str, warm: Warm) -> AsyncIterator[World]:
    """Stand-ins, and a Slack that asks again for as long as needed."""
    patience = (0.2,) * 300
    async with world_of(
        database_url, encryption_key, warm=warm, redelivery_delays=patience
    ) as world:
        world.env["BRIDGE_LEASE_SECONDS"] = "1"
        yield world


async def ask_patiently(world: World, bridge: Bridge, text: str) -> int:
    """Deliver a message by hand, too, and wait for the answer longer than Slack does."""
    event = await world.until(
        lambda: next(
            (
                entry.body
                for entry in world.wire.entries()
                if entry.direction == "out"
                and entry.channel == "events"
                and entry.body["event"].get("text") == text
            ),
            None,
        )
    )
    body = json.dumps(event).encode()
    headers = sign(world.slack.signing_secret.encode(), body, str(int(time.time())))
    headers["Content-Type"] = "application/json"
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{bridge.port}{PATH}", data=body, headers=headers) as answer,
    ):
        return answer.status


def crashed(bridge: Bridge) -> list[object]:
    """Sessions whose actor crashed."""
    return [line for line in bridge.log if line.get("event") == "session.crashed"]


async def exchange(world: World, thread: Thread, word: str) -> None:
    """Exchange a message each way; each arrives once."""
    conversation = world.conversation(ACCOUNT)
    await world.liveperson.say(conversation.id, f"down {word}")
    await thread.say(f"up {word}")
    await world.until(lambda: f"up {word}" in said(world, conversation), 60)
    await thread.shows(f"down {word}", timeout=60)
    assert said(world, conversation).count(f"up {word}") == 1
    assert thread.texts.count(f"down {word}") == 1


@on_postgresql
async def test_while_the_server_is_down_slack_gets_a_5xx(world: World, postgres: Postgres) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    await exchange(world, thread, "before")
    postgres.stop()
    try:
        # Both sides go on talking, for longer than the lease.
        ts = await world.slack.say(ANA, CHANNEL, "up meanwhile", thread_ts=thread.ts)
        await world.liveperson.say(conversation.id, "down meanwhile")
        assert await ask_patiently(world, bridge, "up meanwhile") >= 500
    finally:
        postgres.start()
    assert await world.slack.delivered(ts, CHANNEL)
    await world.until(lambda: "up meanwhile" in said(world, conversation), 60)
    await thread.shows("down meanwhile", timeout=60)
    await exchange(world, thread, "after")
    assert said(world, conversation) == ["up before", "up meanwhile", "up after"]
    assert thread.texts.count("down meanwhile") == 1
    assert len(world.liveperson.conversations) == 1
    assert crashed(bridge) == []


@on_postgresql
async def test_cut_connections_are_made_anew(world: World, postgres: Postgres) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    name = str(make_url(world.env["DATABASE_URL"]).database)
    for number in range(5):
        said_now = asyncio.create_task(exchange(world, thread, str(number)))
        postgres.cut_connections(name)
        await said_now
    assert said(world, conversation) == [f"up {number}" for number in range(5)]
    assert crashed(bridge) == []


@on_sqlite
async def test_while_the_file_is_locked_nothing_is_acknowledged(world: World) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    await exchange(world, thread, "before")
    lock = sqlite3.connect(str(make_url(world.env["DATABASE_URL"]).database), isolation_level=None)
    try:
        lock.execute("BEGIN IMMEDIATE")
        ts = await world.slack.say(ANA, CHANNEL, "up meanwhile", thread_ts=thread.ts)
        await world.liveperson.say(conversation.id, "down meanwhile")
        # Slack itself waits for 3 seconds only, and asks again.
        await world.until(lambda: any("redelivery" in e.title for e in world.wire.entries()), 30)
        outcome = asyncio.create_task(world.slack.delivered(ts, CHANNEL))
        await asyncio.wait({outcome}, timeout=0)
        assert not outcome.done()
    finally:
        lock.close()
    assert await outcome
    await world.until(lambda: "up meanwhile" in said(world, conversation), 60)
    await thread.shows("down meanwhile", timeout=60)
    await exchange(world, thread, "after")
    assert said(world, conversation) == ["up before", "up meanwhile", "up after"]
    assert thread.texts.count("down meanwhile") == 1
    assert crashed(bridge) == []


async def test_a_claim_that_nobody_was_told_of_is_given_up(
    world: World, encryption_key: str
) -> None:
    """The commit of a claim takes effect and its answer is lost: the session is ours, but idle."""
    bridge = await world.bridge(BRIDGE_WORKER_ID="the-only-one")
    thread, conversation = await world.talking()
    async with open_database(world.env["DATABASE_URL"], keys=[encryption_key]) as database:
        await database.writer.run(
            lambda connection: connection.execute(
                update(SESSIONS).values(owner="the-only-one", epoch=SESSIONS.c.epoch + 1)
            )
        )
    await exchange(world, thread, "after")
    assert said(world, conversation) == ["up after"]
    await bridge.logged("worker.releases_strays")
