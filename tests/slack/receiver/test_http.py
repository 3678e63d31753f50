"""The HTTP server, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from structlog.testing import capture_logs
from yarl import URL

from bridge.slack.receiver.doors import Limits
from bridge.slack.receiver.fast_path import MessageFastPath
from lp_sandbox.slack.server import SlackSandbox
from tests.slack.support import Relay, as_json, event, http_front, signed


class Wire:
    """A connection as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers, body."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(lines[0].split()[1]), headers, body

    async def closed(self) -> bool:
        async with asyncio.timeout(10):
            return await self.reader.read() == b""


@asynccontextmanager
async def server(
    fast_path: MessageFastPath, *, limits: Limits | None = None, **options: Any
) -> AsyncIterator[int]:
    """The bridge's HTTP side as `bridge.app` builds it; gives its port."""
    async with http_front(fast_path, limits=limits, fast_path=fast_path, **options) as url:
        yield URL(url).port or 0


@pytest.fixture
async def port(dispatch: MessageFastPath, slack: SlackSandbox) -> AsyncIterator[int]:
    async with server(dispatch) as found:
        yield found


@pytest.fixture
async def wire(port: int) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield Wire(reader, writer)
    writer.close()
    await writer.wait_closed()


def request(raw: bytes, *, path: str = "/slack/events", **more: str) -> bytes:
    """A request as Slack sends it."""
    headers = {"Host": "x", **signed(raw), "Content-Length": str(len(raw)), **more}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + raw


async def test_a_connection_serves_one_event_after_the_other(wire: Wire, relay: Relay) -> None:
    for number in range(3):
        wire.send(request(as_json(event(text=str(number), ts=f"170000000{number}.000200"))))
        status, headers, body = await wire.answer()
        assert (status, body) == (200, b"")
        assert "date" in headers
    assert relay.texts == ["0", "1", "2"]


async def test_a_request_may_come_in_any_pieces(wire: Wire, relay: Relay) -> None:
    for byte in request(as_json(event(text="slow"))):
        wire.send(bytes([byte]))
        await wire.writer.drain()
    assert (await wire.answer())[0] == 200
    assert relay.texts == ["slow"]


async def test_requests_that_come_together_are_answered_in_their_order(
    wire: Wire, relay: Relay
) -> None:
    good = [as_json(event(text=str(n), ts=f"170000000{n}.000200")) for n in range(12)]
    wire.send(*(request(raw) for raw in good[:6]), request(b"[]"), *map(request, good[6:]))
    statuses = [(await wire.answer())[0] for _ in range(13)]
    assert statuses == [200] * 6 + [400] + [200] * 6
    assert relay.texts == [str(number) for number in range(12)]


async def test_every_other_path_is_aiohttps_for_good(wire: Wire, relay: Relay) -> None:
    wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await wire.answer())[2] == b'{"alive": true}'
    wire.send(request(as_json(event(text="after"))))
    assert (await wire.answer())[0] == 200
    wire.send(request(b"{}", path="/nowhere"))
    assert (await wire.answer())[0] == 404
    assert relay.texts == ["after"]


async def test_a_body_without_a_stated_length_is_read_too(wire: Wire, relay: Relay) -> None:
    raw = as_json(event(text="in chunks"))
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed(raw).items())
    head = f"POST /slack/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{lines}\r\n"
    half = len(raw) // 2
    wire.send(head.encode(), b"%x\r\n%b\r\n" % (half, raw[:half]))
    await wire.writer.drain()
    wire.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(raw) - half, raw[half:]))
    assert (await wire.answer())[0] == 200
    assert relay.texts == ["in chunks"]


async def test_a_connection_serves_an_event_and_then_another_route(
    wire: Wire, relay: Relay
) -> None:
    wire.send(request(as_json(event(text="first"))))
    assert (await wire.answer())[0] == 200
    wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await wire.answer())[0] == 200
    assert relay.texts == ["first"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST /slack/events HTTP/1.1\r\nX: " + b"x" * 10_000, 400),
        (b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", 401),
    ],
)
async def test_what_cannot_be_served_is_told_and_ends(wire: Wire, sent: bytes, status: int) -> None:
    wire.send(sent)
    assert (await wire.answer())[0] == status
    assert await wire.closed()


async def test_a_mistake_of_ours_is_not_the_clients(
    wire: Wire, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: object) -> bool:
        raise KeyError("ours")

    monkeypatch.setattr(relay.service, "foreign", mistaken)
    with capture_logs() as logs:
        wire.send(request(as_json(event())))
        assert (await wire.answer())[0] == 500
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("slack_request_failed", "error")
    ]


async def test_who_asks_to_close_is_closed(wire: Wire) -> None:
    wire.send(request(as_json(event()), Connection="close"))
    status, headers, _ = await wire.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert await wire.closed()


async def test_a_client_that_leaves_meanwhile_loses_nothing(wire: Wire, relay: Relay) -> None:
    relay.hold = asyncio.Event()
    wire.send(request(as_json(event(text="gone"))))
    async with asyncio.timeout(10):
        await relay.began.wait()
    wire.writer.transport.abort()
    relay.hold.set()
    async with asyncio.timeout(10):
        while relay.texts != ["gone"]:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_stopping_answers_what_is_under_way_and_closes_the_rest(
    dispatch: MessageFastPath, relay: Relay, slack: SlackSandbox
) -> None:
    relay.hold = asyncio.Event()
    async with server(dispatch) as port:
        busy = Wire(*await asyncio.open_connection("127.0.0.1", port))
        idle = Wire(*await asyncio.open_connection("127.0.0.1", port))
        busy.send(request(as_json(event(text="last"))))
        async with asyncio.timeout(10):
            await relay.began.wait()
        asyncio.get_running_loop().call_later(0.1, relay.hold.set)
    assert (await busy.answer())[0] == 200
    assert await idle.closed()
    for one in (busy, idle):
        one.writer.close()


async def test_a_request_that_does_not_end_is_given_up(
    dispatch: MessageFastPath, slack: SlackSandbox
) -> None:
    async with server(dispatch, read_deadline=0.2) as port:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
        wire.send(request(as_json(event()))[:-5])
        assert (await wire.answer())[0] == 408
        assert await wire.closed()
        wire.writer.close()


async def test_what_has_been_answered_is_not_done_again(wire: Wire, relay: Relay) -> None:
    fields = {
        "command": "/lp",
        "text": "connect 12345678",
        "channel_id": "C0SUPPORT",
        "user_id": "U0ANA",
        "team_id": "T0SANDBOX",
        "trigger_id": "1",
    }
    command = urlencode(fields).encode()
    headers = signed(command, content_type="application/x-www-form-urlencoded")
    other = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    wire.send(request(command, **headers), other[:-9])
    assert (await wire.answer())[0] == 200
    wire.send(other[-9:])
    assert (await wire.answer())[2] == b'{"alive": true}'
    wire.send(request(as_json(event()), Connection="close"))
    assert (await wire.answer())[0] == 200
    assert await wire.closed()
    assert len(relay.commands) == 1
