"""What anybody on the network can do to the bridge's port, without a signature, and may not break.

Each attack goes to a whole bridge in a process of its own; its memory and descriptors are looked at
from outside. Deadlines are too long to be waited for here: see
`tests/slack/receiver/test_doors.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psutil
import pytest

from lp_sandbox.slack.delivery import sign
from tests.e2e.world import Bridge, World

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

MIB = 1 << 20
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
EVENT = json.dumps(
    {
        "type": "event_callback",
        "team_id": "T0SANDBOX",
        "event_id": "Ev1",
        "event": {"type": "reaction_added", "user": "U0ANA", "event_ts": "1700000000.000100"},
        "authorizations": [{"team_id": "T0SANDBOX"}],
    }
).encode()


def rss(bridge: Bridge) -> int:
    assert bridge.process is not None
    return psutil.Process(bridge.process.pid).memory_info().rss


def post(raw: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = ["POST /slack/events HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
    lines.append(f"Content-Length: {len(raw) if length is None else length}")
    return "\r\n".join([*lines, "\r\n"]).encode() + raw


def signed_event(world: World) -> bytes:
    signature = sign(world.slack.signing_secret.encode(), EVENT, str(int(time.time())))
    return post(EVENT, *(f"{name}: {value}" for name, value in signature.items()))


HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def forged() -> tuple[str, str]:
    """Headers that look like Slack's until the body is there."""
    return f"X-Slack-Request-Timestamp: {int(time.time())}", f"X-Slack-Signature: v0={'0' * 64}"


@asynccontextmanager
async def connections(port: int) -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
    """Gives what opens connections; at the end they are cut."""
    opened: list[asyncio.StreamWriter] = []

    async def connect() -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        opened.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        for writer in opened:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def answered(world: World, bridge: Bridge) -> None:
    """Slack's own event gets its answer, on a new connection."""
    async with asyncio.timeout(3), connections(bridge.port) as connect:  # as long as Slack waits
        reader, writer = await connect()
        writer.write(signed_event(world))
        assert b" 200 " in await reader.readline()


@asynccontextmanager
async def flood(port: int, piece: bytes, times: int) -> AsyncIterator[asyncio.Task[int]]:
    """One connection that sends and reads as fast as it can; gives the number of its answers."""

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            for _ in range(times):
                writer.write(piece)
                await writer.drain()
            writer.write(piece[:-1])  # it never comes to rest

    async def count() -> int:
        found, last = 0, b""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                found += (last + data).count(b"HTTP/1.1 ")
                last = data[-8:]
        return found

    async with connections(port) as connect:
        reader, writer = await connect()
        sending, counting = asyncio.create_task(send()), asyncio.create_task(count())
        try:
            yield counting
        finally:
            for task in (sending, counting):
                task.cancel()
            await asyncio.wait({sending, counting})


@pytest.mark.parametrize("headers", [(), ("x",)], ids=["unsigned", "forged"])
async def test_bodies_in_a_row_are_not_kept(world: World, headers: tuple[str, ...]) -> None:
    bridge = await world.bridge()
    before = rss(bridge)
    piece = post(b"x" * (MIB - 10), *(forged() if headers else ()))
    for _ in range(3):
        async with flood(bridge.port, piece, 100) as answers:
            await asyncio.wait({answers}, timeout=2)
            assert rss(bridge) - before < 64 * MIB
    await answered(world, bridge)


async def test_bodies_that_do_not_end_are_not_kept(world: World) -> None:
    bridge = await world.bridge()
    before = rss(bridge)
    most = post(b"x" * (MIB - 100), *forged(), length=MIB - 10)
    async with connections(bridge.port) as connect:
        for _ in range(300):
            _, writer = await connect()
            writer.write(most)
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(0.5):
                    await writer.drain()
        await answered(world, bridge)
        assert rss(bridge) - before < 160 * MIB


async def test_a_stranger_gets_one_answer(world: World) -> None:
    bridge = await world.bridge()
    async with flood(bridge.port, post(b"{}") * 1_000, 126) as answers:
        await answered(world, bridge)
        async with asyncio.timeout(30):
            assert await answers <= 1, "and is closed with it"


async def test_requests_in_a_row_let_slacks_through(world: World) -> None:
    bridge = await world.bridge()
    async with flood(bridge.port, HEALTHZ * 1_000, 126) as answers:
        await asyncio.wait({answers}, timeout=0.3)
        for _ in range(5):
            await answered(world, bridge)


@pytest.mark.parametrize("piece", [post(b"{}"), HEALTHZ], ids=["unsigned", "healthz"])
async def test_answers_that_nobody_reads_are_not_kept(world: World, piece: bytes) -> None:
    bridge = await world.bridge()
    before = rss(bridge)
    piece *= 1_000
    async with connections(bridge.port) as connect:
        reader, writer = await connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(2):
                for _ in range(1_000):
                    writer.write(piece)
                    await writer.drain()
        assert rss(bridge) - before < 32 * MIB
        await answered(world, bridge)
        assert not reader.at_eof()


async def test_idle_connections_leave_descriptors_to_the_rest(world: World) -> None:
    shell = f"ulimit -n 256; exec {sys.executable} -m bridge serve"
    bridge = Bridge(world.env, argv=("sh", "-c", shell))
    world.bridges.append(bridge)
    await bridge.start()
    world.route(bridge)
    with contextlib.ExitStack() as stack:
        for _ in range(1_000):
            with contextlib.suppress(OSError):
                stranger = socket.create_connection(("127.0.0.1", bridge.port), timeout=1)
                stack.callback(stranger.close)
        thread, _ = await world.talking()
        await thread.say("still here")
        await answered(world, bridge)
