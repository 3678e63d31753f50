"""Dialogs over the wire: sequences, replay, hidden notes, closing, subscriptions."""

from __future__ import annotations

from typing import Any

import pytest

from lp_sandbox.liveperson import LivePersonSandbox, Refused
from lp_sandbox.liveperson.frames import BadBody
from tests.sandbox.liveperson.consumer import BANK, TELECOM, Consumer, consumer, sign_up, text

CLOSE = {"field": "ConversationStateField", "conversationState": "CLOSE"}
CSAT = {
    "field": "CSATRate",
    "csatRate": 5,
    "csatResolutionConfirmation": True,
    "status": "FILLED",
}


def only_change(frame: dict[str, Any]) -> dict[str, Any]:
    (change,) = frame["body"]["changes"]
    found: dict[str, Any] = change
    return found


async def test_both_sides_count_together_from_zero(sandbox: LivePersonSandbox) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()
        assert (await ana.publish(dialog, "hello"))["body"] == {"sequence": 0}
        await sandbox.accept(dialog)
        assert await sandbox.say(dialog, "hi Ana") == 1
        receipt = {"type": "AcceptStatusEvent", "status": "READ", "sequenceList": [1]}
        answer = await ana.ask("ms.PublishEvent", {"dialogId": dialog, "event": receipt})
        assert answer["body"] == {"sequence": 2}
        await sandbox.typing(dialog)
        assert await sandbox.say_to_agents(dialog, "is she known?") == 3
        assert await sandbox.say(dialog, "how can I help?") == 4
        await ana.settled()
        assert ana.messages() == [(0, "hello"), (1, "hi Ana"), (4, "how can I help?")]
        await ana.settled()
    sequences = [event.sequence for event in sandbox.transcript(dialog)]
    assert sequences == [0, 1, 2, 3, 4]


async def test_an_event_is_told_in_the_form_of_the_schema(sandbox: LivePersonSandbox) -> None:
    maria = sandbox.accounts[TELECOM].agent("maria")
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()
        await ana.publish(dialog, "hello", metadata=[{"type": "ExternalId", "id": "m-1"}])
        own = only_change(await ana.told())
        me = sandbox.conversations[dialog].consumer_id
        assert (own["originatorId"], own["originatorMetadata"]["role"]) == (me, "CONSUMER")
        assert (own["dialogId"], own["conversationId"]) == (dialog, dialog)
        assert "metadata" not in own  # nobody promises the echo
        await sandbox.accept(dialog)
        await sandbox.say(dialog, "hi")
        theirs = only_change(await ana.told())
        assert theirs["originatorMetadata"] == {"id": maria.public_id, "role": "ASSIGNED_AGENT"}
        await sandbox.typing(dialog, "maria")
        typing = only_change(await ana.told())
        assert typing["event"]["chatState"] == "COMPOSING"
        assert "sequence" not in typing  # it takes no part in the count


async def test_metadata_is_echoed_by_an_account_that_does(sandbox: LivePersonSandbox) -> None:
    sandbox.accounts[TELECOM].echo_metadata = True
    marker = {"type": "ExternalId", "id": "m-1"}
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()
        await ana.publish(dialog, "one", metadata=[marker])
        await ana.publish(dialog, "two", metadata=marker)  # a bare element stands for the array
        seen = [only_change(await ana.told())["metadata"] for _ in range(2)]
    assert seen == [[marker], [marker]]


async def test_a_request_is_answered_before_it_is_told_of(sandbox: LivePersonSandbox) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()
        await ana.publish(dialog, "hello")
        await ana.settled()
        kinds = [frame["kind"] for frame in ana.heard]
    assert kinds == ["resp", "resp", "resp", "notification", "resp"]


async def test_replay_starts_where_it_is_asked_to(sandbox: LivePersonSandbox) -> None:
    token = await sign_up(sandbox)
    async with consumer(sandbox, token) as ana:
        dialog = await ana.converse()
        await sandbox.accept(dialog)
        for number in range(120):
            await sandbox.say(dialog, f"line {number}")
        await sandbox.say_to_agents(dialog, "hidden")
    async with consumer(sandbox, token) as ana:
        await ana.ask("ms.SubscribeMessagingEvents", {"dialogId": dialog, "fromSeq": 7})
        await ana.settled()
        assert ana.messages() == [(n, f"line {n}") for n in range(7, 120)]
        first = await ana.told()
        assert len(first["body"]["changes"]) > 1  # a replay comes in batches
        await sandbox.say(dialog, "live")
        await ana.settled()
        assert ana.messages()[-1] == (121, "live")


async def test_subscribing_again_replays_again_and_doubles_nothing_live(
    sandbox: LivePersonSandbox,
) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()
        await ana.publish(dialog, "a")
        await ana.ask("ms.SubscribeMessagingEvents", {"dialogId": dialog, "fromSeq": 0})
        await ana.publish(dialog, "b")
        await ana.settled()
        assert ana.messages() == [(0, "a"), (0, "a"), (1, "b")]


