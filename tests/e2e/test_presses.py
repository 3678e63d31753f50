"""A press is two frames: whatever dies between them, the agent gets each once, in order."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable

import pytest

from lp_sandbox.liveperson.manners import RECEIPTS, Receipts
from tests.e2e.pressing import Card, button, card, heard, says, sent
from tests.e2e.warm import Warm
from tests.e2e.world import ANA, CHANNEL, World, said, world_of

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

PUBLISH = "ms.PublishEvent"
PATIENCE = 30.0
METADATA = [{"type": "Answer", "id": "a1", "questionId": "q", "n": 1.5}]
CHOICE = card(button("Yes", says("Yes, please"), metadata=METADATA), button("No", says("No")))


@pytest.fixture
async def world(database_url: str, encryption_key: str, warm: Warm) -> AsyncIterator[World]:
    """Both stand-ins, and bridges that start at once."""
    async with world_of(database_url, encryption_key, warm=warm) as world:
        world.env["BRIDGE_WORKER_ID"] = "the-only-one"
        yield world


async def comes_once(asked: Card, *, actions: bool = True) -> None:
    """Say a last word; the press must have come, once, in order, and the card must show it."""
    world, conversation = asked.world, asked.conversation
    await asked.thread.say("the last word")
    await world.until(lambda: "the last word" in said(world, conversation), PATIENCE)
    texts = [("text", "Yes, please", METADATA), ("text", "the last word", [])]
    action = [("ACTION", [asked.sequence], METADATA)]
    assert heard(world, conversation) == [*(action if actions else []), *texts]
    await asked.shows("chose")
    with pytest.raises(LookupError):
        asked.action("Yes")
    assert asked.action("No")


POINTS = [
    "inbox.committed",
    "publish.before",
    "publish.answered",
    "publish.noted",
    "publish.before:2",
    "publish.answered:2",
    "publish.noted:2",
    "post.before",
    "post.answered",
    "post.noted",
]


@pytest.mark.parametrize("point", POINTS)
async def test_a_press_survives_a_kill(world: World, point: str) -> None:
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    asked = await sent(world, thread, conversation, CHOICE)
    await world.until(lambda: asked.action("Yes"))
    await bridge.stop()
    dying = await world.bridge(BRIDGE_TEST_CRASH_AT=point)
    action, value = asked.action("Yes")
    await world.slack.click(ANA, CHANNEL, asked.ts, action, value)
    assert dying.process is not None
    assert await dying.process.wait() == -signal.SIGKILL
    await world.bridge()
    await comes_once(asked)


FAULTS: dict[str, Callable[[World], None]] = {
    "the receipt's answer is lost": lambda w: w.liveperson.faults.swallow_answer(
        PUBLISH, drop=True
    ),
    "the text's answer is lost": lambda w: w.liveperson.faults.swallow_answer(
        PUBLISH, drop=True, after=1
    ),
    "the receipt is lost": lambda w: w.liveperson.faults.drop_before(PUBLISH),
    "the text is lost": lambda w: w.liveperson.faults.drop_before(PUBLISH, after=1),
    "the change's answer is lost": lambda w: w.slack.faults.lost_answer("chat.update"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_press_survives_a_lost_answer(world: World, fault: str) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    asked = await sent(world, thread, conversation, CHOICE)
    FAULTS[fault](world)
    await asked.press("Yes")
    await comes_once(asked)


@pytest.mark.parametrize("receipts", RECEIPTS[1:])
async def test_an_answer_arrives_also_where_receipts_do_not(
    world: World, receipts: Receipts
) -> None:
    """Nobody is told that something is missing: the agent has the words."""
    world.liveperson.manners.receipts = receipts
    await world.bridge()
    thread, conversation = await world.talking()
    asked = await sent(world, thread, conversation, CHOICE)
    await asked.press("Yes")
    await comes_once(asked, actions=receipts not in ("refused", "uncounted"))
    assert not any("not delivered" in text for text in thread.texts)


async def test_what_is_not_delivered_is_marked_on_the_card(world: World) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    bad = card(button("Yes", says("Yes"), metadata=[{"type": "ExternalId", "id": "x", "more": 1}]))
    asked = await sent(world, thread, conversation, bad)
    await asked.press("Yes")
    await thread.shows("was not delivered")
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, asked.ts))
    await thread.say("hello")
    await world.until(lambda: said(world, conversation) == ["hello"])
