"""Bad input gets a clear answer and loses nothing."""

from __future__ import annotations

import pytest

from tests.e2e.world import ACCOUNT, ANA, CHANNEL, World, said

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.mark.parametrize("typed", ["abc", "🙂", "1" * 200, "12 34", "payload"])
async def test_what_is_no_account_is_answered_and_opens_nothing(world: World, typed: str) -> None:
    bridge = await world.bridge()
    answer = await world.slack.command(ANA, CHANNEL, f"connect {typed}")
    assert answer.status == 200
    assert answer.response is not None
    assert "/lp connect 12345678" in str(answer.response)
    assert "1" * 50 not in str(answer.response)
    assert world.slack.messages(CHANNEL) == []
    assert bridge.errors() == []


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ("40100000", "sign in"),
        ("66600000", "does not trust"),
        ("44010000", "closes the connection"),
        ("10060000", "closes the connection"),
    ],
    ids=["idp refuses", "foreign host", "closes with 4401", "cut at once"],
)
async def test_an_account_that_cannot_be_reached_says_why(
    world: World, account: str, words: str
) -> None:
    bridge = await world.bridge()
    thread = await world.connect(account)
    await thread.card_shows("lp_again", timeout=30)
    assert words in thread.card_text()
    assert "Traceback" not in thread.card_text()
    assert bridge.errors() == []


async def test_a_bot_that_is_not_in_the_channel_says_how_to_invite_it(world: World) -> None:
    await world.bridge()
    await world.slack.command(ANA, "C0NOBOT", f"connect {ACCOUNT}")
    await world.until(
        lambda: any("/invite" in str(m) for m in world.slack.ephemerals("C0NOBOT", ANA))
    )
    assert world.liveperson.conversations == {}


async def test_a_deleted_thread_ends_the_conversation_and_is_told(world: World) -> None:
    await world.bridge(BRIDGE_THREAD_GONE_SECONDS="2")
    thread, conversation = await world.talking()
    await world.slack.delete(CHANNEL, thread.ts)
    await world.liveperson.say(conversation.id, "are you still there?")
    await world.until(lambda: conversation.state == "CLOSE", 30)


async def test_the_word_payload_is_a_word(world: World) -> None:
    await world.bridge()
    thread = await world.connect(channel="C0PAYLOAD")
    conversation = await world.until(world.conversation)
    await thread.say("payload=1&payload")
    await world.until(lambda: said(world, conversation) == ["payload=1&payload"])


async def test_frames_that_make_no_sense_are_ignored(world: World) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    for frame in ("not json", "[]", "null", '{"kind":"riddle"}', '{"kind":"notification"}'):
        world.liveperson.faults.push(frame, conversation=conversation.id)
    foreign = (
        '{"kind":"notification","type":"ms.MessagingEventNotification","body":{"changes":[{'
        '"sequence":1,"originatorId":"x","serverTimestamp":1,"dialogId":"not-ours","event":'
        '{"type":"ContentEvent","contentType":"text/plain","message":"from elsewhere"}}]}}'
    )
    world.liveperson.faults.push(foreign, conversation=conversation.id)
    await world.liveperson.say(conversation.id, "still here")
    await thread.shows("still here")
    assert not any("from elsewhere" in text for text in thread.texts)
    assert bridge.errors() == []