async def test_two_sockets_of_one_consumer_hear_the_same(sandbox: LivePersonSandbox) -> None:
    token = await sign_up(sandbox)
    async with consumer(sandbox, token) as phone, consumer(sandbox, token) as laptop:
        dialog = await phone.converse()
        await laptop.ask("ms.SubscribeMessagingEvents", {"dialogId": dialog, "fromSeq": 0})
        await phone.publish(dialog, "from the phone")
        await laptop.settled()
        assert laptop.messages() == [(0, "from the phone")]


async def test_one_open_conversation_per_consumer_and_account(sandbox: LivePersonSandbox) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        first = await ana.converse()
        assert (await ana.ask("cm.ConsumerRequestConversation"))["code"] == 400
        await sandbox.close(first)
        second = await ana.converse()
    assert list(sandbox.conversations) == [first, second]
    async with consumer(sandbox, await sign_up(sandbox, BANK), BANK) as ben:
        await ben.converse()


async def test_what_a_request_asks_for_is_kept(sandbox: LivePersonSandbox) -> None:
    body = {
        "skillId": "7",
        "ttrDefName": "URGENT",
        "campaignInfo": {"campaignId": 1, "engagementId": 2},
        "conversationContext": {"type": "SharkContext", "lang": "en"},
    }
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        answer = await ana.ask("cm.ConsumerRequestConversation", body)
        await ana.ask("cqm.SubscribeExConversations", {})
        details = only_change(await ana.told())["result"]["conversationDetails"]
    assert (details["skillId"], details["ttr"]["ttrType"]) == ("7", "URGENT")
    assert details["campaignInfo"] == body["campaignInfo"]
    assert sandbox.conversations[answer["body"]["conversationId"]].context == {
        "type": "SharkContext",
        "lang": "en",
    }


@pytest.mark.parametrize("field", [CLOSE, [CLOSE]])
async def test_a_consumer_closes_and_rates(sandbox: LivePersonSandbox, field: Any) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()

        async def update(fields: Any) -> int:
            body = {"conversationId": dialog, "conversationField": fields}
            return int((await ana.ask("cm.UpdateConversationField", body))["code"])

        ttr = {"field": "TTRField", "ttrType": "URGENT", "value": 60}
        assert await update([ttr]) == 200
        assert await update({"field": "Skill", "type": "UPDATE", "skill": "1"}) == 400
        assert await update(field) == 200
        assert await update(field) == 400
        assert await update([CSAT]) == 200
        assert await update([{**CSAT, "csatRate": 6}]) == 400
        assert await update([ttr]) == 400
        assert (await ana.publish(dialog, "too late"))["code"] == 400
    conversation = sandbox.conversations[dialog]
    assert (conversation.state, conversation.closed_by) == ("CLOSE", "CONSUMER")
    assert conversation.csat is not None
    assert conversation.csat["csatRate"] == 5
    with pytest.raises(Refused):
        await sandbox.close(dialog)


async def subscribed(ana: Consumer, *states: str) -> str:
    answer = await ana.ask("cqm.SubscribeExConversations", {"convState": list(states)})
    return str(answer["body"]["subscriptionId"])


async def test_a_subscription_follows_a_conversation(sandbox: LivePersonSandbox) -> None:
    maria, tom = (sandbox.accounts[TELECOM].agent(key) for key in ("maria", "tom"))
    token = await sign_up(sandbox)
    async with consumer(sandbox, token) as ana:
        name = await subscribed(ana, "OPEN")
        dialog = await ana.converse()
        await sandbox.accept(dialog)
        await sandbox.transfer(dialog)
        await sandbox.back_to_queue(dialog)
        await sandbox.close(dialog, by="system")
        await ana.ask(
            "cm.UpdateConversationField", {"conversationId": dialog, "conversationField": CSAT}
        )
        await ana.settled()
        seen = []
        for _ in range(5):
            frame = await ana.told()
            assert frame["body"]["subscriptionId"] == name
            change = only_change(frame)
            details = change["result"]["conversationDetails"]
            agents = [p["id"] for p in details["participants"] if p["role"] != "CONSUMER"]
            assert details["participantsPId"].get("ASSIGNED_AGENT", []) == agents
            assert [d["state"] for d in details["dialogs"]] == [details["state"]]
            seen.append((change["type"], details["state"], details.get("closeReason"), agents))
        heard = [f for f in ana.heard if f.get("type", "").startswith("cqm.ExConversationChange")]
        assert len(heard) == 5  # what happens after the end is none of this subscription's business
    assert seen == [
        ("UPSERT", "OPEN", None, []),
        ("UPSERT", "OPEN", None, [maria.public_id]),
        ("UPSERT", "OPEN", None, [tom.public_id]),
        ("UPSERT", "OPEN", None, []),
        ("UPSERT", "CLOSE", "SYSTEM", []),
    ]


