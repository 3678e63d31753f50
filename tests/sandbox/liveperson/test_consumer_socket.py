"""The consumer's websocket: who gets in, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.wire import Wire
from tests.sandbox.liveperson.consumer import (
    BANK,
    Consumer,
    anonymous,
    consumer,
    sign_up,
    text,
)


async def refused_with(sandbox: LivePersonSandbox, token: str | None, **more: Any) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with consumer(sandbox, token, **more):
            pass
    return caught.value.response.status_code


async def test_upgrades_that_are_refused(sandbox: LivePersonSandbox) -> None:
    token = await sign_up(sandbox)
    external, _ = await anonymous(sandbox)
    assert await refused_with(sandbox, "nonsense") == 401
    assert await refused_with(sandbox, external) == 401
    assert await refused_with(sandbox, token, account=BANK) == 401
    assert await refused_with(sandbox, token, account="99999999") == 404
    assert await refused_with(sandbox, token, version="2") == 400
    assert await refused_with(sandbox, None, headers={"Authorization": "Bearer x"}) == 401
    for properties in ("{", "[]", "{}", '{"type": ".ClientProperties", "os": "MSDOS"}'):
        headers = {"Client-Properties": properties}
        assert await refused_with(sandbox, token, headers=headers) == 400, properties
    sandbox.faults.expire_tokens()
    assert await refused_with(sandbox, token) == 401
    sandbox.faults.http_status("ums", 503)
    assert await refused_with(sandbox, await sign_up(sandbox)) == 503


async def test_a_header_opens_at_once(sandbox: LivePersonSandbox) -> None:
    headers = {"Client-Properties": '{"type": ".ClientProperties", "os": "LINUX", "new": 1}'}
    async with consumer(sandbox, await sign_up(sandbox), headers=headers) as ana:
        answer = await ana.ask("GetClock")
    assert answer["code"] == 200
    assert answer["body"]["currentTime"] > 1_600_000_000_000


async def test_without_a_header_initialisation_comes_first(
    sandbox: LivePersonSandbox, wire: Wire
) -> None:
    token = await sign_up(sandbox)
    headers = [
        {"type": ".ams.headers.ConsumerAuthentication", "jwt": token},
        {"type": ".ams.headers.ClientProperties", "os": "LINUX"},
    ]
    async with consumer(sandbox, None) as ana:
        early = await ana.ask("cm.ConsumerRequestConversation", {})
        assert (early["code"], sandbox.conversations) == (401, {})
        assert (await ana.ask("InitConnection", headers=headers))["code"] == 200
        assert (await ana.ask("InitConnection", headers=headers))["code"] == 400
        await ana.converse()
    assert token not in json.dumps([entry.as_dict() for entry in wire.entries()])


async def test_initialisation_with_a_bad_token_ends_the_socket(sandbox: LivePersonSandbox) -> None:
    headers = [{"type": ".ams.headers.ConsumerAuthentication", "jwt": "nonsense"}]
    async with consumer(sandbox, None) as ana:
        await ana.send("InitConnection", headers=headers)
        assert await ana.closed() == 4401


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "hello",
        "[]",
        "null",
        "[" * 100_000,
        '{"kind": "req", "type": "GetClock"}',
        '{"kind": "req", "id": 1, "type": "GetClock"}',
        '{"kind": "req", "id": "", "type": "GetClock"}',
        json.dumps({"kind": "req", "id": "x" * 65, "type": "GetClock"}),
        '{"kind": "resp", "id": "1", "type": "GetClock"}',
        b"\x00\x01",
    ],
)
async def test_what_is_no_request_ends_the_socket(
    sandbox: LivePersonSandbox, frame: str | bytes
) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        await ana.socket.send(frame)
        assert await ana.closed() == (1003 if isinstance(frame, bytes) else 1008)


@pytest.mark.parametrize(
    ("type_", "body"),
    [
        ("ms.Unknown", {}),
        ("KeepAlive", None),
        ("cm.ConsumerRequestConversation", {"channelType": "PHONE"}),
        ("cm.ConsumerRequestConversation", {"ttrDefName": "SOON"}),
        ("cm.ConsumerRequestConversation", {"skillId": 7}),
        ("cm.ConsumerRequestConversation", []),
        ("cm.UpdateConversationField", None),
        ("ms.PublishEvent", {"event": text("x")}),
        ("ms.SubscribeMessagingEvents", {"fromSeq": 0}),
        ("cqm.SubscribeExConversations", {"convState": ["ASLEEP"]}),
        ("cqm.SubscribeExConversations", {"minLastUpdatedTime": -1}),
        ("cqm.UnsubscribeExConversations", {}),
    ],
)
async def test_requests_that_break_the_schema_are_refused(
    sandbox: LivePersonSandbox, type_: str, body: Any
) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        answer = await ana.ask(type_, body)
        assert answer["code"] == 400
        assert 0 < len(answer["body"]) <= 128
    assert sandbox.conversations == {}


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": "Unheard"},
        {"type": "ContentEvent", "message": "x"},
        {"type": "ContentEvent", "contentType": "text/plain"},
        {"type": "ContentEvent", "contentType": "text/plain", "message": 5},
        {"type": "ContentEvent", "contentType": "text/plain", "message": "x" * 5_001},
        {"type": "ContentEvent", "contentType": "text/x-secure-link", "message": "x"},
        {"type": "ContentEvent", "contentType": "hosted/file", "message": {"caption": "x"}},
        {"type": "RichContentEvent"},
        {"type": "ChatStateEvent", "chatState": "ASLEEP"},
        {"type": "AcceptStatusEvent", "status": "READ"},
    ],
)
async def test_events_that_break_the_schema_are_refused(
    sandbox: LivePersonSandbox, event: Any
) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()
        answer = await ana.ask("ms.PublishEvent", {"dialogId": dialog, "event": event})
        assert answer["code"] == 400
    assert sandbox.transcript(dialog) == []


@pytest.mark.parametrize(
    "metadata",
    [
        ["x"],
        [{"id": "1"}],
        [{"type": "ExternalId"}],
        [{"type": "ExternalId", "id": "x" * 65}],
        [{"type": "ExternalId", "id": "x", "more": 1}],
    ],
)
async def test_metadata_that_breaks_the_schema_is_refused(
    sandbox: LivePersonSandbox, metadata: Any
) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()
        if metadata == ["x"]:
            await ana.send("ms.PublishEvent", metadata=metadata)
            assert await ana.closed() == 1008  # the envelope itself is wrong
            return
        assert (await ana.publish(dialog, "x", metadata=metadata))["code"] == 400
    assert sandbox.transcript(dialog) == []


async def test_another_consumers_dialog_is_out_of_reach(sandbox: LivePersonSandbox) -> None:
    async with (
        consumer(sandbox, await sign_up(sandbox)) as ana,
        consumer(sandbox, await sign_up(sandbox)) as ben,
    ):
        dialog = await ana.converse()
        close = {
            "conversationId": dialog,
            "conversationField": [
                {"field": "ConversationStateField", "conversationState": "CLOSE"}
            ],
        }
        assert (await ben.publish(dialog, "hello"))["code"] == 403
        assert (await ben.ask("ms.SubscribeMessagingEvents", {"dialogId": dialog}))["code"] == 403
        assert (await ben.ask("cm.UpdateConversationField", close))["code"] == 403
        assert (await ben.publish("nowhere", "hello"))["code"] == 404
        assert (await ana.publish(dialog, "mine"))["code"] == 200
        await ben.settled()
        assert ben.messages() == []
    assert sandbox.conversations[dialog].state == "OPEN"


async def test_an_idle_socket_is_closed_and_a_ping_keeps_it_open(wire: Wire) -> None:
    async with LivePersonSandbox(wire, idle_seconds=0.4) as sandbox:
        async with consumer(sandbox, await sign_up(sandbox)) as idle:
            assert await idle.closed() == 1001
        async with consumer(sandbox, await sign_up(sandbox), ping_interval=0.1) as awake:
            async with consumer(sandbox, await sign_up(sandbox)) as other:
                await other.closed()  # as long as that, it has lasted too
            await awake.settled()


async def test_tokens_expire_while_the_socket_is_open(wire: Wire) -> None:
    async with LivePersonSandbox(wire, token_seconds=0.5) as sandbox:
        _, unauthenticated = await anonymous(sandbox)
        async with (
            consumer(sandbox, await sign_up(sandbox)) as signed_up,
            consumer(sandbox, unauthenticated) as anon,
        ):
            assert await signed_up.closed() == 4401
            assert await anon.closed() == 4407


@pytest.mark.parametrize(("account", "code"), [("44010000", 4401), ("10060000", None)])
async def test_accounts_whose_socket_ends_at_once(
    sandbox: LivePersonSandbox, account: str, code: int | None
) -> None:
    async with consumer(sandbox, await sign_up(sandbox, account), account) as ana:
        assert await ana.closed() == code


async def test_stopping_ends_everything_and_starting_again_goes_on(wire: Wire) -> None:
    sandbox = LivePersonSandbox(wire)
    await sandbox.start()
    port = int(sandbox.base_url.rpartition(":")[2])
    token = await sign_up(sandbox)
    async with consumer(sandbox, token) as ana:
        dialog = await ana.converse()
        await ana.publish(dialog, "before")
        await sandbox.stop()
        assert await ana.closed() is None
    assert sandbox.sockets == 0
    await sandbox.start(port=port)
    async with consumer(sandbox, token) as ana:
        await heard(ana, dialog)
        assert ana.messages() == [(0, "before")]
    await sandbox.stop()


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(
    sandbox: LivePersonSandbox, wire: Wire
) -> None:
    second = LivePersonSandbox(wire)
    with pytest.raises(OSError, match="address already in use"):
        await second.start(port=int(sandbox.base_url.rpartition(":")[2]))
    with pytest.raises(RuntimeError):
        _ = second.ca_file


async def heard(ana: Consumer, dialog: str) -> None:
    await ana.ask("ms.SubscribeMessagingEvents", {"dialogId": dialog, "fromSeq": 0})
    await ana.settled()
