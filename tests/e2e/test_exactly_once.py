"""Each message once, whatever the replay of a subscription is like: late, lost, cut short, mixed.

Every case is decided by what LivePerson has stored and by nothing else: silence proves nothing.
Each ends with a message that can leave only when the one before it is settled, so nothing has to
be waited for that must not happen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from lp_sandbox.liveperson.manners import (
    ECHOES,
    ORDERS,
    ORIGINATORS,
    RECEIPTS,
    Manners,
    Receipts,
)
from tests.e2e.warm import Warm
from tests.e2e.world import Bridge, Thread, World, said, world_of

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

PUBLISH = "ms.PublishEvent"
PATIENCE = 30.0
"""Seconds within which every message must have arrived."""
REPLAYS: dict[str, Callable[[World], None]] = {
    "0.7 s late": lambda world: world.liveperson.faults.delay_replays(0.7),
    "1.5 s late": lambda world: world.liveperson.faults.delay_replays(1.5),
    "lost": lambda world: world.liveperson.faults.lose_replays(),
    "lost twice": lambda world: world.liveperson.faults.lose_replays(times=2),
    "cut short": lambda world: world.liveperson.faults.cut_replays(keep=1),
}
TEXTS = {"different": ("three", "four"), "equal": ("ok", "ok")}


@pytest.fixture
async def world(database_url: str, encryption_key: str, warm: Warm) -> AsyncIterator[World]:
    """Both stand-ins, and bridges that start at once."""
    async with world_of(database_url, encryption_key, warm=warm) as world:
        world.env["BRIDGE_WORKER_ID"] = "the-only-one"
        yield world


@dataclass
class Talk:
    """A session in which each side has said something that has arrived."""

    world: World
    bridge: Bridge
    thread: Thread
    conversation: Any

    @property
    def heard(self) -> list[str]:
        """What LivePerson has of what was written in Slack."""
        return said(self.world, self.conversation)

    @property
    def shown(self) -> list[str]:
        """What the thread shows of the agents."""
        return [str(each["text"]) for each in self.thread.replies if "username" in each]

    async def answer(self, text: str, agent: str | None = None) -> None:
        """Have an agent say something."""
        await self.world.liveperson.say(self.conversation.id, text, agent)

    async def met(self, fault: str) -> None:
        """Wait until a fault that was set has had its occasions."""
        faults = self.world.liveperson.faults
        await self.world.until(
            lambda: all(rule.name != fault for rule in faults.waiting()), PATIENCE
        )

    async def comes_to(self, heard: list[str], shown: list[str]) -> None:
        """Exchange a last message each way; then everything must be there, once, in order."""
        await self.thread.say("the last word")
        await self.answer("and the agent's")
        heard, shown = [*heard, "the last word"], [*shown, "and the agent's"]
        try:
            await self.world.until(
                lambda: len(self.heard) >= len(heard) and len(self.shown) >= len(shown), PATIENCE
            )
        except TimeoutError:
            assert (self.heard, self.shown) == (heard, shown)
        assert self.heard == heard
        assert self.shown == shown


async def talk_in(world: World, *, silent_agent: str | None = None) -> Talk:
    """Start a bridge, and have a word each way. An agent beside Maria may listen."""
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    if silent_agent is not None:
        agent = conversation.account.agent(silent_agent)
        world.liveperson.model.join(conversation, agent, "MANAGER")
    talk = Talk(world, bridge, thread, conversation)
    await thread.say("one")
    await world.until(lambda: talk.heard == ["one"])
    await talk.answer("d1")
    await thread.shows("d1")
    return talk


@pytest.mark.parametrize("marker", [False, True], ids=["no marker", "marker"])
@pytest.mark.parametrize("text", ["two", "one"], ids=["another text", "the same text"])
@pytest.mark.parametrize("replay", REPLAYS)
async def test_a_message_that_was_stored_is_not_sent_again(
    world: World, replay: str, text: str, marker: bool
) -> None:
    """(A) Published and stored, then the socket is cut, and the replay is late or lost."""
    world.liveperson.manners.echo_metadata = marker
    talk = await talk_in(world)
    world.liveperson.faults.swallow_answer(PUBLISH, drop=True)
    REPLAYS[replay](world)
    await talk.thread.say(text)
    await talk.met("swallow_answer")
    await talk.comes_to(["one", text], ["d1"])


@pytest.mark.parametrize("receipts", RECEIPTS[1:])
@pytest.mark.parametrize("replay", ["1.5 s late", "lost twice"])
async def test_a_stored_message_is_found_whatever_becomes_of_receipts(
    world: World, replay: str, receipts: Receipts
) -> None:
    """(A) The number of a receipt would prove the dialog's end; here it tells nothing."""
    world.liveperson.manners.receipts = receipts
    talk = await talk_in(world)
    world.liveperson.faults.swallow_answer(PUBLISH, drop=True)
    REPLAYS[replay](world)
    await talk.thread.say("two")
    await talk.met("swallow_answer")
    await talk.comes_to(["one", "two"], ["d1"])


