"""Socket Mode, with Slack's official aiohttp client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from lp_sandbox.slack import SlackSandbox, socket_mode
from lp_sandbox.wire import Wire
from tests.sandbox.slack.app import PATIENCE


class SocketApp:
    """Acknowledges what it is told to."""

    def __init__(self, slack: SlackSandbox) -> None:
        self.received: asyncio.Queue[SocketModeRequest] = asyncio.Queue()
        self.silent = 0
        """How many requests it will not acknowledge."""
        web_client = AsyncWebClient(base_url=slack.api_url)
        self.client = SocketModeClient(slack.app_token, web_client=web_client, ping_interval=1)
        self.client.socket_mode_request_listeners.append(self._handle)

    async def _handle(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        self.received.put_nowait(request)
        if self.silent:
            self.silent -= 1
            return
        payload = {"text": "Hello"} if request.type == "slash_commands" else None
        answer = SocketModeResponse(envelope_id=request.envelope_id, payload=payload)
        await client.send_socket_mode_response(answer)

    async def next(self) -> SocketModeRequest:
        async with asyncio.timeout(PATIENCE):
            return await self.received.get()


@pytest.fixture
async def socket_app(slack: SlackSandbox) -> AsyncIterator[SocketApp]:
    app = SocketApp(slack)
    await app.client.connect()  # type: ignore[no-untyped-call]  # slack_sdk's
    await slack.sockets.wait_connected()
    yield app
    await app.client.close()  # type: ignore[no-untyped-call]  # slack_sdk's


async def test_a_command_is_answered_with_the_acknowledgement(
    slack: SlackSandbox, socket_app: SocketApp
) -> None:
    result = await slack.command("U0ANA", "C0SUPPORT", "help")
    request = await socket_app.next()
    assert (request.type, request.accepts_response_payload) == ("slash_commands", True)
    assert request.payload["text"] == "help"
    assert (result.status, result.response) == (200, {"text": "Hello"})
    assert [m["text"] for m in slack.ephemerals("C0SUPPORT", "U0ANA")] == ["Hello"]


async def test_an_event_is_acknowledged(slack: SlackSandbox, socket_app: SocketApp) -> None:
    ts = await slack.say("U0ANA", "C0SUPPORT", "hello")
    assert await slack.delivered(ts) is True
    request = await socket_app.next()
    assert request.type == "events_api"
    assert request.payload["event"]["ts"] == ts
    assert (request.retry_attempt, request.retry_reason) == (0, "")


async def test_a_click_comes_as_interactive(
    slack: SlackSandbox, socket_app: SocketApp, client: AsyncWebClient
) -> None:
    button = {
        "type": "button",
        "action_id": "lp_end",
        "text": {"type": "plain_text", "text": "End"},
    }
    card = [{"type": "actions", "elements": [button]}]
    ts = (await client.chat_postMessage(channel="C0SUPPORT", text="card", blocks=card))["ts"]
    await socket_app.next()
    assert (await slack.click("U0ANA", "C0SUPPORT", ts, "lp_end")).status == 200
    request = await socket_app.next()
    assert request.type == "interactive"
    assert request.payload["actions"][0]["action_id"] == "lp_end"


async def test_without_an_acknowledgement_the_event_comes_again(
    slack: SlackSandbox, socket_app: SocketApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_mode, "ANSWER_TIMEOUT", 0.05)
    socket_app.silent = 1
    ts = await slack.say("U0ANA", "C0SUPPORT", "hello")
    first, second = await socket_app.next(), await socket_app.next()
    assert (second.retry_attempt, second.retry_reason) == (1, "timeout")
    assert first.payload["event_id"] == second.payload["event_id"]
    assert first.envelope_id != second.envelope_id
    assert await slack.delivered(ts) is True


async def test_with_nobody_connected_a_command_fails(slack: SlackSandbox) -> None:
    result = await slack.command("U0ANA", "C0SUPPORT", "help")
    assert result.status == 0
    [shown] = slack.ephemerals("C0SUPPORT", "U0ANA")
    assert "dispatch_failed" in shown["text"]


async def test_the_client_comes_again_when_it_is_told_to(
    slack: SlackSandbox, socket_app: SocketApp
) -> None:
    for reason in ("warning", "refresh_requested"):
        slack.faults.apply("disconnect", reason=reason)
        assert slack.sockets.connected == 0
        await slack.sockets.wait_connected()
        ts = await slack.say("U0ANA", "C0SUPPORT", "hello")
        assert await slack.delivered(ts) is True


async def test_the_client_comes_again_after_its_socket_was_cut(
    slack: SlackSandbox, socket_app: SocketApp
) -> None:
    slack.faults.drop_sockets()
    assert slack.sockets.connected == 0
    await slack.sockets.wait_connected(timeout=20)
    ts = await slack.say("U0ANA", "C0SUPPORT", "hello")
    assert await slack.delivered(ts) is True


async def test_ten_connections_are_taken_and_no_more(slack: SlackSandbox) -> None:
    web_client = AsyncWebClient(base_url=slack.api_url)
    async with aiohttp.ClientSession() as http:
        sockets = []
        for _ in range(11):
            opened = await web_client.apps_connections_open(app_token=slack.app_token)
            sockets.append(await http.ws_connect(opened["url"]))
        frames = [await socket.receive_json(timeout=PATIENCE) for socket in sockets]
        assert [frame["type"] for frame in frames] == ["hello"] * 10 + ["disconnect"]
        assert frames[-1]["reason"] == "too_many_websockets"
        for socket in sockets:
            await socket.close()


async def test_a_ticket_is_good_for_one_connection(slack: SlackSandbox) -> None:
    web_client = AsyncWebClient(base_url=slack.api_url)
    url = (await web_client.apps_connections_open(app_token=slack.app_token))["url"]
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(url) as socket:
            assert (await socket.receive_json(timeout=PATIENCE))["type"] == "hello"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(url)


async def test_frames_that_acknowledge_nothing_are_ignored(slack: SlackSandbox, wire: Wire) -> None:
    web_client = AsyncWebClient(base_url=slack.api_url)
    url = (await web_client.apps_connections_open(app_token=slack.app_token))["url"]
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        await socket.receive_json(timeout=PATIENCE)
        for text in ("{", "[]", "null", '{"envelope_id": 7}', '{"envelope_id": "x"}'):
            await socket.send_str(text)
        saying = asyncio.create_task(slack.say("U0ANA", "C0SUPPORT", "hello", wait=True))
        envelope = await socket.receive_json(timeout=PATIENCE)
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        assert await slack.delivered(await saying) is True
    assert [entry.title for entry in wire.entries()].count("ignored") == 5
