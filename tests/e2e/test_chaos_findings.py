"""Errors that chaos runs have found, each in its smallest form: several workers, one session."""

from __future__ import annotations

import asyncio
import json
import signal

import psycopg
import pytest

from lp_sandbox.slack.model import Channel
from tests.e2e.world import (
    ACCOUNT,
    ANA,
    CHANNEL,
    Thread,
    World,
    held_up,
    is_card,
    said,
    was_held_up,
)

pytestmark = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


async def cut_wakeups(url: str) -> None:
    """End the connections on which the workers listen; they come back by themselves."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'lp-bridge wake-ups'"
        )


async def test_a_message_for_another_worker_is_not_overtaken_by_the_next(
    world: World, database_url: str
) -> None:
    """The owner is told of both at the same time, since no wake-up came for the first."""
    owner = await world.bridge()
    thread, conversation = await world.talking()
    other = await world.bridge()
    expected = []
    for number in range(5):
        await cut_wakeups(database_url)
        world.route(other)
        await thread.say(f"first {number}")
        world.route(owner)
        await thread.say(f"then {number}")
        expected += [f"first {number}", f"then {number}"]
    await world.until(lambda: len(said(world, conversation)) == len(expected))
    assert said(world, conversation) == expected


async def test_a_command_that_comes_again_at_another_worker_opens_nothing(world: World) -> None:
    owner = await world.bridge()
    other = await world.bridge()
    for bridge in (owner, other):
        world.route(bridge)
        answer = await world.slack.command(
            ANA, CHANNEL, f"connect {ACCOUNT}", trigger_id="1700000000.1.same"
        )
        assert answer.status == 200
    conversation = await world.until(world.conversation)
    card = await world.until(lambda: [m["ts"] for m in world.slack.messages(CHANNEL) if is_card(m)])
    await world.liveperson.accept(conversation.id)
    thread = Thread(world, CHANNEL, card[0])
    await thread.shows("joined")
    await other.stop()  # whatever it was about to do is done
    await owner.stop()
    assert len(world.liveperson.conversations) == 1
    assert sum("Write your first message" in text for text in thread.texts) == 1
    assert len([m for m in world.slack.messages(CHANNEL) if is_card(m)]) == 1


async def test_a_worker_that_was_paused_posts_nothing_of_what_it_had_waiting(world: World) -> None:
    """Even if its next heartbeat comes before its sessions notice that others own them."""
    owner = await world.bridge()
    thread, conversation = await world.talking()
    held_up(world, CHANNEL)
    for number in range(12):
        await world.liveperson.say(conversation.id, f"answer {number}")
    await world.until(lambda: was_held_up(world))
    await world.bridge()
    assert owner.process is not None
    owner.process.send_signal(signal.SIGSTOP)
    await thread.shows("answer 11", timeout=40)
    owner.process.send_signal(signal.SIGCONT)
    await owner.logged("session.let_go")
    await world.liveperson.say(conversation.id, "the last answer")
    await thread.shows("the last answer", timeout=40)
    shown = [text for text in thread.texts if "answer" in text]
    assert shown == [*(f"answer {number}" for number in range(12)), "the last answer"]
    assert await asyncio.wait_for(owner.stop(), 20) == 0, json.dumps(owner.log[-3:])


async def test_sessions_handed_over_at_their_end_still_get_their_cards(world: World) -> None:
    """The last word is posted while the worker stops: the card is left to the next one.

    Several sessions, because it takes an unlucky moment.
    """
    bridge = await world.bridge()
    threads: list[Thread] = []
    for number in range(8):
        channel = f"C0END{number}"
        people = set(world.slack.workspace.users)
        world.slack.workspace.channels[channel] = Channel(channel, channel, "channel", people)
        thread = await world.connect(channel=channel)
        threads.append(thread)
    await world.until(lambda: len(world.liveperson.conversations) == len(threads))
    for conversation in world.liveperson.conversations:
        await world.liveperson.accept(conversation)
        for number in range(6):  # uses the channel's burst up: what follows waits for its turn
            await world.liveperson.say(conversation, f"answer {number}")
        await world.liveperson.close(conversation)
    await asyncio.gather(*(thread.shows("answer 5") for thread in threads))
    assert await bridge.stop() == 0
    await world.restart(bridge)
    await asyncio.gather(*(thread.card_shows("lp_again") for thread in threads))
    for thread in threads:
        assert sum("ended the conversation" in text for text in thread.texts) == 1
