"""How a conversation ends: the talk, the survey after it, and everything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.liveperson.conversations import Refused
from lp_sandbox.liveperson.survey import HELLO, QUESTIONS, THANKS
from tests.sandbox.liveperson.consumer import TELECOM, Consumer, consumer, sign_up
from tests.sandbox.liveperson.test_agent_socket import agent, on_duty, ringing

Json = dict[str, Any]
STAGE = {"field": "Stage", "conversationState": "CLOSE"}
STATE = {"field": "ConversationStateField", "conversationState": "CLOSE"}


def change_of(dialog: str) -> Json:
    return {
        "field": "DialogChange",
        "type": "UPDATE",
        "dialog": {"dialogId": dialog, "state": "CLOSE", "closedCause": "Closed by consumer"},
    }


@pytest.fixture
def surveyed(sandbox: LivePersonSandbox) -> LivePersonSandbox:
    """The stand-in, with an account that has a survey."""
    sandbox.accounts[TELECOM].survey = True
    return sandbox


@asynccontextmanager
async def ana_on(
    sandbox: LivePersonSandbox, *features: str, assigned: bool = True
) -> AsyncIterator[tuple[Consumer, str]]:
    """A consumer who follows her conversation."""
    listed = ", ".join(f'"{each}"' for each in features)
    headers = {
        "Client-Properties": f'{{"type": ".ClientProperties", "features": [{listed}]}}',
    }
    async with consumer(sandbox, await sign_up(sandbox), headers=headers) as ana:
        await ana.ask("cqm.SubscribeExConversations", {"convState": ["OPEN", "CLOSE"]})
        dialog = await ana.converse()
        if assigned:
            await sandbox.accept(dialog)
        yield ana, dialog


async def update(ana: Consumer, conversation: str, field: Json) -> int:
    body = {"conversationId": conversation, "conversationField": field}
    return int((await ana.ask("cm.UpdateConversationField", body))["code"])


async def details(ana: Consumer) -> Json:
    """The conversation as it was told last."""
    await ana.settled()
    told = [f for f in ana.heard if f.get("type") == "cqm.ExConversationChangeNotification"]
    found: Json = told[-1]["body"]["changes"][-1]["result"]["conversationDetails"]
    return found


async def test_the_talk_ends_and_a_survey_follows(surveyed: LivePersonSandbox) -> None:
    async with ana_on(surveyed, "MULTI_DIALOG") as (ana, dialog):
        assert await update(ana, dialog, change_of(dialog)) == 200
        seen = await details(ana)
        assert (seen["state"], seen["stage"], seen["closeReason"]) == ("CLOSE", "OPEN", "CONSUMER")
        main, survey = seen["dialogs"]
        assert (main["dialogType"], main["state"]) == ("MAIN", "CLOSE")
        assert (survey["dialogType"], survey["state"]) == ("POST_SURVEY", "OPEN")
        assert survey["dialogId"] != dialog
        assert (await ana.publish(dialog, "late"))["code"] == 400
        name = survey["dialogId"]
        await ana.ask("ms.SubscribeMessagingEvents", {"dialogId": name, "fromSeq": 0})
        await ana.settled()
        assert ana.messages() == [(0, HELLO), (1, QUESTIONS[0].text)]
        question = ana.heard[-2]["body"]["changes"][-1]
        (metadata,) = question["metadata"]
        first = question["event"]["quickReplies"]["replies"][0]["click"]
        assert metadata["type"] == "Question"
        assert first["metadata"][0]["id"] == metadata["replies"][0]
        for answer in ("5", "perhaps", "yes"):
            assert (await ana.publish(name, answer))["code"] == 200
        seen = await details(ana)
        assert (seen["state"], seen["stage"]) == ("CLOSE", "CLOSE")
        assert seen["dialogs"][1]["closedCause"] == "Completed"
        assert ana.messages()[-1][1] == THANKS
        conversation = surveyed.conversations[dialog]
        assert surveyed.survey_bot.answers(conversation) == ["5", "yes"]


async def test_a_survey_is_skipped_by_the_word(surveyed: LivePersonSandbox) -> None:
    async with ana_on(surveyed, "MULTI_DIALOG") as (ana, dialog):
        await surveyed.close(dialog)
        survey = (await details(ana))["dialogs"][1]["dialogId"]
        await ana.publish(survey, "skip")
        assert (await details(ana))["stage"] == "CLOSE"


async def test_stage_ends_everything(surveyed: LivePersonSandbox) -> None:
    async with ana_on(surveyed, "MULTI_DIALOG") as (ana, dialog):
        await surveyed.close(dialog)
        assert (await details(ana))["stage"] == "OPEN"
        assert await update(ana, dialog, STAGE) == 200
        seen = await details(ana)
        assert [each["state"] for each in seen["dialogs"]] == ["CLOSE", "CLOSE"]
        assert (seen["stage"], seen["closeReason"]) == ("CLOSE", "AGENT")
        assert await update(ana, dialog, STAGE) == 400


async def test_no_survey_where_no_agent_was_assigned(surveyed: LivePersonSandbox) -> None:
    async with ana_on(surveyed, "MULTI_DIALOG", assigned=False) as (ana, dialog):
        assert await update(ana, dialog, change_of(dialog)) == 200
        assert (await details(ana))["stage"] == "CLOSE"


async def test_who_knows_one_dialog_only_closes_the_conversation(
    surveyed: LivePersonSandbox,
) -> None:
    async with ana_on(surveyed) as (ana, dialog):
        assert await update(ana, dialog, change_of(dialog)) == 400
        assert await update(ana, dialog, STATE) == 200
        seen = await details(ana)
        assert (seen["stage"], len(seen["dialogs"])) == ("CLOSE", 1)


async def test_the_talk_can_end_without_anything_following(sandbox: LivePersonSandbox) -> None:
    async with ana_on(sandbox, "MULTI_DIALOG") as (ana, dialog):
        await sandbox.close_main(dialog)
        seen = await details(ana)
        assert (seen["state"], seen["stage"], len(seen["dialogs"])) == ("CLOSE", "OPEN", 1)
        await sandbox.end(dialog)
        assert (await details(ana))["stage"] == "CLOSE"


async def test_agents_are_rung_by_the_first_message(sandbox: LivePersonSandbox) -> None:
    maria = sandbox.accounts[TELECOM].agent("maria")
    async with (
        agent(sandbox) as desk,
        consumer(sandbox, await sign_up(sandbox)) as ana,
        consumer(sandbox, await sign_up(sandbox)) as ben,
    ):
        await on_duty(desk, maria.old_id(TELECOM))
        await ana.converse()
        later = await ben.converse()
        await ben.publish(later, "hello")
        assert (await ringing(desk))[0] == later  # and not the one who has said nothing yet


async def test_one_participant_has_several_roles(sandbox: LivePersonSandbox) -> None:
    maria, tom = (sandbox.accounts[TELECOM].agent(key) for key in ("maria", "tom"))
    async with ana_on(sandbox) as (ana, dialog):
        conversation = sandbox.conversations[dialog]
        sandbox.model.join(conversation, maria, "READER")
        sandbox.model.suggest(conversation, tom)
        seen = await details(ana)
        roles = [(p["id"], p["role"], p["state"]) for p in seen["participants"][1:]]
        assert roles == [
            (maria.public_id, "ASSIGNED_AGENT", "ACTIVE"),
            (maria.public_id, "READER", "ACTIVE"),
            (tom.public_id, "ASSIGNED_AGENT", "SUGGESTED"),
        ]
        assert await sandbox.say(dialog, "still here") >= 0
        sandbox.model.leave(conversation, maria, "READER")
        assert conversation.assigned == maria
        await sandbox.to_skill(dialog, "1002")
        seen = await details(ana)
        assert seen["skillId"] == "1002"
        assert [p["role"] for p in seen["participants"]] == ["CONSUMER", "ASSIGNED_AGENT"]
        assert seen["participants"][1]["state"] == "SUGGESTED"
        with pytest.raises(Refused):
            await sandbox.say(dialog, "gone", "maria")


async def test_an_agent_may_name_a_colleague_by_agent_id(sandbox: LivePersonSandbox) -> None:
    tom = sandbox.accounts[TELECOM].agent("tom")
    async with agent(sandbox) as desk, ana_on(sandbox) as (_, dialog):
        field = {
            "field": "ParticipantsChange",
            "type": "ADD",
            "role": "ASSIGNED_AGENT",
            "agentId": tom.old_id(TELECOM),
        }
        body = {"conversationId": dialog, "conversationField": [field]}
        assert (await desk.ask(".ams.cm.UpdateConversationField", body))["code"] == 200
        assert sandbox.conversations[dialog].assigned == tom


async def test_a_notification_may_name_its_dialog_once(sandbox: LivePersonSandbox) -> None:
    sandbox.manners.dialog_at_top = True
    async with ana_on(sandbox) as (ana, dialog):
        await sandbox.say(dialog, "hi")
        await ana.settled()
        body = next(f for f in ana.heard if f.get("type") == "ms.MessagingEventNotification")[
            "body"
        ]
        assert body["dialogId"] == dialog
        assert "dialogId" not in body["changes"][0]