@pytest.mark.parametrize("receipts", RECEIPTS)
@pytest.mark.parametrize("replay", ["lost twice"])
@pytest.mark.parametrize("stored", [True, False], ids=["stored", "not stored"])
async def test_the_first_message_of_all_is_sent_once(
    world: World, stored: bool, replay: str, receipts: Receipts
) -> None:
    """(A) Nothing was ever seen of the dialog, so nothing known can come back in a replay."""
    world.liveperson.manners.receipts = receipts
    bridge = await world.bridge()
    thread, conversation = await world.talking()
    if stored:
        world.liveperson.faults.swallow_answer(PUBLISH, drop=True)
    else:
        world.liveperson.faults.drop_before(PUBLISH)
    REPLAYS[replay](world)
    talk = Talk(world, bridge, thread, conversation)
    await thread.say("one")
    await talk.met("swallow_answer" if stored else "drop_before")
    await talk.comes_to(["one"], [])


@pytest.mark.parametrize("replay", REPLAYS)
async def test_what_was_said_while_a_message_was_in_doubt_is_shown(
    world: World, replay: str
) -> None:
    """(B) Cut before the message was stored; the agent speaks meanwhile, and once more at once when
    the socket is back, before the replay could tell of the first."""
    talk = await talk_in(world)
    world.liveperson.faults.drop_before(PUBLISH)
    REPLAYS[replay](world)
    await talk.thread.say("two")
    await talk.met("drop_before")
    await talk.answer("d2")
    await world.until(lambda: subscriptions(world) > 1, PATIENCE)
    await talk.answer("d3")
    await talk.comes_to(["one", "two"], ["d1", "d2", "d3"])


@pytest.mark.parametrize("replay", REPLAYS)
async def test_what_was_lost_before_a_gap_is_shown(world: World, replay: str) -> None:
    """(B2) Nothing is in doubt: one notification is lost, and the replay too, or it is late."""
    talk = await talk_in(world)
    world.liveperson.faults.lose_notifications()
    await talk.answer("d2")
    await talk.met("lose_notifications")
    REPLAYS[replay](world)
    await talk.answer("d3")
    await talk.comes_to(["one"], ["d1", "d2", "d3"])


@pytest.mark.parametrize("marker", [False, True], ids=["no marker", "marker"])
@pytest.mark.parametrize("texts", TEXTS)
async def test_an_echo_is_not_taken_for_the_next_message_after_a_restart(
    world: World, texts: str, marker: bool
) -> None:
    """(C) After a restart no agent's name is known; see `an_echo_beside_an_unknown_agent`."""
    world.liveperson.manners.echo_metadata = marker
    talk = await talk_in(world)
    await talk.bridge.kill()
    await world.restart(talk.bridge)
    await talk.thread.say("two")
    await world.until(lambda: talk.heard == ["one", "two"], PATIENCE)
    await an_echo_beside_an_unknown_agent(talk, TEXTS[texts], agent="maria")
    await talk.comes_to(["one", "two", *TEXTS[texts]], ["d1", "d2"])


@pytest.mark.parametrize("marker", [False, True], ids=["no marker", "marker"])
@pytest.mark.parametrize("texts", TEXTS)
async def test_an_echo_is_not_taken_for_the_next_message(
    world: World, texts: str, marker: bool
) -> None:
    """(D) The same without a restart: an agent speaks whom nobody has looked up yet."""
    world.liveperson.manners.echo_metadata = marker
    talk = await talk_in(world, silent_agent="tom")
    await an_echo_beside_an_unknown_agent(talk, TEXTS[texts], agent="tom")
    await talk.comes_to(["one", *TEXTS[texts]], ["d1", "d2"])


