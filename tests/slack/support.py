"""What the tests of Slack's face share: a small relay, an HTTP front, and signed requests."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import aiohttp
from aiohttp import web

from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId
from bridge.ops import health
from bridge.relay.types import (
    AccountInfo,
    Accounts,
    Click,
    ConnectCommand,
    Connecting,
    Disposition,
    Refused,
    SessionSummary,
    ThreadMessage,
)
from bridge.slack.receiver.dispatch import Dispatch
from bridge.slack.receiver.doors import Limits
from bridge.slack.receiver.http import FrontRunner
from bridge.slack.receiver.ingress import PATH, Ingress
from bridge.slack.receiver.requests import Verifier

SECRET = "sandbox-signing-secret"
TEAM = TeamId("T0SANDBOX")
SUPPORT = ChannelId("C0SUPPORT")
ANA = UserId("U0ANA")


class Relay:
    """A relay that keeps everything in memory: whatever listeners hand over can be read here."""

    def __init__(self) -> None:
        self.commands: list[ConnectCommand] = []
        self.messages: dict[tuple[str, str], ThreadMessage] = {}
        self.ended: list[tuple[str, Click]] = []
        self.moved: list[tuple[str, str]] = []
        self.listed: list[SessionSummary] = []
        self.known = [AccountInfo("12345678", "Sandbox Telecom", "telecom")]
        self.down: Exception | None = None
        """Raised instead of committing."""
        self.hold: asyncio.Event | None = None
        """Commits wait for it."""
        self.began = asyncio.Event()
        """Set when a commit was asked for."""
        self.refuse_end: Refused | None = None

    async def _commit(self) -> None:
        self.began.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.down is not None:
            raise self.down

    async def connect(self, command: ConnectCommand) -> Connecting | Refused:
        await self._commit()
        self.commands.append(command)
        if not command.target:
            return Refused("Which account? Type `/lp connect 12345678`.")
        return Connecting(SessionId("s1"), f"Account {command.target}")

    def foreign(self, team: TeamId, channel: ChannelId, thread_ts: MessageTs) -> bool:
        return False

    async def message(self, message: ThreadMessage) -> Disposition:
        await self._commit()
        key = (message.channel, message.ts)
        known = key in self.messages
        self.messages[key] = message
        return Disposition.DUPLICATE if known else Disposition.ACCEPTED

    async def end(self, session: SessionId, click: Click) -> Refused | None:
        await self._commit()
        self.ended.append((session, click))
        return self.refuse_end

    async def channel_moved(self, team: TeamId, old: ChannelId, new: ChannelId) -> None:
        await self._commit()
        self.moved.append((old, new))

    async def sessions(self, team: TeamId, user: UserId) -> list[SessionSummary]:
        await self._commit()
        return self.listed

    def accounts(self, channel: ChannelId, channel_name: str | None) -> Accounts:
        return Accounts(named=tuple(self.known), others=False)

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.messages.values()]


@asynccontextmanager
async def http_front(
    dispatch: Dispatch, *, limits: Limits | None = None, **options: Any
) -> AsyncIterator[str]:
    """Serve the ingress, and /healthz, on a port of its own; give the ingress's address."""
    app = web.Application()
    Ingress(dispatch, Verifier(SECRET), **options).add_routes(app)
    health.add_routes(app, {})
    runner = FrontRunner(app, limits=limits, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
    finally:
        await runner.cleanup()


def signed(
    raw: bytes,
    *,
    content_type: str = "application/json",
    secret: str = SECRET,
    timestamp: int | None = None,
) -> dict[str, str]:
    """Give the headers that Slack would send with this body."""
    stamp = str(int(time.time()) if timestamp is None else timestamp)
    base = b"v0:" + stamp.encode() + b":" + raw
    digest = hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return {
        "Content-Type": content_type,
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
    }


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


@dataclass
class Poster:
    """Posts to the front as Slack does."""

    http: aiohttp.ClientSession
    url: str

    async def raw(self, raw: bytes, headers: dict[str, str]) -> tuple[int, str]:
        async with self.http.post(self.url, data=BytesIO(raw), headers=headers) as answer:
            return answer.status, await answer.text()

    async def json(self, value: Any) -> tuple[int, str]:
        raw = as_json(value)
        return await self.raw(raw, signed(raw))


def event(**fields: Any) -> dict[str, Any]:
    """Give an event envelope around a reply of Ana's in a thread, changed by `fields`."""
    inner = {
        "type": "message",
        "channel": SUPPORT,
        "user": ANA,
        "text": "hello",
        "ts": "1700000001.000100",
        "thread_ts": "1700000000.000100",
        **fields,
    }
    return {
        "type": "event_callback",
        "team_id": TEAM,
        "event_id": "Ev1",
        "event": {name: value for name, value in inner.items() if value is not None},
        "authorizations": [{"team_id": TEAM, "enterprise_id": None, "is_bot": True}],
    }
