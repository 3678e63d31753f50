"""The limits on connections, made small enough for tests."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from bridge.slack.receiver.doors import Limits
from bridge.slack.receiver.fast_path import MessageFastPath
from bridge.slack.receiver.seldom_log import AT_MOST, WINDOW, SeldomLog
from lp_sandbox.slack.server import SlackSandbox
from tests.slack.receiver.test_http import Wire, request
from tests.slack.support import Relay, as_json, event, http_front

HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
QUICK = Limits(look_every=0.02)
Connect = Callable[[], Awaitable[Wire]]


@asynccontextmanager
async def serving(fast_path: MessageFastPath, limits: Limits) -> AsyncIterator[Connect]:
    """Gives what opens connections to a server with these limits."""
    wires: list[Wire] = []
    async with http_front(fast_path, limits=limits, fast_path=fast_path) as url:
        port = int(url.split(":")[2].split("/")[0])

        async def connect() -> Wire:
            wires.append(Wire(*await asyncio.open_connection("127.0.0.1", port)))
            return wires[-1]

        try:
            yield connect
        finally:
            for wire in wires:
                wire.writer.transport.abort()
            await asyncio.gather(*(w.writer.wait_closed() for w in wires), return_exceptions=True)


async def cut(wire: Wire) -> bool:
    """Whether the other side has closed without an answer."""
    try:
        return await wire.closed()
    except ConnectionError:
        return True


@pytest.mark.parametrize("before", [b"", HEALTHZ], ids=["first", "later"])
async def test_a_head_that_drips_is_cut_off(dispatch: MessageFastPath, before: bytes) -> None:
    async with serving(dispatch, replace(QUICK, head=0.2)) as connect:
        wire = await connect()
        if before:
            wire.send(before)
            await wire.answer()

        async def drip() -> None:
            for byte in b"POST /slack/events HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"x" * 10_000:
                wire.send(bytes([byte]))
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        assert await cut(wire)
        dripping.cancel()
        await asyncio.wait({dripping})


async def test_an_idle_connection_is_closed(dispatch: MessageFastPath) -> None:
    async with serving(dispatch, replace(QUICK, idle=0.1)) as connect:
        used, unused = await connect(), await connect()
        used.send(HEALTHZ)
        await used.answer()
        assert await cut(used)
        assert await cut(unused)


async def test_who_does_not_read_is_cut_off(dispatch: MessageFastPath, slack: SlackSandbox) -> None:
    async with serving(dispatch, replace(QUICK, unread=0.2)) as connect:
        wire = await connect()
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]

        async def ask() -> None:
            while True:
                wire.send(HEALTHZ * 1_000)
                await wire.writer.drain()

        async with asyncio.timeout(20):
            with pytest.raises(ConnectionError):
                await ask()


async def test_when_there_are_too_many_a_stranger_goes(
    dispatch: MessageFastPath, slack: SlackSandbox, relay: Relay
) -> None:
    async with serving(dispatch, replace(QUICK, connections=3)) as connect:
        slacks = await connect()
        slacks.send(request(as_json(event(text="first"))))
        await slacks.answer()
        idle, half = await connect(), await connect()
        half.send(request(as_json(event()))[:-1])
        another = await connect()
        assert await cut(idle), "whoever has sent nothing goes first"
        another.send(HEALTHZ)
        await another.answer()
        await connect()
        assert await cut(another), "even if it has asked for something"
        await connect()
        slacks.send(request(as_json(event(text="second", ts="1700000002.000100"))))
        assert (await slacks.answer())[0] == 200
    assert relay.texts == ["first", "second"]


async def test_who_is_being_answered_stays(
    dispatch: MessageFastPath, slack: SlackSandbox, relay: Relay
) -> None:
    relay.hold = asyncio.Event()
    async with serving(dispatch, replace(QUICK, connections=1)) as connect:
        busy = await connect()
        busy.send(request(as_json(event(text="waits"))))
        async with asyncio.timeout(10):
            await relay.began.wait()
        assert await cut(await connect())
        relay.hold.set()
        assert (await busy.answer())[0] == 200


async def test_the_largest_goes_when_all_hold_too_much(
    dispatch: MessageFastPath, relay: Relay
) -> None:
    async with serving(dispatch, replace(QUICK, held_bytes=300_000)) as connect:
        small, large = await connect(), await connect()
        raw = as_json(event(text="x" * 100_000))
        small.send(request(raw)[:-1])
        await small.writer.drain()
        large.send(request(as_json(event(text="x" * 250_000)))[:-1])
        assert await cut(large)
        small.send(raw[-1:])
        assert (await small.answer())[0] == 200


async def test_the_largest_stays_while_it_is_being_answered(
    dispatch: MessageFastPath, slack: SlackSandbox, relay: Relay
) -> None:
    relay.hold = asyncio.Event()
    async with serving(dispatch, replace(QUICK, held_bytes=300_000)) as connect:
        busy, small = await connect(), await connect()
        busy.send(request(as_json(event(text="x" * 250_000))))
        async with asyncio.timeout(10):
            await relay.began.wait()
        small.send(request(as_json(event(text="x" * 100_000)))[:-1])
        assert await cut(small)
        relay.hold.set()
        assert (await busy.answer())[0] == 200


async def test_what_is_answered_is_no_longer_held(dispatch: MessageFastPath, relay: Relay) -> None:
    async with serving(dispatch, replace(QUICK, held_bytes=200_000)) as connect:
        wire = await connect()
        for number in range(20):
            wire.send(request(as_json(event(text="x" * 90_000, ts=f"17000000{number}.0001"))))
            assert (await wire.answer())[0] == 200
        for _ in range(3):
            wire.send(HEALTHZ * 3_000)
            for _ in range(3_000):
                assert (await wire.answer())[0] == 200


async def test_a_connection_ends_after_many_requests(dispatch: MessageFastPath) -> None:
    async with serving(dispatch, replace(QUICK, requests=3)) as connect:
        wire = await connect()
        for _ in range(2):
            wire.send(HEALTHZ)
            assert "connection" not in (await wire.answer())[1]
        wire.send(HEALTHZ)
        assert (await wire.answer())[1]["connection"] == "close"
        assert await wire.closed()


def test_other_parts_of_the_process_keep_their_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, hard))
        assert Limits.fitting().connections == 100
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_refusals_fill_no_log(dispatch: MessageFastPath) -> None:
    with capture_logs() as logs:
        async with serving(dispatch, QUICK) as connect:
            for _ in range(3 * AT_MOST):
                wire = await connect()
                wire.send(b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                assert (await wire.answer())[0] == 401
                wire = await connect()
                wire.send(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
                assert (await wire.answer())[0] == 400
    assert sorted(entry["reason"] for entry in logs) == ["not HTTP"] * AT_MOST + (
        ["unsigned"] * AT_MOST
    )


def test_what_was_left_out_is_counted() -> None:
    now = 0.0
    with capture_logs() as logs:
        import structlog

        seldom = SeldomLog(structlog.get_logger(), clock=lambda: now)
        for _ in range(AT_MOST + 7):
            seldom.warning("refused", reason="unsigned")
        now = WINDOW
        seldom.warning("refused", reason="unsigned")
    assert len(logs) == AT_MOST + 1
    assert logs[-1]["left_out"] == 7