async def test_a_closed_conversation_may_leave_with_delete(sandbox: LivePersonSandbox) -> None:
    sandbox.accounts[TELECOM].delete_when_closed = True
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        await subscribed(ana, "OPEN")
        dialog = await ana.converse()
        await sandbox.accept(dialog)
        await sandbox.close(dialog)
        await ana.settled()
        assert [only_change(await ana.told())["type"] for _ in range(3)][-1] == "DELETE"


async def test_a_subscription_shows_what_matches_its_filter(sandbox: LivePersonSandbox) -> None:
    token = await sign_up(sandbox)
    async with consumer(sandbox, token) as ana:
        closed = await ana.converse()
        await sandbox.close(closed)
        opened = await ana.converse()

        async def shown(**body: Any) -> list[str]:
            start = len(ana.heard)
            await ana.ask("cqm.SubscribeExConversations", body)
            await ana.settled()
            return [
                change["result"]["convId"]
                for frame in ana.heard[start:]
                if frame["kind"] == "notification"
                for change in frame["body"]["changes"]
            ]

        assert await shown(convState=["OPEN"]) == [opened]
        assert await shown(convState=["CLOSE"]) == [closed]
        assert await shown() == [closed, opened]
        later = sandbox.conversations[opened].updated_at + 1
        assert await shown(minLastUpdatedTime=later) == []


async def test_unsubscribing_ends_it(sandbox: LivePersonSandbox) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        name = await subscribed(ana, "OPEN")
        end = {"subscriptionId": name}
        assert (await ana.ask("cqm.UnsubscribeExConversations", end))["code"] == 200
        assert (await ana.ask("cqm.UnsubscribeExConversations", end))["code"] == 404
        await ana.converse()
        await ana.settled()
        assert all(frame["kind"] == "resp" for frame in ana.heard)


async def test_a_profile_is_kept(sandbox: LivePersonSandbox) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        profile = {"firstName": "Ana", "privateData": {"mail": "ana@example.com"}}
        assert (await ana.ask("userprofile.SetUserProfile", profile))["code"] == 200
        assert (await ana.ask("userprofile.GetUserProfile", ""))["body"] == profile
        assert (await ana.ask("userprofile.GetUserProfile", "somebody"))["code"] == 403


async def test_a_closed_contact_centre_says_until_when(sandbox: LivePersonSandbox) -> None:
    sandbox.accounts[TELECOM].delay_until = 1_900_000_000_000
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        await subscribed(ana, "OPEN")
        await ana.converse()
        details = only_change(await ana.told())["result"]["conversationDetails"]
    assert details["delay"]["tillWhen"] == 1_900_000_000_000


async def test_the_desk_refuses_what_agents_cannot_do(sandbox: LivePersonSandbox) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()
    with pytest.raises(Refused, match="nobody has accepted"):
        await sandbox.say(dialog, "x")
    with pytest.raises(Refused, match="no such conversation"):
        await sandbox.accept("nowhere")
    with pytest.raises(KeyError, match="maria, tom"):
        await sandbox.accept(dialog, "nobody")
    await sandbox.accept(dialog)
    with pytest.raises(Refused, match="not a participant"):
        await sandbox.say(dialog, "x", agent="tom")
    with pytest.raises(BadBody):
        await sandbox.publish(dialog, {"type": "ContentEvent", "contentType": "text/plain"})
    link = {"type": "ContentEvent", "contentType": "text/x-secure-link", "message": "x"}
    assert await sandbox.publish(dialog, link) == 0


async def test_watching_shows_everything_in_order(sandbox: LivePersonSandbox) -> None:
    async with (
        sandbox.watch() as everything,
        sandbox.watch(BANK) as bank,
        consumer(sandbox, await sign_up(sandbox)) as ana,
    ):
        dialog = await ana.converse()
        await ana.publish(dialog, "hello")
        await sandbox.accept(dialog)
        await sandbox.close(dialog)
        seen = [everything.get_nowait() for _ in range(everything.qsize())]
        assert bank.empty()
    assert [change.kind for change in seen] == ["opened", "event", "changed", "changed"]
    assert seen[1].event is not None
    assert seen[1].event.event == text("hello")
    assert seen[1].event.text == "hello"


async def test_a_rating_comes_after_the_end_and_is_as_complete_as_the_account_wants(
    sandbox: LivePersonSandbox,
) -> None:
    account = sandbox.accounts[TELECOM]
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()

        async def rate(**field: Any) -> int:
            body = {
                "conversationId": dialog,
                "conversationField": [{"field": "CSATRate", **field}],
            }
            return int((await ana.ask("cm.UpdateConversationField", body))["code"])

        filled = {"csatRate": 5, "csatResolutionConfirmation": True, "status": "FILLED"}
        assert await rate(**filled) == 400, "it is open"
        await sandbox.end(dialog)
        assert await rate(status="SKIPPED") == 200
        assert await rate(csatRate=3, status="PARTIALLY_FILLED") == 200
        assert await rate(csatRate=3, status="FILLED") == 400
        account.csat = "complete"
        assert await rate(status="SKIPPED") == 400
        assert await rate(**filled) == 200
        account.csat = "once"
        assert await rate(**filled) == 400
