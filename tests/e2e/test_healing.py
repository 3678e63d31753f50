"""The bridge recovers from faults of sockets, tokens, Slack, LivePerson and its own process."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.world import ACCOUNT, SIGNUP_ACCOUNT, Bridge, Thread, World, said

sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def exchange(world: World, thread: Thread, conversation: object, word: str) -> None:
    """Exchange a message each way; each arrives exactly once."""
    await thread.say(f"up {word}")
    await world.until(lambda: f"up {word}" in said(world, conversation), 30)
    await world.liveperson.say(conversation.id, f"down {word}")  # type: ignore[attr-defined]
    await thread.shows(f"down {word}", timeout=30)
    assert said(world, conversation).count(f"up {word}") == 1
    assert sum(f"down {word}" in text for text in thread.texts) == 1


async def test_after_kill_9_everything_goes_on(world: World) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    await exchange(world, thread, conversation, "before")
    await bridge.kill()
    await world.liveperson.say(conversation.id, "while you were away")
    undelivered = asyncio.create_task(thread.say("said to nobody yet"))
    await world.restart(bridge)
    await undelivered
    await thread.shows("while you were away")
    await world.until(lambda: "said to nobody yet" in said(world, conversation), 30)
    await exchange(world, thread, conversation, "after")
    assert sum("while you were away" in text for text in thread.texts) == 1


async def test_a_graceful_stop_loses_nothing(world: World) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    assert await bridge.stop() == 0
    assert bridge.errors() == []
    await world.restart(bridge)
    await exchange(world, thread, conversation, "after")


@sqlite_only
async def test_a_conversation_closed_while_away_is_seen_as_closed(world: World) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    await bridge.kill()
    await world.liveperson.say(conversation.id, "goodbye then")
    await world.liveperson.close(conversation.id)
    await world.restart(bridge)
    await thread.shows("goodbye then")
    await thread.card_shows("lp_again")


@sqlite_only
async def test_a_dropped_socket_is_restored(world: World) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    world.liveperson.faults.drop_sockets()
    await exchange(world, thread, conversation, "again")


@sqlite_only
async def test_a_long_outage_is_told_and_so_is_its_end(world: World) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    world.liveperson.faults.http_status("ums", 503, times=6)  # longer than the grace
    world.liveperson.faults.drop_sockets()
    await thread.shows("onnection", timeout=30)
    await thread.shows("The connection is back", timeout=90)
    await exchange(world, thread, conversation, "again")


@pytest.mark.parametrize("code", [4401, 4407, 1011])
@sqlite_only
async def test_the_session_survives_every_close_code(world: World, code: int) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    world.liveperson.faults.close_sockets(code)
    await exchange(world, thread, conversation, "again")


@sqlite_only
async def test_expired_tokens_are_renewed(world: World) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    world.liveperson.faults.expire_tokens()
    await exchange(world, thread, conversation, "again")
    assert len(world.liveperson.conversations) == 1


@sqlite_only
async def test_a_sign_up_identity_that_ends_is_told(world: World) -> None:
    await world.bridge()
    thread, _ = await world.talking(SIGNUP_ACCOUNT)
    world.liveperson.faults.expire_tokens()
    await thread.card_shows("lp_again", timeout=80)


@pytest.mark.parametrize("when", ["before", "after"])
@sqlite_only
async def test_an_answer_lost_is_looked_for_before_sending_again(world: World, when: str) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    faults = world.liveperson.faults
    for number in range(3):
        if when == "before":
            faults.drop_before("ms.PublishEvent", times=1)
        else:
            faults.swallow_answer("ms.PublishEvent", times=1, drop=True)
        await thread.say("the same words")
        await world.until(
            lambda number=number: len(said(world, conversation)) == number + 1,  # type: ignore[misc]
            30,
        )
    await exchange(world, thread, conversation, "after")
    assert said(world, conversation) == ["the same words"] * 3 + ["up after"]


@pytest.mark.parametrize("fault", ["lost_answer", "server_error", "rate_limit"])
@sqlite_only
async def test_slack_fails_and_nothing_is_doubled(world: World, fault: str) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    if fault == "lost_answer":
        world.slack.faults.lost_answer("chat.postMessage", times=2)
    elif fault == "server_error":
        world.slack.faults.server_error("chat.postMessage", status=503, times=2)
    else:
        world.slack.faults.rate_limit("chat.postMessage", retry_after=1, times=2)
    for number in range(3):
        await world.liveperson.say(conversation.id, f"line {number}")
    await thread.shows("line 2", timeout=30)
    lines = [text for text in thread.texts if text.startswith("line")]
    assert lines == ["line 0", "line 1", "line 2"]


@sqlite_only
async def test_hidden_numbers_are_no_reason_to_wait_for_ever(world: World) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    await world.liveperson.say(conversation.id, "first")
    await world.liveperson.say_to_agents(conversation.id, "between us agents")
    await world.liveperson.say(conversation.id, "second")
    await thread.shows("second")
    assert not any("between us" in text for text in thread.texts)


@sqlite_only
async def test_an_opening_whose_answer_is_lost_opens_once(world: World) -> None:
    await world.bridge()
    world.liveperson.faults.swallow_answer("cm.ConsumerRequestConversation", times=1, drop=True)
    thread = await world.connect()
    await thread.shows("agent", timeout=30)
    assert len(world.liveperson.conversations) == 1
    conversation = world.conversation(ACCOUNT)
    await world.liveperson.accept(conversation.id)
    await exchange(world, thread, conversation, "hello")


@sqlite_only
async def test_a_second_bridge_on_the_same_file_refuses(world: World) -> None:
    await world.bridge()
    second = Bridge(world.env)
    world.bridges.append(second)
    await second.start(ready=False)
    assert second.process is not None
    async with asyncio.timeout(20):
        assert await second.process.wait() == 2
    await second.stop()
    assert any("Another bridge" in str(line) for line in second.log)
    assert not any("Traceback" in str(line) for line in second.log)
