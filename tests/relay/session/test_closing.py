"""How a conversation comes to its end in the thread: the talk, the survey, everything."""

from __future__ import annotations

from typing import Any

import pytest

from lp_sandbox.liveperson.survey import HELLO, QUESTIONS, THANKS
from tests.e2e.world import ACCOUNT, CHANNEL, Thread, World, said
from tests.liveperson.schemas import faults

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

FIRST, SECOND = (question.text for question in QUESTIONS)


async def talk(world: World) -> tuple[Thread, Any]:
    """A talk in which an agent has said something. The end of an empty one is waited for."""
    thread, conversation = await world.talking()
    await world.liveperson.say(conversation.id, "Hello")
    await thread.shows("Hello")
    return thread, conversation


async def surveyed(world: World) -> tuple[Thread, Any]:
    """A talk with an agent, at an account that has a survey."""
    world.liveperson.accounts[ACCOUNT].survey = True
    return await talk(world)


def answers(world: World, conversation: Any) -> list[str]:
    return world.liveperson.survey_bot.answers(conversation)


def updates(world: World) -> list[Any]:
    """What the bridge has asked LivePerson to change, and whether the schemas allow it."""
    found = []
    for entry in world.wire.entries():
        frame = entry.body
        if not isinstance(frame, dict) or frame.get("kind") != "req":
            continue
        if frame.get("type") == "cm.UpdateConversationField":
            assert faults(frame) == []
            found.append(frame["body"]["conversationField"])
    return found


async def over(thread: Thread, conversation: Any) -> None:
    await thread.card_shows("lp_again")
    await thread.world.until(lambda: conversation.stage == "CLOSE")


async def test_a_survey_is_answered_in_the_thread(world: World) -> None:
    thread, conversation = await surveyed(world)
    await thread.press("lp_end")
    await thread.shows(FIRST)
    await thread.card_shows("Skip the survey")
    assert conversation.stage == "OPEN"
    question = await thread.shows(HELLO)
    assert question["username"] == "Survey (bot)"
    told = await thread.shows("A short survey follows")
    assert float(told["ts"]) < float(question["ts"])
    await thread.say("5")
    await thread.shows(SECOND)
    await thread.say("Yes")
    await thread.shows(THANKS)
    await thread.shows("The survey is complete")
    await over(thread, conversation)
    assert answers(world, conversation) == ["5", "Yes"]
    assert [each.text for each in conversation.main.events if each.role == "CONSUMER"] == []
    assert not any("not delivered" in text for text in thread.texts)
    assert [field["field"] for field in updates(world)] == ["DialogChange"]


async def test_a_survey_follows_what_the_agent_ends(world: World) -> None:
    thread, conversation = await surveyed(world)
    await world.liveperson.close(conversation.id)
    await thread.shows(FIRST)
    await thread.say("skip")
    await thread.shows("Maria (agent) ended the conversation")
    await over(thread, conversation)
    assert answers(world, conversation) == ["Skip"]


async def test_ending_once_more_declines_the_survey(world: World) -> None:
    thread, conversation = await surveyed(world)
    await thread.press("lp_end")
    await thread.card_shows("Skip the survey")
    await thread.press("lp_end")
    await over(thread, conversation)
    assert [field["field"] for field in updates(world)] == ["DialogChange", "Stage"]
    await thread.shows("ended from Slack")


async def test_an_idle_survey_lasts_until_liveperson_ends_it(world: World) -> None:
    thread, conversation = await surveyed(world)
    await world.liveperson.close(conversation.id)
    await thread.shows(FIRST)
    await world.liveperson.end(conversation.id)
    await over(thread, conversation)


async def test_without_a_survey_the_end_is_the_end(world: World) -> None:
    thread, conversation = await talk(world)
    await thread.press("lp_end")
    await over(thread, conversation)
    assert not any("survey" in text for text in thread.texts)


async def test_what_was_meant_for_the_agent_answers_no_survey(world: World) -> None:
    """Written while the bridge could not reach LivePerson, and the agent ended meanwhile."""
    thread, conversation = await surveyed(world)
    world.liveperson.faults.http_status("ums", 503, times=None)
    world.liveperson.faults.drop_sockets()
    stamp = await thread.say("one more thing")
    await world.liveperson.close(conversation.id)
    world.liveperson.faults.clear()
    await thread.shows(FIRST, timeout=30)
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, stamp))
    await thread.shows("had ended the conversation by then")
    await thread.say("4")
    await thread.say("No")
    await over(thread, conversation)
    assert answers(world, conversation) == ["4", "No"]
    assert said(world, conversation) == []


async def test_a_message_that_the_end_overtakes_is_told(world: World) -> None:
    """LivePerson refuses it, for the talk has just ended."""
    thread, conversation = await surveyed(world)
    world.liveperson.faults.lose_notifications("cqm.ExConversationChangeNotification")
    await world.liveperson.close(conversation.id)
    stamp = await thread.say("wait")
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, stamp))
    await thread.say("3")
    await world.until(lambda: answers(world, conversation) == ["3"])


