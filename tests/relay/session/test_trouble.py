"""A message that cannot be delivered is marked, and the others are delivered."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Table, select

from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId
from bridge.relay.posting import hold
from bridge.store import inbox
from bridge.store.connection import Transaction
from bridge.store.database import open_database
from bridge.store.models import INBOX, OUTBOX, SESSIONS
from bridge.store.rows import NewInbox
from tests.e2e.world import ANA, BEN, CHANNEL, Thread, World, next_or_tick, said

sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def states(world: World, keys: str, table: Table) -> list[str]:
    """What became of the rows of a table, in order, once none of them waits any more."""
    query = select(table.c.state).order_by(table.c.id)
    async with (
        asyncio.timeout(30),
        open_database(world.env["DATABASE_URL"], keys=[keys]) as database,
        world.wire.watch() as news,
    ):
        while True:
            async with database.read() as transaction:
                found = [row.state for row in await transaction.execute(query)]
            if "waiting" not in found:
                return found
            await next_or_tick(news)


def direct_messages(world: World) -> list[str]:
    """What the bridge told Ana outside any channel."""
    return [str(message["text"]) for message in world.slack.messages("D0ANA")]


def told(thread: Thread, words: str) -> int:
    """How many replies say this."""
    return sum(words in text for text in thread.texts)


async def test_a_refused_message_is_marked_and_the_queue_goes_on(
    world: World, encryption_key: str
) -> None:
    thread, conversation = await world.talking()
    world.liveperson.faults.refuse_request("ms.PublishEvent", 400, reason="too rude", after=1)
    stamps = [await thread.say(f"up {number}") for number in range(4)]
    await world.until(lambda: said(world, conversation) == ["up 0", "up 2", "up 3"])
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, stamps[1]))
    await thread.shows("not delivered")
    assert told(thread, "not delivered") == 1
    marked = [ts for ts in stamps if world.slack.reactions(CHANNEL, ts)]
    assert marked == [stamps[1]]
    assert await states(world, encryption_key, INBOX) == ["sent", "failed", "sent", "sent"]
    assert conversation.state == "OPEN"


@pytest.mark.parametrize("times", [1, 3])
@sqlite_only
async def test_a_refused_token_is_renewed_and_is_not_the_persons_fault(
    world: World, times: int
) -> None:
    thread, conversation = await world.talking()
    world.liveperson.faults.refuse_request("ms.PublishEvent", 401, times=times, after=1)
    stamps = [await thread.say(f"up {number}") for number in range(3)]
    await world.until(lambda: len(said(world, conversation)) == 3, 60)
    assert said(world, conversation) == [f"up {number}" for number in range(3)]
    assert not any(world.slack.reactions(CHANNEL, ts) for ts in stamps)
    assert conversation.state == "OPEN"


@sqlite_only
async def test_a_message_that_no_token_helps_is_refused_in_the_end(world: World) -> None:
    thread, conversation = await world.talking()
    world.liveperson.faults.refuse_request("ms.PublishEvent", 401, times=5)
    refused = await thread.say("for nobody")
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, refused), 90)
    await thread.say("for Maria")
    await world.until(lambda: said(world, conversation) == ["for Maria"], 30)


@pytest.mark.parametrize("code", [429, 500, 503])
@sqlite_only
async def test_what_passes_is_no_refusal(world: World, code: int) -> None:
    thread, conversation = await world.talking()
    world.liveperson.faults.refuse_request("ms.PublishEvent", code, times=2, after=1)
    stamps = [await thread.say(f"up {number}") for number in range(4)]
    await world.until(lambda: len(said(world, conversation)) == 4, 40)
    assert said(world, conversation) == [f"up {number}" for number in range(4)]
    assert not any(world.slack.reactions(CHANNEL, ts) for ts in stamps)


async def test_messages_that_a_closing_overtakes_are_marked(world: World) -> None:
    thread, conversation = await world.talking()
    world.liveperson.faults.http_status("ums", 503, times=None)
    world.liveperson.faults.drop_sockets()
    stamps = [await thread.say(f"up {number}") for number in range(3)]
    await world.liveperson.close(conversation.id)
    world.liveperson.faults.clear()
    await thread.card_shows("lp_again", timeout=30)
    for ts in stamps:
        await world.until(lambda ts=ts: "warning" in world.slack.reactions(CHANNEL, ts))  # type: ignore[misc]
    await thread.shows("not delivered")
    assert told(thread, "not delivered") == 1
    assert told(thread, "ended") == 1
    assert said(world, conversation) == []


async def test_a_revoked_token_gives_nothing_up(
    world: World, encryption_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "CREDENTIALS_WAIT", 0.1)
    thread, conversation = await world.talking()
    for method in ("chat.postMessage", "chat.update", "reactions.add"):
        world.slack.faults.refuse(method, "invalid_auth", times=3)
    down = [f"down {number}" for number in range(3)]
    for text in down:
        await world.liveperson.say(conversation.id, text)
    note = await thread.say("// a note")
    await thread.shows(down[-1], timeout=30)
    await world.until(lambda: "lock" in world.slack.reactions(CHANNEL, note), 30)
    assert [text for text in thread.texts if text.startswith("down")] == down
    assert set(await states(world, encryption_key, OUTBOX)) == {"posted"}


@pytest.mark.parametrize("method", ["conversations.replies", "chat.postMessage"])
@sqlite_only
async def test_a_token_that_is_revoked_while_an_answer_is_looked_for(
    world: World, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "CREDENTIALS_WAIT", 0.1)
    thread, conversation = await world.talking()
    world.slack.faults.lost_answer("chat.postMessage")
    world.slack.faults.refuse(method, "token_revoked", times=2)
    await world.liveperson.say(conversation.id, "down 0")
    await world.liveperson.say(conversation.id, "down 1")
    await thread.shows("down 1", timeout=30)
    assert [text for text in thread.texts if text.startswith("down")] == ["down 0", "down 1"]


async def test_closing_is_idempotent(world: World) -> None:
    thread, conversation = await world.talking()
    await thread.say("goodbye")
    world.slack.faults.redeliver(times=2, at_once=True)
    async with asyncio.TaskGroup() as everybody:
        everybody.create_task(thread.press("lp_end"))
        everybody.create_task(thread.press("lp_end", user=BEN))
        everybody.create_task(thread.say("<@U0BRIDGE> end"))
    await world.until(lambda: conversation.state == "CLOSE")
    await thread.card_shows("lp_again")
    assert said(world, conversation) == ["goodbye"]
    assert told(thread, "ended from Slack") == 1
    late = await thread.say("too late", user=ANA)
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, late))
    assert told(thread, "ended from Slack") == 1


@sqlite_only
async def test_what_is_closed_on_both_sides_at_once_is_told_once(world: World) -> None:
    thread, conversation = await world.talking()
    world.liveperson.faults.lose_notifications("cqm.ExConversationChangeNotification", times=1)
    await world.liveperson.close(conversation.id)
    await thread.press("lp_end")
    await thread.card_shows("lp_again", timeout=30)
    assert told(thread, "ended") == 1


@sqlite_only
async def test_a_message_in_doubt_at_an_end_that_cannot_be_read_may_have_arrived(
    world: World, encryption_key: str
) -> None:
    """Its answer was lost, and LivePerson shows nothing any more; the next one never left."""
    thread, conversation = await world.talking()
    faults = world.liveperson.faults
    faults.swallow_answer("ms.PublishEvent", drop=True)
    faults.http_status("ums", 503, times=None)
    unsure = await thread.say("one")
    await world.until(lambda: said(world, conversation) == ["one"])
    lost = await thread.say("two")
    await world.liveperson.close(conversation.id)
    faults.clear()
    faults.refuse_request("ms.SubscribeMessagingEvents", 400, times=None)
    await thread.card_shows("lp_again", timeout=30)
    await thread.shows("was perhaps not delivered")
    await thread.shows("was not delivered. The conversation is over.")
    for ts in (unsure, lost):
        await world.until(lambda ts=ts: "warning" in world.slack.reactions(CHANNEL, ts))  # type: ignore[misc]
    async with (
        open_database(world.env["DATABASE_URL"], keys=[encryption_key]) as database,
        database.read() as transaction,
    ):
        query = select(INBOX.c.message_ts, INBOX.c.error).order_by(INBOX.c.id)
        reasons = {row.message_ts: row.error for row in await transaction.execute(query)}
    assert "does not tell" in reasons[unsure]
    assert "does not tell" not in reasons[lost]


@sqlite_only
async def test_an_item_of_a_later_version_is_told_on_its_message_and_stops_no_other(
    world: World, encryption_key: str
) -> None:
    thread, conversation = await world.talking()
    stamp = await thread.say("// something new")
    async with open_database(world.env["DATABASE_URL"], keys=[encryption_key]) as database:

        async def work(transaction: Transaction) -> None:
            session = (await transaction.execute(select(SESSIONS.c.id))).scalar_one()
            await inbox.add(
                transaction,
                session=SessionId(session),
                team=TeamId("T0SANDBOX"),
                channel=ChannelId(CHANNEL),
                ts=MessageTs(stamp),
                user=UserId(ANA),
                items=[NewInbox(kind="hologram", payload="{}")],
            )

        await database.writer.run(work)
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, stamp))
    await thread.say("something old")
    await world.until(lambda: said(world, conversation) == ["something old"])
    await thread.shows("This version of the bridge cannot send it.")
