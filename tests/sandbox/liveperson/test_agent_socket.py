"""The agents' own protocol over TLS, as LivePerson's SDK for Node speaks it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.wire import Wire
from tests.sandbox.liveperson.consumer import (
    TELECOM,
    Consumer,
    call,
    consumer,
    sign_up,
    text,
)

LOGIN = f"/api/account/{TELECOM}/login?v=1.3"
REFRESH = f"/api/account/{TELECOM}/refresh?v=1.3"


async def login(sandbox: LivePersonSandbox, name: str = "maria") -> dict[str, Any]:
    body = {"username": name, "password": sandbox.agent_password}
    status, answer = await call(sandbox, LOGIN, body)
    assert status == 200
    found: dict[str, Any] = answer
    return found


@asynccontextmanager
async def agent(sandbox: LivePersonSandbox, name: str = "maria") -> AsyncIterator[Consumer]:
    """An agent's open websocket, over TLS."""
    bearer = (await login(sandbox, name))["bearer"]
    trust = ssl.create_default_context(cafile=str(sandbox.ca_file))
    url = f"wss://{sandbox.tls_address}/ws_api/account/{TELECOM}/messaging/brand/{bearer}?v=2.1"
    async with connect(url, ssl=trust, compression=None, close_timeout=0.5) as socket:
        yield Consumer(socket)


async def told_of(maria: Consumer, type_: str) -> Any:
    """The body of the next notification of a type."""
    while True:
        frame = await maria.told()
        if frame["type"] == type_:
            return frame["body"]


async def on_duty(maria: Consumer, old_id: str) -> None:
    await maria.ask(".ams.routing.SubscribeAgentsState", {"agentId": old_id, "brandId": TELECOM})
    await maria.ask(
        ".ams.routing.SetAgentState",
        {"availability": "ONLINE", "channels": ["MESSAGING"], "agentUserId": old_id},
    )
    await maria.ask(".ams.routing.SubscribeRoutingTasks", {"agentId": old_id})


async def ringing(maria: Consumer) -> tuple[str, str, str]:
    """(conversation, ring, state) of the next routing task."""
    body = await told_of(maria, ".ams.routing.RoutingTaskNotification")
    result = body["changes"][0]["result"]
    (ring,) = result["ringsDetails"]
    return result["conversationId"], ring["ringId"], ring["ringState"]


async def test_an_agent_can_log_in_and_refresh_the_session(
    sandbox: LivePersonSandbox, wire: Wire
) -> None:
    maria = sandbox.accounts[TELECOM].agent("maria")
    base = sandbox.base_url
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        body = {"username": "maria", "password": sandbox.agent_password}
        async with http.post(f"{base}{LOGIN}", json=body) as response:
            answer = await response.json()
        assert answer["config"]["userId"] == maria.user_id
        assert answer["config"]["userPid"] == maria.public_id
        async with http.post(f"{base}{REFRESH}", json={"csrf": answer["csrf"]}) as response:
            assert response.status == 200
        async with http.post(f"{base}{REFRESH}", json={"csrf": "wrong"}) as response:
            assert response.status == 401
    shown = json.dumps([entry.as_dict() for entry in wire.entries()])
    assert answer["bearer"] not in shown
    assert sandbox.agent_password not in shown


@pytest.mark.parametrize(
    "body",
    [
        {"username": "maria", "password": "wrong"},
        {"username": "nobody", "password": "sandbox-agent"},
        {"username": "maria", "appKey": "k", "secret": "s", "accessToken": "t"},
        {"jwt": "dummy", "assertion": "x"},
    ],
)
async def test_logins_that_are_refused(sandbox: LivePersonSandbox, body: dict[str, str]) -> None:
    status, answer = await call(sandbox, LOGIN, body)
    assert status == 401
    assert isinstance(answer["error"], str)


async def test_a_bad_bearer_is_refused_on_the_upgrade(sandbox: LivePersonSandbox) -> None:
    url = sandbox.base_url.replace("http", "ws", 1)
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"{url}/ws_api/account/{TELECOM}/messaging/brand/ab12?v=2.1"):
            pass
    assert caught.value.response.status_code == 401