async def an_echo_beside_an_unknown_agent(talk: Talk, texts: tuple[str, str], agent: str) -> None:
    """An agent's event and our echo come in one frame, before our message is answered; the look-up
    of the agent takes its time. Meanwhile comes the answer, and the next message is on its way and
    cut before it is stored: it must not be taken for the echo."""
    world, faults = talk.world, talk.world.liveperson.faults
    faults.hold_http("accdn", times=None)
    faults.batch_notifications(size=2, seconds=10.0)
    faults.slow_answer(PUBLISH, seconds=1.0)
    faults.drop_before(PUBLISH, after=1)
    await talk.answer("d2", agent)
    first, second = texts
    await talk.thread.say(first)
    await talk.thread.say(second)
    await world.until(lambda: talk.heard[-1] == first, PATIENCE)
    await talk.met("drop_before")
    faults.release_http()


@pytest.mark.parametrize("echo", [*ECHOES, "any"])
@pytest.mark.parametrize("unnumbered", [0.0, 1.0], ids=["numbered", "unnumbered"])
async def test_echoes_that_come_when_they_like(world: World, echo: Any, unnumbered: float) -> None:
    """No fault at all: both sides talk, some of it in equal words."""
    world.liveperson.manners.echo = echo
    world.liveperson.manners.unnumbered = unnumbered
    talk = await talk_in(world)
    await talk_freely(talk)


FORMS = [
    *(Manners(replay_order=order) for order in ORDERS),
    *(Manners(originator=originator) for originator in ORIGINATORS[1:]),
    Manners(from_inclusive=False),
    Manners(from_inclusive=False, replay_order="own last", originator="other id"),
]


@pytest.mark.parametrize(
    "form", FORMS, ids=lambda form: f"{form.replay_order}, {form.originator}, {form.from_inclusive}"
)
async def test_replays_in_any_form_lose_and_double_nothing(world: World, form: Manners) -> None:
    """The socket is cut in the middle of the talk, and the replay comes in small portions."""
    manners = world.liveperson.manners
    manners.replay_size, manners.replay_late = 2, (0.0, 0.4)
    manners.replay_order, manners.originator = form.replay_order, form.originator
    manners.from_inclusive = form.from_inclusive
    talk = await talk_in(world)
    world.liveperson.faults.swallow_answer(PUBLISH, drop=True, after=2)
    world.liveperson.faults.drop_before(PUBLISH, after=4)
    await talk_freely(talk)


async def talk_freely(talk: Talk) -> None:
    """Both sides say several things without waiting for each other."""
    ups = ["ok", "ok", "two", "three", "ok"]
    downs = ["d2", "yes", "yes", "d3", "d4"]
    for up, down in zip(ups, downs, strict=True):
        await talk.thread.say(up)
        await talk.answer(down)
    await talk.comes_to(["one", *ups], ["d1", *downs])


def subscriptions(world: World) -> int:
    """How often a dialog's events were asked for."""
    return sum(
        entry.title == "ms.SubscribeMessagingEvents" and entry.direction == "in"
        for entry in world.wire.entries()
    )


@pytest.mark.parametrize("blow", ["socket", "process"])
@pytest.mark.parametrize("replay", ["1.5 s late", "lost"])
async def test_an_answer_to_a_survey_is_given_once(world: World, replay: str, blow: str) -> None:
    """(A) in the dialog of a survey, with words that were said in the talk before."""
    world.liveperson.accounts["12345678"].survey = True
    world.liveperson.manners.unnumbered = 1.0
    talk = await talk_in(world)
    await talk.thread.say("5")
    await world.until(lambda: talk.heard == ["one", "5"])
    await talk.thread.press("lp_end")
    await talk.thread.shows("How would you rate")
    survey = talk.conversation.survey
    world.liveperson.faults.swallow_answer(PUBLISH, drop=blow == "socket")
    REPLAYS[replay](world)
    await talk.thread.say("5")
    await talk.met("swallow_answer")
    if blow == "process":
        await talk.bridge.kill()
        await world.restart(talk.bridge)
    await talk.thread.shows("Was your question resolved?", timeout=PATIENCE)
    await talk.thread.say("Yes")
    await talk.thread.shows("The survey is complete", timeout=PATIENCE)
    answers = [event.text for event in survey.events if event.role == "CONSUMER" and event.text]
    assert answers == ["5", "Yes"]
    assert talk.heard == ["one", "5"]
    assert talk.shown.count("Was your question resolved?") == 1
