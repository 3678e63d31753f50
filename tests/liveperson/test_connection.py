"""The websocket, over a real one."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import trustme
from aiohttp import web

from bridge.liveperson import Connection, Credentials, DomainDirectory, http_session, parse_account
from bridge.liveperson.errors import (
    ClosedAtOnce,
    ConnectionLost,
    HostNotAllowed,
    IdentityExpired,
    LivePersonError,
    RequestRefused,
    RequestTimeout,
    ServerFailed,
    SocketRefused,
    Throttled,
    TokenExpired,
    UnreadableAnswer,
)
from bridge.liveperson.frames import MessagingEvents, Notification, UnknownNotification
from tests.liveperson.standin import (
    ACCOUNT,
    CONSUMER,
    DIALOG,
    Reply,
    StandIn,
    events,
    response,
    text_change,
)

NUMBER = parse_account(ACCOUNT)

Open = Callable[..., AbstractAsyncContextManager[Connection]]


class Heard:
    """Notifications as they come."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Notification] = asyncio.Queue()

    async def next(self) -> Notification:
        return await asyncio.wait_for(self.queue.get(), 10)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def connect(directory: DomainDirectory, credentials: Credentials, heard: Heard) -> Open:
    @asynccontextmanager
    async def open_one(**more: Any) -> AsyncIterator[Connection]:
        more.setdefault("on_notification", heard.queue.put_nowait)
        async with Connection.open(directory, NUMBER, credentials, **more) as connection:
            yield connection

    return open_one


async def lost(connection: Connection) -> ConnectionLost:
    return await asyncio.wait_for(connection.wait_closed(), 10)


