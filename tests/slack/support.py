"""Shared by the tests of `bridge.slack`: a small relay, an HTTP server, and signed requests."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import inspect
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeVar, TypeVarTuple, cast

import aiohttp
from aiohttp import web

from bridge.ids import ChannelId, SessionId, TeamId, UserId
from bridge.ops import health
from bridge.slack.port import (
    AccountInfo,
    Accounts,
    ConnectCommand,
    Connecting,
    Overview,
    Service,
    ThreadMessage,
)
from bridge.slack.receiver.dispatch import Dispatch
from bridge.slack.receiver.doors import Limits
from bridge.slack.receiver.http import BoundedRunner
from bridge.slack.receiver.ingress import PATH, Ingress
from bridge.slack.receiver.requests import Verifier

SECRET = "sandbox-signing-secret"
TEAM = TeamId("T0SANDBOX")
SUPPORT = ChannelId("C0SUPPORT")
ANA = UserId("U0ANA")

Answer = TypeVar("Answer")
Given = TypeVarTuple("Given")


class Relay:
    """Takes the relay's place as `service`: records the calls, and answers as the test says.

    A new verb of `Service` needs no line here, except for an answer other than None.
    """

    def __init__(self) -> None:
        self.service = cast("Service", _Verbs(self._asked))
        self.down: Exception | None = None
        """Raised instead of committing."""
        self.hold: asyncio.Event | None = None
        """Commits wait for it."""
        self.began = asyncio.Event()
        """Set when a commit was asked for."""
        self._calls: list[tuple[str, tuple[Any, ...]]] = []
        self._answers: dict[str, object] = {
            "connect": Connecting(SessionId("s1"), "Account 12345678"),
            "foreign": False,
            "sessions": [],
            "overview": Overview((), ()),
            "quotation": "> hello\n— Ben\n",
            "accounts": Accounts(
                named=(AccountInfo("12345678", "Sandbox Telecom", "telecom"),), others=False
            ),
        }

    def answer(self, verb: Callable[..., Awaitable[Answer]]) -> Callable[[Answer], None]:
        """Have a verb answered so from now on: `relay.answer(Service.end)(Refused("No."))`."""
        return lambda answer: self._answers.update({verb.__name__: answer})

    def reachable(self, accounts: Accounts) -> None:
        """Have these accounts be reachable from now on, from wherever that is asked."""
        self._answers["accounts"] = accounts

    def asked(self, verb: Callable[[Service, *Given], object]) -> list[tuple[*Given]]:
        """What `verb` was called with, each time that it was committed."""
        return [given for name, given in self._calls if name == verb.__name__]

    @property
    def commands(self) -> list[ConnectCommand]:
        return [command for (command,) in self.asked(Service.connect)]

    @property
    def messages(self) -> list[ThreadMessage]:
        return [message for (message,) in self.asked(Service.message)]

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.messages]

    def _asked(self, verb: str, given: tuple[Any, ...]) -> Any:
        if not inspect.iscoroutinefunction(getattr(Service, verb)):
            return self._answers.get(verb)
        return self._commit(verb, given)

    async def _commit(self, verb: str, given: tuple[Any, ...]) -> Any:
        self.began.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.down is not None:
            raise self.down
        self._calls.append((verb, given))
        return self._answers.get(verb)


class _Verbs:
    """Every verb of `Service`, whatever they are."""

    def __init__(self, asked: Callable[[str, tuple[Any, ...]], Any]) -> None:
        self._asked = asked

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        return lambda *given: self._asked(verb, given)


@asynccontextmanager
async def http_front(
    dispatch: Dispatch, *, limits: Limits | None = None, **options: Any
) -> AsyncIterator[str]:
    """Serve the ingress, and /healthz, on a port of its own; give the ingress's address."""
    app = web.Application()
    Ingress(dispatch, Verifier(SECRET), **options).add_routes(app)
    health.add_routes(app, {})
    runner = BoundedRunner(app, limits=limits, shutdown_timeout=1.0)
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
