"""How a conversation was: asked once, answered once, and passed on whatever dies in between."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from bridge.store import sessions
from lp_sandbox.liveperson.accounts import Csat
from lp_sandbox.liveperson.conversations import SandboxConversation
from tests.e2e.world import ACCOUNT, ANA, CHANNEL, Thread, World

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

UPDATE = "cm.UpdateConversationField"
ASKED = "How was this conversation?"


@dataclass
class Asked:
    """A conversation that is over, and the question."""

    world: World
    thread: Thread
    conversation: SandboxConversation

    @property
    def question(self) -> dict[str, Any]:
        found = [m for m in self.thread.replies if "rate" in m["text"].lower()]
        return found[0]

    async def press(self, answer: str, **more: Any) -> None:
        result = await self.world.slack.click(
            ANA, CHANNEL, self.question["ts"], f"lp_rate:{answer}", **more
        )
        assert result.status == 200

    async def rated(self, timeout: float = 15.0) -> dict[str, Any]:
        await self.world.until(lambda: self.conversation.csat, timeout)
        csat = self.conversation.csat
        assert csat is not None
        return {name: value for name, value in csat.items() if name != "field"}

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The ratings that LivePerson was sent."""
        return [
            entry.body["body"]["conversationField"][0]
            for entry in self.world.wire.entries()
            if entry.title == UPDATE
            and entry.direction == "in"
            and entry.body["body"]["conversationField"][0]["field"] == "CSATRate"
        ]

    @property
    def private(self) -> list[str]:
        return [
            m["text"]
            for m in self.world.slack.ephemerals(CHANNEL, ANA)
            if m.get("thread_ts") == self.thread.ts
        ]


@pytest.fixture
async def asked(world: World) -> Asked:
    thread, conversation = await world.talking()
    await thread.say("hello")
    await world.liveperson.close(conversation.id)
    await thread.shows(ASKED)
    return Asked(world, thread, conversation)


FILLED = {"csatRate": 5, "csatResolutionConfirmation": True, "status": "FILLED"}


async def test_two_answers_go_in_one_frame_and_cannot_be_given_twice(asked: Asked) -> None:
    await asked.press("5")
    await asked.world.until(lambda: "Was your question resolved?" in asked.question["text"])
    await asked.press("yes")
    assert await asked.rated() == FILLED
    await asked.world.until(lambda: "Thank you" in asked.question["text"])
    assert "lp_rate" not in str(asked.question["blocks"])
    assert len(asked.frames) == 1


async def test_of_two_who_press_the_first_counts_and_the_other_is_told(asked: Asked) -> None:
    button = asked.question
    await asked.press("2")
    await asked.world.slack.click(ANA, CHANNEL, button["ts"], "lp_rate:2")  # as it stood
    await asked.world.until(lambda: any("answered already" in text for text in asked.private))
    await asked.world.until(lambda: "resolved?" in asked.question["text"])
    await asked.press("no")
    rated = await asked.rated()
    assert (rated["csatRate"], rated["csatResolutionConfirmation"]) == (2, False)


async def test_a_redelivered_press_is_no_second_one(asked: Asked) -> None:
    ts = asked.world.slack.workspace.next_ts(CHANNEL)
    await asked.press("4", action_ts=ts)
    await asked.press("4", action_ts=ts)
    await asked.world.until(lambda: "resolved?" in asked.question["text"])
    assert asked.private == []


async def test_nobody_has_to_rate(asked: Asked) -> None:
    await asked.press("skip")
    assert await asked.rated() == {"status": "SKIPPED"}
    await asked.world.until(lambda: "not rated" in asked.question["text"])


@pytest.mark.parametrize("csat", ["tolerant", "complete"])
async def test_the_second_question_may_be_left_out(asked: Asked, csat: Csat) -> None:
    asked.conversation.account.csat = csat
    await asked.press("3")
    await asked.world.until(lambda: "resolved?" in asked.question["text"])
    await asked.press("leave")
    rated = await asked.rated()
    assert (rated["csatRate"], rated["status"]) == (3, "PARTIALLY_FILLED")
    if csat == "tolerant":
        assert "csatResolutionConfirmation" not in rated
    await asked.world.until(lambda: "Thank you" in asked.question["text"])


async def test_a_lost_answer_is_asked_for_again_and_is_no_failure(asked: Asked) -> None:
    asked.conversation.account.csat = "once"
    asked.world.liveperson.faults.swallow_answer(UPDATE, drop=True)
    await asked.press("5")
    await asked.world.until(lambda: "resolved?" in asked.question["text"])
    await asked.press("yes")
    await asked.world.until(lambda: len(asked.frames) == 2)
    assert await asked.rated() == FILLED
    await asyncio.sleep(0.3)
    assert not any("could not be passed on" in text for text in asked.thread.texts)


async def test_what_liveperson_does_not_take_is_told(asked: Asked) -> None:
    asked.world.liveperson.faults.refuse_request(UPDATE, 403)
    await asked.press("5")
    await asked.world.until(lambda: "resolved?" in asked.question["text"])
    await asked.press("yes")
    await asked.thread.shows("could not be passed on")


async def test_a_survey_and_the_question_never_come_both(world: World) -> None:
    world.liveperson.accounts[ACCOUNT].survey = True
    thread, conversation = await world.talking()
    await thread.say("hello")
    await world.until(lambda: any(e.text == "hello" for e in conversation.main.events))
    await world.liveperson.close(conversation.id)
    await thread.shows("How would you rate your overall experience?")
    await thread.say("skip")
    await thread.shows("The survey is complete")
    await thread.say("is that all?")
    await thread.shows("has ended")  # posted after what belongs to the end
    assert not any(ASKED in text for text in thread.texts)


async def test_nobody_is_asked_about_a_conversation_without_an_agent(world: World) -> None:
    thread = await world.connect()
    conversation = await world.until(world.conversation)
    await thread.say("hello")
    await world.liveperson.close(conversation.id, by="system")
    await thread.shows("ended the conversation")
    await thread.say("still there?")
    await thread.shows("has ended")
    assert not any(ASKED in text for text in thread.texts)
    assert "lp_rate" not in str(thread.replies)


async def test_it_is_too_late_after_a_day(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    now = sessions.now_ms()
    monkeypatch.setattr("bridge.relay.intake.rating.sessions.now_ms", lambda: now + 25 * 3_600_000)
    await asked.press("5")
    await asked.world.until(lambda: any("too late" in text for text in asked.private))
    assert asked.frames == []