async def test_an_agent_leads_a_conversation_from_ring_to_close(sandbox: LivePersonSandbox) -> None:
    me = sandbox.accounts[TELECOM].agent("maria")
    old_id = me.old_id(TELECOM)
    async with (
        agent(sandbox) as maria,
        consumer(sandbox, await sign_up(sandbox)) as ana,
    ):
        await on_duty(maria, old_id)
        mine = {"agentIds": [old_id], "convState": ["OPEN"]}
        await maria.ask(".ams.aam.SubscribeExConversations", mine)
        sdes = [{"type": "personal", "personal": {"firstname": "Ana"}}, {"type": "other"}]
        told = {"firstName": "Ana", "authenticatedData": {"lp_sdes": sdes}}
        await ana.ask("userprofile.SetUserProfile", told)
        dialog = await ana.converse()
        await ana.publish(dialog, "hello")
        conversation, ring, state = await ringing(maria)
        assert (conversation, state) == (dialog, "WAITING")
        accept = {"ringId": ring, "ringState": "ACCEPTED"}
        assert (await maria.ask(".ams.routing.UpdateRingState", accept))["code"] == 200
        assert await ringing(maria) == (dialog, ring, "ACCEPTED")
        assert (await maria.ask(".ams.routing.UpdateRingState", accept))["code"] == 404

        change = (await told_of(maria, ".ams.aam.ExConversationChangeNotification"))["changes"][0]
        details = change["result"]["conversationDetails"]
        assert details["participants"]["ASSIGNED_AGENT"] == [old_id]
        assert details["participantsPId"]["ASSIGNED_AGENT"] == [me.public_id]

        asked = await maria.ask(
            ".ams.ms.QueryMessages", {"dialogId": dialog, "newerThanSequence": 0}
        )
        assert asked["type"] == ".ams.ms.QueryMessages$Response"
        assert [(e["sequence"], e["event"]) for e in asked["body"]] == [(0, text("hello"))]
        consumer_id = sandbox.conversations[dialog].consumer_id
        profile = await maria.ask(".ams.userprofile.GetUserProfile", consumer_id)
        assert profile["type"] == ".ams.userprofile.GetUserProfile$Response"
        assert profile["body"]["firstName"] == "Ana"
        assert profile["body"]["authenticatedData"]["lp_sdes"] == sdes[:1]

        note = {
            "dialogId": dialog,
            "event": text("a VIP"),
            "messageAudience": "AGENTS_AND_MANAGERS",
        }
        assert (await maria.ask(".ams.ms.PublishEvent", note))["body"] == {"sequence": 1}
        say = {"dialogId": dialog, "event": text("hi Ana")}
        assert (await maria.ask(".ams.ms.PublishEvent", say))["body"] == {"sequence": 2}
        body = await told_of(maria, ".ams.ms.OnlineEventDistribution")
        assert (body["sequence"], body["originatorId"]) == (1, old_id)
        assert body["originatorPId"] == me.public_id
        await ana.settled()
        assert ana.messages() == [(0, "hello"), (2, "hi Ana")]

        await ana.publish(dialog, "thanks")
        while (await told_of(maria, ".ams.ms.OnlineEventDistribution"))["event"] != text("thanks"):
            pass
        close = [{"field": "ConversationStateField", "conversationState": "CLOSE"}]
        await maria.ask(
            ".ams.cm.UpdateConversationField",
            {"conversationId": dialog, "conversationField": close},
        )
        body = await told_of(maria, ".ams.aam.ExConversationChangeNotification")
        assert body["changes"][0]["type"] == "DELETE"
        assert body["changes"][0]["result"]["conversationDetails"]["participantsPId"]
    assert sandbox.conversations[dialog].closed_by == "AGENT"


async def test_a_ring_ends_when_somebody_else_answers_or_it_is_rejected(
    sandbox: LivePersonSandbox,
) -> None:
    account = sandbox.accounts[TELECOM]
    account.rings_at_once = True
    async with (
        consumer(sandbox, await sign_up(sandbox)) as ana,
        consumer(sandbox, await sign_up(sandbox)) as ben,
        agent(sandbox) as maria,
    ):
        first = await ana.converse()  # before anybody is on duty: it rings later
        await on_duty(maria, account.agent("maria").old_id(TELECOM))
        _, ring, _ = await ringing(maria)
        await sandbox.accept(first, "tom")
        assert await ringing(maria) == (first, ring, "CANCELLED")

        second = await ben.converse()
        _, ring, _ = await ringing(maria)
        reject = {"ringId": ring, "ringState": "REJECTED"}
        assert (await maria.ask(".ams.routing.UpdateRingState", reject))["code"] == 200
        assert await ringing(maria) == (second, ring, "REJECTED")
        await sandbox.accept(second, "tom")
        await sandbox.back_to_queue(second)
        await maria.ask(".GetClock")
        late = [f for f in maria.heard if f["type"] == ".ams.routing.RoutingTaskNotification"]
        assert len(late) == 4  # a conversation that was rejected does not ring again


async def test_an_agent_joins_leaves_and_opens(sandbox: LivePersonSandbox) -> None:
    async with (
        agent(sandbox, "tom") as tom,
        consumer(sandbox, await sign_up(sandbox)) as ana,
    ):
        dialog = await ana.converse()
        say = {"dialogId": dialog, "event": text("hi")}
        assert (await tom.ask(".ams.ms.PublishEvent", say))["code"] == 403

        async def change(kind: str, role: str = "MANAGER") -> int:
            fields = [{"field": "ParticipantsChange", "type": kind, "role": role}]
            body = {"conversationId": dialog, "conversationField": fields}
            return int((await tom.ask(".ams.cm.UpdateConversationField", body))["code"])

        assert await change("ADD") == 200
        assert sandbox.conversations[dialog].assigned is None
        assert (await tom.ask(".ams.ms.PublishEvent", say))["code"] == 200
        assert await change("REMOVE") == 200
        assert await change("REMOVE") == 400
        assert (await tom.ask(".ams.ms.PublishEvent", say))["code"] == 403
        assert (await tom.ask("cm.ConsumerRequestConversation", {}))["code"] == 400

        opening = {"consumerId": "a-consumer", "channelType": "MESSAGING"}
        answer = await tom.ask(".ams.cm.AgentRequestConversation", opening)
        opened = sandbox.conversations[answer["body"]["conversationId"]]
        assert opened.assigned == sandbox.accounts[TELECOM].agent("tom")
    assert sandbox.transcript(dialog)[0].role == "MANAGER"


async def test_faults_leave_agents_alone(sandbox: LivePersonSandbox) -> None:
    sandbox.faults.refuse_request(times=None)
    async with agent(sandbox) as maria:
        assert sandbox.faults.drop_sockets() == 0
        async with asyncio.timeout(5):
            assert (await maria.ask(".GetClock"))["code"] == 200
