"""No log contains what people write, even if its request is malformed."""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import urlencode

import pytest

from lp_sandbox.slack.delivery import sign
from tests.e2e.world import Bridge, World
from tests.slack.samples import COMMANDS, INTERACTIONS, SAMPLES, SECRET_WORD, filled

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def headers(world: World, raw: bytes, content_type: str) -> str:
    signed = sign(world.slack.signing_secret.encode(), raw, str(int(time.time())))
    fields = {"Host": "x", "Content-Type": content_type, "Connection": "close", **signed}
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items())


async def status(bridge: Bridge, sent: bytes) -> int:
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(sent)
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return int(line.split()[1])


async def post(world: World, bridge: Bridge, raw: bytes, content_type: str = JSON) -> int:
    head = f"POST /slack/events HTTP/1.1\r\n{headers(world, raw, content_type)}"
    return await status(bridge, f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)


async def test_no_kind_of_request_is_served_for_another_workspace(world: World) -> None:
    bridge = await world.bridge()
    statuses = {}
    for team in ("T0SANDBOX", "T0OTHER"):
        for name, sample in SAMPLES.items():
            payload = filled(sample, team=team, url="https://hooks.slack.example/x")
            if name in COMMANDS:
                raw, content_type = urlencode(payload).encode(), FORM
            elif name in INTERACTIONS:
                raw, content_type = urlencode({"payload": json.dumps(payload)}).encode(), FORM
            else:
                raw, content_type = json.dumps(payload).encode(), JSON
            statuses[team, name] = await post(world, bridge, raw, content_type)
    assert {name: found for name, found in statuses.items() if found != 200} == {}
    assert {line["event"] for line in bridge.errors()} == {"slack_events_rate_limited"}
    assert SECRET_WORD not in str(bridge.log)


async def test_requests_that_are_broken(world: World) -> None:
    bridge = await world.bridge()
    word = SECRET_WORD.encode()
    for raw in (word, b'{"text": "' + word, json.dumps([SECRET_WORD]).encode()):
        assert await post(world, bridge, raw) == 400
    event = {"type": "event_callback", "event": {"type": "message", "text": SECRET_WORD, "ts": 5}}
    assert await post(world, bridge, json.dumps(event).encode()) == 200
    await post(world, bridge, b"text=%ff&command=/lp&x=" + word, FORM)
    unsigned = b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n" + word
    assert await status(bridge, unsigned) == 401
    chunked = f"POST /slack/events HTTP/1.1\r\n{headers(world, b'', JSON)}"
    chunked += f"Transfer-Encoding: chunked\r\n\r\n{SECRET_WORD}\r\n{SECRET_WORD}\r\n"
    assert await status(bridge, chunked.encode()) == 400
    await status(bridge, f"{SECRET_WORD} / HTTP/1.1\r\n{SECRET_WORD}\r\n\r\n".encode())
    await status(bridge, f"GET /{SECRET_WORD}?{SECRET_WORD} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert await bridge.stop() == 0
    assert SECRET_WORD not in str(bridge.log)
    assert bridge.errors() == []
