"""Bad input over a real socket: every refusal is answered, logged once, and says nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from structlog.testing import capture_logs

from bridge.slack.receiver.dispatch import Reply
from bridge.slack.receiver.requests import Body
from lp_sandbox.slack.server import SlackSandbox
from tests.slack.support import Poster, Relay, as_json, event, http_front, signed

FORM = "application/x-www-form-urlencoded"


def unsigned(_raw: bytes) -> dict[str, str]:
    return {"Content-Type": "application/json"}


def old(raw: bytes) -> dict[str, str]:
    return signed(raw, timestamp=int(time.time()) - 301)


def forged(raw: bytes) -> dict[str, str]:
    return signed(raw, secret="not the secret")


def not_a_number(raw: bytes) -> dict[str, str]:
    return signed(raw) | {"X-Slack-Request-Timestamp": "yesterday"}


def not_ascii(raw: bytes) -> dict[str, str]:
    return signed(raw) | {"X-Slack-Signature": "v0=\u00e9\u00e8"}


@pytest.mark.parametrize("headers", [unsigned, old, forged, not_a_number, not_ascii])
async def test_what_is_not_slacks_gets_401(front: Poster, relay: Relay, headers: Any) -> None:
    raw = as_json(event(text="a secret of Ana's"))
    with capture_logs() as logs:
        status, text = await front.raw(raw, headers(raw))
    assert status == 401
    assert relay.messages == []
    assert [entry["event"] for entry in logs] == ["slack_request_refused"]
    assert "secret of" not in json.dumps(logs) + text


@pytest.mark.parametrize(
    ("raw", "content_type"),
    [
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b"{", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"[" * 50_000, "application/json"),
        (b'{"type": "event_callback"}', "application/json"),
        (b'{"type": "url_verification"}', "application/json"),
        (b'{"type": "event_callback", "event": {"type": "x"}, "team": 5}', "application/json"),
        (b"", FORM),
        (b"payload=null", FORM),
        (b"text=%ff&command=/lp", FORM),
    ],
)
async def test_what_makes_no_sense_gets_400(
    front: Poster, relay: Relay, raw: bytes, content_type: str
) -> None:
    with capture_logs() as logs:
        status, text = await front.raw(raw, signed(raw, content_type=content_type))
    assert status == 400
    assert text
    assert "\n" not in text
    assert [entry["event"] for entry in logs] == ["slack_request_refused"]
    assert relay.messages == []


async def test_too_large_is_refused_whether_announced_or_not(front: Poster) -> None:
    raw = b'{"type": "' + b"x" * (1 << 20) + b'"}'
    assert (await front.raw(raw, signed(raw)))[0] == 413

    async def chunks() -> Any:
        for start in range(0, len(raw), 1 << 16):
            yield raw[start : start + (1 << 16)]

    async with front.http.post(front.url, data=chunks(), headers=signed(raw)) as answer:
        assert answer.status == 413


async def test_a_body_that_does_not_come_is_not_waited_for_long() -> None:
    async def dispatch(body: Body, headers: Mapping[str, str]) -> Reply:
        raise AssertionError("nothing was sent")

    async with http_front(dispatch, read_deadline=0.05) as url:
        port = int(url.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        async with asyncio.timeout(5):
            assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_only_posts_are_taken(front: Poster) -> None:
    async with front.http.get(front.url) as answer:
        assert answer.status == 405


async def test_the_address_is_verified(slack: SlackSandbox, front: Poster) -> None:
    assert await slack.verify_events_url()
    assert await front.json({"type": "url_verification", "challenge": "3eZbr"}) == (200, "3eZbr")


async def test_the_certificate_check_needs_no_signature(front: Poster, relay: Relay) -> None:
    raw = b"ssl_check=1&token=whatever"
    assert (await front.raw(raw, {"Content-Type": FORM}))[0] == 200
    assert (await front.raw(raw, signed(raw, content_type=FORM)))[0] == 200
    disguised = b"ssl_check=1&command=/lp&text=connect+1"
    assert (await front.raw(disguised, {"Content-Type": FORM}))[0] == 401
    assert relay.commands == []


async def test_a_slow_down_from_slack_is_acknowledged_and_logged(front: Poster) -> None:
    with capture_logs() as logs:
        status, _ = await front.json(
            {
                "type": "app_rate_limited",
                "team_id": "T0SANDBOX",
                "minute_rate_limited": 28_000_000,
                "api_app_id": "A0BRIDGE",
            }
        )
    assert status == 200
    assert [entry["event"] for entry in logs] == ["slack_events_rate_limited"]


@pytest.mark.parametrize(
    "body",
    [
        event(type="reaction_added"),
        event(type="something_new", channel={"id": "C1"}),
        {"type": "something_else", "team_id": "T0SANDBOX"},
        {"type": "shortcut", "callback_id": "x", "team": {"id": "T0SANDBOX"}},
        {
            "type": "view_submission",
            "team": {"id": "T0SANDBOX"},
            "view": {"callback_id": "x", "type": "modal", "state": {"values": {}}},
        },
    ],
)
async def test_whatever_slack_invents_is_acknowledged(
    front: Poster, relay: Relay, body: Body
) -> None:
    assert (await front.json(body))[0] == 200
    assert relay.messages == []


async def test_payload_is_a_word_like_any_other(slack: SlackSandbox, front: Poster) -> None:
    for channel, text in (("C0SUPPORT", "connect payload"), ("C0PAYLOAD", "connect 12345678")):
        assert (await slack.command("U0ANA", channel, text)).status == 200
    fields = {
        "command": "/lp",
        "text": "payload=x&payload",
        "channel_id": "C0PAYLOAD",
        "user_id": "U0ANA",
        "team_id": "T0SANDBOX",
        "trigger_id": "1",
    }
    raw = urlencode(fields).encode()
    assert (await front.raw(raw, signed(raw, content_type=FORM)))[0] == 200