async def test_a_talk_that_ends_without_anything_following(world: World) -> None:
    thread, conversation = await talk(world)
    await world.liveperson.close_main(conversation.id)
    told = await thread.shows("Maria (agent) ended the conversation", timeout=30)
    assert "lp_again" in str(told["blocks"])
    await thread.card_shows("The agent has ended the conversation")
    stamp = await thread.say("hello?")
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, stamp))
    await world.liveperson.end(conversation.id)
    await thread.card_shows("The conversation has ended")


async def test_what_agents_say_among_themselves_stays_there(world: World) -> None:
    thread, conversation = await world.talking()
    world.liveperson.manners.leaks = True
    await world.liveperson.say_to_agents(conversation.id, "INTERNAL: a VIP")
    await world.liveperson.say(conversation.id, "hello")
    await thread.shows("hello")
    assert "INTERNAL" not in str(thread.replies)


async def test_agents_are_called_with_the_first_message(world: World) -> None:
    thread = await world.connect()
    await thread.shows("Write your first message; an agent is called then")
    await thread.card_shows("Write your first message")
    await thread.say("hello")
    await thread.shows("Waiting for an agent")
    await thread.card_shows("Waiting for an agent")


async def test_a_bot_that_greets_at_once_has_joined_before(world: World) -> None:
    thread = await world.connect()
    conversation = await world.until(world.conversation)
    await thread.shows("Write your first message")
    greeting = {"type": "ContentEvent", "contentType": "text/plain", "message": "I am Maria"}
    for number in range(1, 6):
        await world.liveperson.accept(conversation.id)
        await world.liveperson.publish(
            conversation.id, greeting, metadata=[{"type": "BotResponse"}]
        )
        await world.until(lambda n=number: thread.texts.count("I am Maria") == n)  # type: ignore[misc]
        assert thread.texts[-2].endswith("joined the conversation.")
        await world.liveperson.back_to_queue(conversation.id)
        await world.until(lambda n=number: sum("left" in t for t in thread.texts) == n)  # type: ignore[misc]
    assert next(m for m in thread.replies if m["text"] == "I am Maria")["username"] == "Maria (bot)"


async def test_a_transfer_to_another_team_is_told(world: World) -> None:
    thread, conversation = await world.talking()
    world.liveperson.model.set_skill(conversation, "1001")
    await thread.shows("Waiting for another agent")  # from no team in particular: no transfer
    await world.liveperson.accept(conversation.id)
    await world.liveperson.to_skill(conversation.id, "1002")
    await thread.shows("You are being transferred to another team")
    await thread.card_shows("Waiting for an agent")


async def test_who_reads_along_takes_no_conversation_away(world: World) -> None:
    thread, conversation = await world.talking()
    maria = conversation.account.agent("maria")
    world.liveperson.model.join(conversation, maria, "READER")
    world.liveperson.model.suggest(conversation, conversation.account.agent("tom"))
    await world.liveperson.say(conversation.id, "still here")
    await thread.shows("still here")
    assert not any("passed on" in text or "left" in text for text in thread.texts)
    await thread.card_shows("Talking with Maria")


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("VOICE_CALL", "a voice call"),
        ("VIDEO_CALL", "a video call"),
        ("shared", "looking at a web page"),
    ],
)
async def test_what_needs_the_companys_own_page_is_told_once(
    world: World, mode: str, words: str
) -> None:
    thread, conversation = await world.talking()
    world.liveperson.model.invite(conversation, mode)
    await thread.shows(f"Maria (agent) proposes {words}")
    world.liveperson.faults.drop_sockets()  # the next connection is told of everything again
    await world.liveperson.say(conversation.id, "Shall we?")
    await thread.shows("Shall we?")
    assert sum("proposes" in text for text in thread.texts) == 1
    await thread.say("Rather in words")
    await world.until(lambda: said(world, conversation) == ["Rather in words"])


async def test_a_secure_form_is_named_by_its_title(world: World) -> None:
    thread, conversation = await world.talking()
    form = {"formId": "1", "invitationId": "2", "title": "Your new address"}
    event = {"type": "ContentEvent", "contentType": "forms/secure-invitation", "message": form}
    await world.liveperson.publish(conversation.id, event)
    told = await thread.shows("Sent a secure form")
    assert "Your new address" in told["text"]


async def test_a_talk_that_is_opened_again_goes_on(world: World) -> None:
    thread, conversation = await talk(world)
    await world.liveperson.close_main(conversation.id)
    await thread.card_shows("The agent has ended the conversation", timeout=30)
    world.liveperson.model.reopen(conversation)
    await thread.shows("The conversation goes on")
    await thread.card_shows("Talking with Maria")
    await thread.say("Good that you are back")
    await world.until(lambda: said(world, conversation) == ["Good that you are back"])
