"""Socket Mode against the stand-in, over a real websocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bridge.slack.receiver import socket_mode as socket_mode_module
from bridge.slack.receiver.dispatch import Dispatch
from bridge.slack.receiver.socket_mode import SocketMode
from bridge.slack.web.api import WebApi
from bridge.slack.web.errors import AppTokenRefused
from lp_sandbox.slack.server import SlackSandbox
from tests.slack.support import ANA, SUPPORT, Relay, event


@pytest.fixture
async def socket_mode(
    slack: SlackSandbox, dispatch: Dispatch, api: WebApi
) -> AsyncIterator[SocketMode]:
    client = SocketMode(
        dispatch,
        app_token=slack.app_token,
        api=api,
        first_wait=0.02,
        grace=1.0,
    )
    client.start()
    await hello(client)
    yield client
    await client.stop()
    assert not client.connected


async def hello(client: SocketMode, timeout: float = 10.0) -> None:
    """Wait until Slack has said hello; a `TimeoutError` if it does not."""
    said = asyncio.Event()
    client.on_connected(said.set)
    async with asyncio.timeout(timeout):
        if not client.connected:
            await said.wait()


async def thread(slack: SlackSandbox) -> str:
    return await slack.say(ANA, SUPPORT, "root", wait=True)


@pytest.mark.usefixtures("socket_mode")
async def test_messages_commands_and_buttons_arrive(slack: SlackSandbox, relay: Relay) -> None:
    root = await thread(slack)
    reply = await slack.say(ANA, SUPPORT, "hello", thread_ts=root)
    assert await slack.delivered(reply)
    assert relay.texts == ["hello"]
    result = await slack.command(ANA, "C0PAYLOAD", "connect payload")
    assert result.status == 200
    assert result.response is not None
    assert result.response["response_type"] == "ephemeral"
    assert relay.commands[0].target == "payload"


@pytest.mark.usefixtures("socket_mode")
async def test_a_failed_commit_is_not_acknowledged_and_comes_again(
    slack: SlackSandbox, relay: Relay
) -> None:
    root = await thread(slack)
    relay.down = ConnectionError("no database")
    with capture_logs() as logs:
        reply = await slack.say(ANA, SUPPORT, "important", thread_ts=root)
        async with asyncio.timeout(5):
            await relay.began.wait()
        relay.down = None
        assert await slack.delivered(reply)
    assert relay.texts == ["important"]
    assert "socket_mode_not_acknowledged" in [entry["event"] for entry in logs]
    assert "important" not in str(logs)


@pytest.mark.parametrize("fault", ["drop_sockets", "disconnect"])
async def test_it_comes_back_by_itself(
    slack: SlackSandbox, socket_mode: SocketMode, relay: Relay, fault: str
) -> None:
    root = await thread(slack)
    for number in range(3):
        slack.faults.apply(fault)
        reply = await slack.say(ANA, SUPPORT, f"after {number}", thread_ts=root)
        async with asyncio.timeout(10):
            assert await slack.delivered(reply)
    assert relay.texts == ["after 0", "after 1", "after 2"]
    assert socket_mode.connected


async def test_what_is_in_flight_is_finished_before_it_stops(
    slack: SlackSandbox, dispatch: Dispatch, api: WebApi, relay: Relay
) -> None:
    client = SocketMode(dispatch, app_token=slack.app_token, api=api, grace=5.0)
    client.start()
    await hello(client)
    root = await thread(slack)
    relay.hold = asyncio.Event()
    reply = await slack.say(ANA, SUPPORT, "last words", thread_ts=root)
    async with asyncio.timeout(5):
        await relay.began.wait()
    stopping = asyncio.create_task(client.stop())
    done, _ = await asyncio.wait({stopping}, timeout=0.2)
    assert not done
    relay.hold.set()
    async with asyncio.timeout(5):
        await stopping
        assert await slack.delivered(reply)
    assert relay.texts == ["last words"]


async def test_stopping_waits_no_longer_than_its_grace(
    slack: SlackSandbox, dispatch: Dispatch, api: WebApi, relay: Relay
) -> None:
    client = SocketMode(dispatch, app_token=slack.app_token, api=api, grace=0.1)
    client.start()
    await hello(client)
    root = await thread(slack)
    relay.hold = asyncio.Event()
    await slack.say(ANA, SUPPORT, "too slow", thread_ts=root)
    async with asyncio.timeout(5):
        await relay.began.wait()
        await client.stop()
    assert relay.messages == []
    assert [task for task in asyncio.all_tasks() if "socket mode" in task.get_name()] == []


@pytest.mark.parametrize("fault", ["server_error", "rate_limit", "drop", "lost_answer"])
async def test_it_keeps_trying_until_slack_lets_it_in(
    slack: SlackSandbox, dispatch: Dispatch, api: WebApi, fault: str
) -> None:
    slack.faults.apply(fault, method="apps.connections.open", times=2)
    client = SocketMode(dispatch, app_token=slack.app_token, api=api, first_wait=0.02)
    with capture_logs() as logs:
        client.start()
        await hello(client)
        await client.stop()
    waits = [entry for entry in logs if entry["event"] == "socket_mode_not_connected"]
    assert len(waits) == 2


async def test_a_refused_token_is_told_and_no_secret_with_it(
    dispatch: Dispatch,
    slack: SlackSandbox,
    api: WebApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket_mode_module, "REFUSED_WAIT", 0.05)
    client = SocketMode(dispatch, app_token="xapp-wrong", api=api)
    with capture_logs() as logs:
        client.start()
        with pytest.raises(TimeoutError):
            await hello(client, 0.3)
        await client.stop()
    assert len(logs) > 1
    assert {entry["reason"] for entry in logs} == {"invalid_auth"}
    assert all("connections:write" in entry["remedy"] for entry in logs)
    assert "xapp" not in str(logs)
    with pytest.raises(AppTokenRefused, match="SLACK_APP_TOKEN: invalid_auth") as caught:
        await client.fetch_first_address()
    assert "App-Level Tokens" in caught.value.remedy
    assert "xapp" not in str(caught.value)


async def test_the_address_of_the_introduction_is_used_once(
    dispatch: Dispatch, slack: SlackSandbox, api: WebApi
) -> None:
    slack.faults.server_error("apps.connections.open", times=1)
    client = SocketMode(dispatch, app_token=slack.app_token, api=api, first_wait=0.02)
    await client.fetch_first_address()  # Slack is away: that passes
    await client.fetch_first_address()
    slack.faults.refuse("apps.connections.open", "invalid_auth", times=1)  # would make it wait
    client.start()
    await hello(client)
    await client.stop()


async def test_the_ticket_is_never_logged(
    slack: SlackSandbox,
    dispatch: Dispatch,
    api: WebApi,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with capture_logs() as logs, caplog.at_level(0):
        client = SocketMode(dispatch, app_token=slack.app_token, api=api, first_wait=0.02)
        client.start()
        await hello(client)
        slack.faults.drop_sockets()
        root = await slack.say(ANA, SUPPORT, "root")
        assert await slack.delivered(root)
        await client.stop()
    ours = [record.getMessage() for record in caplog.records if "sandbox" not in record.name]
    assert "ticket" not in str(logs) + str(ours)


class OddSlack:
    """A Socket Mode server that does what the stand-in never would."""

    def __init__(self, *frames: str | bytes, pongs: bool = True) -> None:
        self.frames = frames
        self.pongs = pongs
        self.address = ""
        self.connections = 0
        self.again = asyncio.Event()
        """Set by the second connection."""
        self.acknowledged: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def open(self, _request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "url": f"ws://{self.address}/link?ticket=x"})

    async def link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=self.pongs)
        await socket.prepare(request)
        self.connections += 1
        if self.connections > 1:
            self.again.set()
        for frame in self.frames:
            if isinstance(frame, bytes):
                await socket.send_bytes(frame)
            else:
                await socket.send_str(frame)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.acknowledged.put_nowait(json.loads(message.data))
        return socket

    @asynccontextmanager
    async def client(
        self, dispatch: Dispatch, http: aiohttp.ClientSession, **options: Any
    ) -> AsyncIterator[SocketMode]:
        """Run, with a client connected to it."""
        app = web.Application()
        app.router.add_post("/api/apps.connections.open", self.open)
        app.router.add_get("/link", self.link)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.address = f"127.0.0.1:{runner.addresses[0][1]}"
        client = SocketMode(
            dispatch,
            app_token="xapp-1",
            api=WebApi(http, api_url=f"http://{self.address}/api/"),
            first_wait=0.02,
            **options,
        )
        client.start()
        try:
            yield client
        finally:
            await client.stop()
            await runner.cleanup()


HELLO = '{"type": "hello"}'


async def test_a_half_open_socket_is_noticed(
    dispatch: Dispatch, http: aiohttp.ClientSession
) -> None:
    odd = OddSlack(HELLO, pongs=False)
    async with odd.client(dispatch, http, ping_interval=0.1), asyncio.timeout(5):
        await odd.again.wait()


async def test_a_socket_that_never_says_hello_is_given_up(
    dispatch: Dispatch, http: aiohttp.ClientSession
) -> None:
    odd = OddSlack()
    async with odd.client(dispatch, http, hello_timeout=0.1) as client, asyncio.timeout(5):
        await odd.again.wait()
        assert not client.connected


async def test_it_tells_when_it_could_not_be_reached(
    slack: SlackSandbox, socket_mode: SocketMode
) -> None:
    before, told = socket_mode.connected_since, asyncio.Event()
    assert before is not None
    socket_mode.on_connected(told.set)
    slack.faults.drop_sockets()
    async with asyncio.timeout(5):
        await told.wait()
    assert socket_mode.connected_since is not None
    assert socket_mode.connected_since > before


async def test_a_socket_that_is_followed_in_time_leaves_no_gap(
    dispatch: Dispatch, http: aiohttp.ClientSession
) -> None:
    """Slack says that it will close a socket, and goes on delivering there for a while."""
    odd = OddSlack(HELLO, '{"type": "disconnect", "reason": "warning"}')
    async with odd.client(dispatch, http, grace=30.0) as client, asyncio.timeout(10):
        told: list[float | None] = []
        client.on_connected(lambda: told.append(client.connected_since))
        while odd.connections < 3:  # noqa: ASYNC110 - then the second has said hello
            await asyncio.sleep(0.01)
        assert told == [client.connected_since]


async def test_frames_that_make_no_sense_change_nothing(
    dispatch: Dispatch, http: aiohttp.ClientSession, relay: Relay
) -> None:
    def envelope(number: int, payload: Any, **fields: Any) -> str:
        return json.dumps({"type": "events_api", "envelope_id": f"e{number}", **fields} | payload)

    odd = OddSlack(
        HELLO,
        "not JSON",
        "[]",
        "null",
        "[" * 50_000,
        b"\x00\x01",
        '{"type": "something_new"}',
        '{"envelope_id": 7}',
        envelope(1, {}),
        envelope(2, {"payload": None}),
        envelope(3, {"payload": {}}),
        envelope(4, {"payload": {"type": "event_callback", "event": []}}),
        envelope(5, {"payload": event()}, retry_attempt=1, retry_reason="timeout"),
    )
    async with odd.client(dispatch, http), asyncio.timeout(5):
        assert await odd.acknowledged.get() == {"envelope_id": "e5"}
    assert relay.texts == ["hello"]
    assert odd.acknowledged.empty()
    assert odd.connections == 1


@pytest.mark.parametrize("while_running", [False, True])
async def test_socket_mode_that_is_switched_off_is_told_and_waited_for(
    slack: SlackSandbox,
    dispatch: Dispatch,
    api: WebApi,
    monkeypatch: pytest.MonkeyPatch,
    while_running: bool,
) -> None:
    monkeypatch.setattr(socket_mode_module, "REFUSED_WAIT", 0.1)
    client = SocketMode(dispatch, app_token=slack.app_token, api=api, first_wait=0.02, grace=0.1)
    slack.sockets.switched_off = not while_running
    with capture_logs() as logs:
        client.start()
        if while_running:
            await hello(client)
            assert client.trouble is None
            slack.sockets.switched_off = True
            slack.faults.disconnect("link_disabled")
        async with asyncio.timeout(10):
            while "switched off" not in (client.trouble or ""):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        slack.sockets.switched_off = False
        await hello(client)
    assert client.trouble is None
    told = [entry for entry in logs if entry["event"] == "socket_mode_not_connected"]
    assert told[0]["reason"] == "link_disabled"
    assert "Switch it on" in told[0]["remedy"]
    await client.stop()