async def silent(socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
    """Answer nothing."""


async def test_a_conversation_can_be_opened_used_and_closed(
    standin: StandIn, connect: Open, heard: Heard
) -> None:
    async with connect() as ums:
        assert ums.consumer_id == CONSUMER
        assert await ums.get_clock() == 1_700_000_000_000
        assert await ums.subscribe_conversations() == "subscription-1"
        conversation = await ums.request_conversation(skill_id="5")
        assert conversation == DIALOG
        await ums.subscribe_events(conversation, 3)
        assert await ums.publish_text(conversation, "Hello", external_id="mine") == 1
        await standin.push(events(text_change("Hi"), text_change("there", 2)))
        notification = await heard.next()
        assert isinstance(notification, MessagingEvents)
        assert [change.sequence for change in notification.changes] == [1, 2]
        await ums.unsubscribe_conversations("subscription-1")
        await ums.close_conversation(conversation)
        assert not ums.closed
    assert ums.closed
    assert [frame["type"] for frame in standin.frames] == [
        "GetClock",
        "cqm.SubscribeExConversations",
        "cm.ConsumerRequestConversation",
        "ms.SubscribeMessagingEvents",
        "ms.PublishEvent",
        "cqm.UnsubscribeExConversations",
        "cm.UpdateConversationField",
    ]
    assert len({frame["id"] for frame in standin.frames}) == 7


async def test_the_upgrade_carries_token_and_properties_and_no_compression(
    standin: StandIn, connect: Open, credentials: Credentials
) -> None:
    async with connect():
        pass
    headers = standin.upgrades[0]
    assert headers["Authorization"] == f"jwt {credentials.jwt}"
    assert json.loads(headers["Client-Properties"])["type"] == ".ClientProperties"
    assert "Sec-WebSocket-Extensions" not in headers


@pytest.mark.parametrize(
    ("upgrade", "kind", "retry_after"),
    [
        (Reply(status=401), TokenExpired, None),
        (Reply(status=429), Throttled, 1),
        (Reply(status=429, headers={"Retry-After": "7"}), Throttled, 7),
        (Reply(status=403), SocketRefused, None),
        (Reply(status=404), SocketRefused, None),
        (
            Reply(status=302, headers={"Location": "/ws_api/account/1/messaging/consumer"}),
            SocketRefused,
            None,
        ),
        (Reply(status=503, headers={"Retry-After": "3"}), ConnectionLost, 3),
        (Reply(status=200), ConnectionLost, None),
    ],
)
async def test_refused_upgrades_have_names(
    standin: StandIn, connect: Open, upgrade: Reply, kind: type[Exception], retry_after: Any
) -> None:
    standin.upgrade = upgrade
    with pytest.raises(LivePersonError) as raised:
        async with connect():
            pass
    assert type(raised.value) is kind
    assert raised.value.retry_after == retry_after
    assert len(standin.upgrades) == 1


async def test_a_host_that_cannot_be_reached_is_a_lost_connection(
    standin: StandIn, connect: Open
) -> None:
    listed = {"service": "asyncMessagingEnt", "baseURI": "127.0.0.1:1"}
    standin.replies["csds"] = Reply({"baseURIs": listed})
    with pytest.raises(ConnectionLost):
        async with connect():
            pass


async def test_a_host_outside_the_list_is_not_connected_to(standin: StandIn, connect: Open) -> None:
    listed = {
        "service": "asyncMessagingEnt",
        "baseURI": standin.host.replace("127.0.0.1", "localhost"),
    }
    standin.replies["csds"] = Reply({"baseURIs": listed})
    with pytest.raises(HostNotAllowed):
        async with connect():
            pass
    assert standin.upgrades == []


async def test_a_silent_upgrade_has_a_deadline(connect: Open, standin: StandIn) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        host = "{}:{}".format(*server.sockets[0].getsockname())
        listed = {"service": "asyncMessagingEnt", "baseURI": host}
        standin.replies["csds"] = Reply({"baseURIs": listed})
        with pytest.raises(ConnectionLost, match="timed out"):
            async with connect(open_timeout=0.1):
                pass


@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [
        (400, "You are not allowed", RequestRefused),
        (404, {"reason": "gone"}, RequestRefused),
        (429, "slow", Throttled),
        (500, "oops", ServerFailed),
        (503, None, ServerFailed),
    ],
)
async def test_bad_codes_have_names(
    standin: StandIn, connect: Open, code: int, body: Any, kind: type[Exception]
) -> None:
    async def refuse(socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        await socket.send_json(response(frame, body, code))

    standin.on_request = refuse
    async with connect() as ums:
        with pytest.raises(kind) as raised:
            await ums.publish_text(DIALOG, "Hello")
        assert isinstance(raised.value, LivePersonError)
        if code == 429:
            assert raised.value.retry_after == 1
        elif body is not None:
            assert str(body if isinstance(body, str) else "gone") in str(raised.value)
        assert not ums.closed


async def test_an_answer_that_cannot_be_read_leaves_the_outcome_open(
    standin: StandIn, connect: Open
) -> None:
    async def vague(socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        await socket.send_json(response(frame, "done"))

    standin.on_request = vague
    async with connect() as ums:
        with pytest.raises(UnreadableAnswer):
            await ums.request_conversation()
        assert await ums.publish_text(DIALOG, "Hello") is None
        assert await ums.get_clock() == 0


async def test_no_answer_has_a_deadline_and_a_late_one_harms_nobody(
    standin: StandIn, connect: Open
) -> None:
    standin.on_request = silent
    async with connect(request_timeout=0.05) as ums:
        with pytest.raises(RequestTimeout):
            await ums.get_clock()
        with pytest.raises(RequestTimeout):
            await ums.publish_text(DIALOG, "x", timeout=0.01)
        standin.on_request = standin.answer
        await standin.push(response(standin.frames[0], {"currentTime": 1}))
        await standin.push(response({"id": "never asked"}, {}))
        assert await ums.publish_text(DIALOG, "Hello", timeout=10) == 1


async def test_answers_find_their_requests_in_any_order(standin: StandIn, connect: Open) -> None:
    held: list[dict[str, Any]] = []

    async def reverse(socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        held.append(frame)
        if len(held) == 5:
            for number, one in enumerate(reversed(held)):
                await socket.send_json(response(one, {"sequence": 4 - number}))

    standin.on_request = reverse
    async with connect() as ums:
        publishing = (ums.publish_text(DIALOG, str(number)) for number in range(5))
        assert await asyncio.gather(*publishing) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("goodbye", [4401, 4407, 1001, None])
async def test_the_end_has_a_meaning_and_ends_requests_in_flight(
    standin: StandIn, connect: Open, goodbye: int | None
) -> None:
    kinds: dict[int | None, type[ConnectionLost]] = {4401: TokenExpired, 4407: IdentityExpired}
    kind = kinds.get(goodbye, ConnectionLost)
    async with connect() as ums:
        await ums.get_clock()
        standin.on_request = silent
        asking = [asyncio.create_task(ums.get_clock()) for _ in range(2)]
        await standin.until(lambda: len(standin.frames) == 3)
        if goodbye is None:
            await standin.cut(standin.sockets[0])
        else:
            await standin.sockets[0].close(code=goodbye, message=b"bye\x1b")
        outcomes = await asyncio.wait_for(asyncio.gather(*asking, return_exceptions=True), 10)
        end = await lost(ums)
        assert [type(error) for error in (*outcomes, end)] == [kind] * 3
        assert end.close_code == goodbye
        assert not end.at_once
        assert str(end).isprintable()
        with pytest.raises(kind):
            await ums.get_clock()


async def test_asking_while_the_goodbye_is_under_way(
    standin: StandIn, connect: Open, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that could not even be sent fails once, and leaves no exception unseen."""
    gate = asyncio.Event()

    async def leave(socket: web.WebSocketResponse) -> None:
        news = b'{"kind":"notification","type":"news"}'
        transport = socket._req.transport if socket._req else None
        assert isinstance(transport, asyncio.Transport)
        transport.write(bytes([0x81, len(news)]) + news + b"\x88\x02\x11\x31")  # 4401, at once
        await gate.wait()

    standin.on_open = leave
    async with connect() as ums:
        await heard.next()
        assert not ums.closed
        asking = asyncio.create_task(ums.get_clock())
        await asyncio.sleep(0)
        await standin.cut(standin.sockets[0])
        with pytest.raises(TokenExpired):
            await asyncio.wait_for(asking, 10)
        gate.set()
    del asking
    gc.collect()
    assert caplog.text == ""


@pytest.mark.parametrize("goodbye", [4401, 4407, 1011, None])
async def test_a_socket_that_closes_at_once_says_so(
    standin: StandIn, connect: Open, goodbye: int | None
) -> None:
    async def leave(socket: web.WebSocketResponse) -> None:
        if goodbye is None:
            await standin.cut(socket)
        else:
            await socket.close(code=goodbye)

    standin.on_open = leave
    kinds: dict[int | None, type[ConnectionLost]] = {4401: TokenExpired, 4407: IdentityExpired}
    async with connect() as ums:
        with pytest.raises(ConnectionLost) as raised:
            await ums.get_clock()
        assert type(raised.value) is kinds.get(goodbye, ClosedAtOnce)
        assert raised.value.at_once


async def test_a_half_open_socket_is_noticed(standin: StandIn, connect: Open) -> None:
    gone = asyncio.Event()

    async def freeze(socket: web.WebSocketResponse) -> None:
        await gone.wait()  # reads nothing: no pong either

    standin.on_open = freeze
    async with connect(ping_interval=0.05, ping_timeout=0.05) as ums:
        end = await lost(ums)
        gone.set()
    assert "ping" in str(end)


async def test_pings_keep_it_alive(standin: StandIn, connect: Open) -> None:
    pinged = asyncio.Event()

    async def watch(socket: web.WebSocketResponse) -> None:
        assert socket._reader is not None
        pong = socket.pong

        async def note(message: bytes = b"") -> None:
            await pong(message)
            pinged.set()

        socket.pong = note  # type: ignore[method-assign]  # the only way to see a ping here

    standin.on_open = watch
    async with connect(ping_interval=0.05, ping_timeout=5) as ums:
        await asyncio.wait_for(pinged.wait(), 10)
        await ums.get_clock()


BAD_FRAMES = [
    "not JSON",
    "[1]",
    "5",
    '{"kind":"resp"}',
    b"\xff\xff",
    "[" * 100_000,
    {"kind": "news"},
    {"kind": "req", "id": "1", "type": "x"},
    {"no": "kind"},
]


async def test_bad_frames_are_told_once_and_ignored(
    standin: StandIn, connect: Open, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect() as ums:
        for frame in BAD_FRAMES:
            await standin.push(frame)
        await standin.push({"kind": "notification", "type": "news", "body": {}})
        assert await heard.next() == UnknownNotification("news")
        assert await ums.get_clock()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_text_frame_that_is_not_utf8_is_ignored(standin: StandIn, connect: Open) -> None:
    async with connect() as ums:
        writer = standin.sockets[0]._writer
        assert writer is not None
        await writer.send_frame(b'{"kind":"\xff"}', 1)  # 1: a text frame
        assert await ums.get_clock()


async def test_a_handler_that_raises_is_logged_and_the_connection_goes_on(
    standin: StandIn, connect: Open, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Notification) -> None:
        raise KeyError("mine")

    async with connect(on_notification=fail) as ums:
        await standin.push(events(text_change("a secret")))
        assert await ums.get_clock()
    assert "could not be handled" in caplog.text
    assert "a secret" not in caplog.text


async def test_a_frame_beyond_all_bounds_ends_the_connection(
    standin: StandIn, connect: Open
) -> None:
    async with connect() as ums:
        await standin.push("x" * (4 * 1024 * 1024 + 1))
        assert (await lost(ums)).close_code == 1009


async def test_frames_can_be_watched_without_tokens(
    standin: StandIn, connect: Open, credentials: Credentials
) -> None:
    seen: list[tuple[str, str]] = []
    async with connect(on_frame=lambda direction, text: seen.append((direction, text))) as ums:
        await standin.push({"kind": "news", "token": credentials.jwt})
        await ums.get_clock()
    assert [direction for direction, _ in seen] in (
        ["sent", "received", "received"],
        ["received", "sent", "received"],
    )
    text = "".join(text for _, text in seen)
    assert "(token)" in text
    assert credentials.jwt not in text


async def test_no_token_gets_into_any_log(
    standin: StandIn, connect: Open, credentials: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with connect() as ums:
        await ums.get_clock()
    standin.upgrade = Reply(status=401)
    with pytest.raises(TokenExpired) as raised:
        async with connect():
            pass
    assert credentials.jwt not in caplog.text + str(raised.value) + repr(raised.value)


async def test_leaving_ends_the_reader_and_says_goodbye(standin: StandIn, connect: Open) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(KeyError):
        async with connect() as ums:
            raise KeyError
    assert (await lost(ums)).close_code == 1000
    assert standin.sockets[0].close_code in (None, 1000)
    ours = [task for task in asyncio.all_tasks() - before if "liveperson" in task.get_name()]
    assert ours == []


async def test_a_cancelled_request_leaves_no_error_behind(
    standin: StandIn, connect: Open, caplog: pytest.LogCaptureFixture
) -> None:
    standin.on_request = silent
    entered = asyncio.Event()

    async def ask() -> None:
        async with connect() as ums:
            entered.set()
            await ums.get_clock()

    task = asyncio.create_task(ask())
    await entered.wait()
    await standin.until(lambda: len(standin.frames) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    gc.collect()  # a future whose exception nobody saw would complain now
    assert caplog.text == ""


async def test_a_connection_over_tls_works() -> None:
    ca = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca.issue_cert("127.0.0.1").configure_cert(server_context)
    ca.configure_trust(client_context)
    standin = StandIn()
    await standin.start(server_context)
    credentials = Credentials("signup", "a.b.c", CONSUMER, 4_000_000_000.0)
    try:
        async with http_session(client_context) as http:
            directory = DomainDirectory(
                http,
                csds_url=standin.url,
                allowed_hosts=["127.0.0.1"],
                ssl_context=client_context,
            )
            async with Connection.open(
                directory, NUMBER, credentials, on_notification=lambda _: None
            ) as ums:
                assert await ums.get_clock()
            mistrustful = DomainDirectory(http, csds_url=standin.url, allowed_hosts=["127.0.0.1"])
            with pytest.raises(ConnectionLost, match="certificate"):
                async with Connection.open(
                    mistrustful, NUMBER, credentials, on_notification=lambda _: None
                ):
                    pass
    finally:
        await standin.stop()
