"""Frames as TCP cuts them up: whatever arrives together or apart, messages are whole.

The server is a plain one that writes bytes, so that the cuts are where a test wants them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from websockets.asyncio.client import connect
from websockets.utils import accept_key

from bridge.liveperson.socket import Socket

PONG = b"\x8a\x00"
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Heard = asyncio.Queue[bytes | None]


@asynccontextmanager
async def connected(script: Script, *, ping_interval: float | None = None) -> AsyncIterator[Heard]:
    """What a socket hears of a server that upgrades and then follows `script`; None is the end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = re.search(r"(?i)^sec-websocket-key: *(\S+)", head, re.MULTILINE)
        assert key is not None
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept_key(key[1]).encode()
        )
        try:
            await script(reader, writer)
            await reader.read()
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        socket: Any = await connect(
            f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}",
            create_connection=cast("Any", Socket),
            ping_interval=ping_interval,
            ping_timeout=0.3,
            close_timeout=0.1,
            compression=None,
            proxy=None,
        )
        heard: Heard = asyncio.Queue()
        socket.listen(heard.put_nowait, lambda _: heard.put_nowait(None))
        try:
            yield heard
        finally:
            await socket.close()


@pytest.mark.parametrize(
    ("pieces", "messages"),
    [
        ([b"\x82\x02", PONG], [PONG]),
        ([b"\x82", b"\x02", PONG], [PONG]),
        ([b"\x82\x01a" + b"\x82\x02", PONG], [b"a", PONG]),
        ([PONG, b"\x82\x04ab", PONG, b"\x82\x01c"], [b"ab" + PONG, b"c"]),
        ([b"\x82\x7e\x00\xc8" + b"x" * 198, PONG, PONG], [b"x" * 198 + PONG]),
        ([b"\x02\x02", PONG, b"\x80\x00"], [PONG]),
        ([b"\x82\x7f" + bytes(7) + b"\x02", PONG, PONG], [PONG]),
    ],
)
async def test_what_looks_like_a_pong_inside_a_message_belongs_to_it(
    pieces: list[bytes], messages: list[bytes]
) -> None:
    async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in [*pieces, b"\x82\x03end"]:
            await asyncio.sleep(0.03)  # else they would arrive together
            writer.write(piece)

    async with connected(cut) as heard, asyncio.timeout(10):
        assert [await heard.get() for _ in range(len(messages) + 1)] == [*messages, b"end"]


async def test_pongs_keep_it_open_and_their_absence_ends_it() -> None:
    pinged = 0

    async def answer_five(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal pinged
        while True:
            ping = await reader.readexactly(6)
            assert ping[:2] == b"\x89\x80"
            pinged += 1
            if pinged <= 5:
                writer.write(PONG)
            else:
                return

    async with connected(answer_five, ping_interval=0.05) as heard, asyncio.timeout(10):
        assert await heard.get() is None
    assert pinged == 6
