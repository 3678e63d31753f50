"""A small LivePerson for tests of single parts: real sockets, and it misbehaves when told to.

The full stand-in is `lp_sandbox.liveperson`; this one can also answer what no server should.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import WSMsgType, web

ACCOUNT = "12345678"
CONSUMER = "consumer-1"
AGENT = "agent-1"
DIALOG = "dialog-1"
CONNECTOR = {
    "id": 3811,
    "configuration": {"jsMethodName": "lpTag.taglets.unAuthMessaging.lpUnauthFunction"},
}
KEY = "a key that is only good for tests and long enough"


def token(consumer: str = CONSUMER, *, seconds: float = 3600, **more: Any) -> str:
    """Make a JWT as LivePerson's IDP does."""
    now = time.time()
    claims = {"sub": consumer, "iat": int(now), "exp": int(now + seconds), "aud": f"acc:{ACCOUNT}"}
    return jwt.encode(claims | more, KEY, algorithm="HS256")


@dataclass
class Reply:
    """What an HTTP call is answered with."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    """Answer only when it is set."""


@dataclass
class Call:
    """An HTTP call that came in."""

    name: str
    path: str
    body: Any
    headers: dict[str, str]


class StandIn:
    """CSDS, IDP, public configuration and UMS on one port."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {
            "signup": Reply({"jwt": token()}),
            "authorize": Reply({"token": token("external", seconds=600)}),
            "authenticate": Reply({"token": token()}),
            "connectors": Reply([CONNECTOR]),
            "user": Reply({"nickname": "Maria", "fullName": "Maria Lopez"}),
        }
        self.calls: list[Call] = []
        self.frames: list[dict[str, Any]] = []
        self.upgrades: list[dict[str, str]] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.upgrade: Reply | None = None
        """Refuses the upgrade."""
        self.on_open: Callable[[web.WebSocketResponse], Awaitable[None]] | None = None
        self.on_request: Callable[[web.WebSocketResponse, dict[str, Any]], Awaitable[None]] = (
            self.answer
        )
        self._changed = asyncio.Condition()
        self._sequence = 0
        self.host = ""

    async def start(self, ssl_context: Any = None) -> None:
        """Listen on a free port of 127.0.0.1."""
        app = web.Application()
        base = "/api/account/{account}"
        app.router.add_get(f"{base}/service/baseURI.json", self._csds)
        app.router.add_post(f"{base}/signup", self._named("signup"))
        app.router.add_post(f"{base}/anonymous/authorize", self._named("authorize"))
        app.router.add_post(f"{base}/app/{{connector}}/authenticate", self._named("authenticate"))
        configuration = f"{base}/configuration"
        app.router.add_get(
            f"{configuration}/le-connectors/all-connectors", self._named("connectors")
        )
        app.router.add_get(f"{configuration}/le-users/users/{{user}}", self._named("user"))
        app.router.add_get("/ws_api/account/{account}/messaging/consumer", self._socket)
        for method in ("auth.test", "apps.connections.open"):
            app.router.add_post(f"/slack/{method}", self._named(method))
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=ssl_context)
        await site.start()
        self.host = "{}:{}".format(*self._runner.addresses[0][:2])
        scheme = "https" if ssl_context else "http"
        self.url = f"{scheme}://{self.host}"

    async def stop(self) -> None:
        """Close everything."""
        for socket in self.sockets:
            await self.cut(socket)
        await self._runner.cleanup()

    async def cut(self, socket: web.WebSocketResponse) -> None:
        """Cut a websocket without a goodbye."""
        if (transport := socket._req.transport if socket._req else None) is not None:
            transport.abort()

    async def push(self, frame: Any) -> None:
        """Send a frame to the newest socket: JSON, or text and bytes as they are."""
        socket = self.sockets[-1]
        if isinstance(frame, bytes):
            await socket.send_bytes(frame)
        else:
            await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def until(self, predicate: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until the predicate holds; it is asked again whenever something comes in."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(predicate)

    async def answer(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        """Answer as LivePerson would if all is well."""
        body: Any = {}
        match frame["type"]:
            case "GetClock":
                body = {"currentTime": 1_700_000_000_000}
            case "cm.ConsumerRequestConversation":
                body = {"conversationId": DIALOG}
            case "cqm.SubscribeExConversations":
                body = {"subscriptionId": "subscription-1"}
            case "ms.PublishEvent":
                self._sequence += 1
                body = {"sequence": self._sequence}
            case "cm.UpdateConversationField":
                body = "OK"
        await socket.send_json(response(frame, body))

    def _named(self, name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            return await self._reply(name, request)

        return handle

    async def _csds(self, request: web.Request) -> web.Response:
        services = ("idp", "asyncMessagingEnt", "acCdnDomain")
        listed = [{"service": s, "account": ACCOUNT, "baseURI": self.host} for s in services]
        self.replies.setdefault("csds", Reply({"baseURIs": listed}))
        return await self._reply("csds", request)

    async def _reply(self, name: str, request: web.Request) -> web.Response:
        raw = await request.read()
        body = json.loads(raw) if raw else None
        async with self._changed:
            self.calls.append(Call(name, request.path_qs, body, dict(request.headers)))
            self._changed.notify_all()
        reply = self.replies.get(name, Reply(status=404))
        if reply.gate is not None:
            await reply.gate.wait()
        text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        return web.Response(text=text, status=reply.status, headers=reply.headers)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self.upgrades.append(dict(request.headers))
        if self.upgrade is not None:
            return web.Response(status=self.upgrade.status, headers=self.upgrade.headers)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async with self._changed:
            self.sockets.append(socket)
            self._changed.notify_all()
        if self.on_open is not None:
            await self.on_open(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                frame = json.loads(message.data)
                async with self._changed:
                    self.frames.append(frame)
                    self._changed.notify_all()
                await self.on_request(socket, frame)
        return socket


def response(frame: dict[str, Any], body: Any, code: int = 200) -> dict[str, Any]:
    """Make the answer to a request."""
    return {
        "kind": "resp",
        "reqId": frame["id"],
        "code": code,
        "type": "Response",
        "body": body,
    }


def events(*changes: Any) -> dict[str, Any]:
    """Make a messaging notification."""
    body = {"changes": list(changes)}
    return {"kind": "notification", "type": "ms.MessagingEventNotification", "body": body}


def text_change(text: str, sequence: int = 1, *, by: str = AGENT, **more: Any) -> dict[str, Any]:
    """Make the change that a message is."""
    return {
        "sequence": sequence,
        "originatorId": by,
        "originatorMetadata": {"id": by, "role": "ASSIGNED_AGENT"},
        "serverTimestamp": 1_700_000_000_000,
        "event": {"type": "ContentEvent", "contentType": "text/plain", "message": text},
        "dialogId": DIALOG,
        "conversationId": DIALOG,
    } | more


def conversations(*changes: Any) -> dict[str, Any]:
    """Make a conversation notification."""
    return {
        "kind": "notification",
        "type": "cqm.ExConversationChangeNotification",
        "body": {"subscriptionId": "subscription-1", "changes": list(changes)},
    }


def conversation_change(
    state: str = "OPEN", *agents: str, kind: str = "UPSERT", **details: Any
) -> dict[str, Any]:
    """Make the change that tells how the conversation is."""
    participants = [{"id": CONSUMER, "role": "CONSUMER"}]
    participants += [{"id": agent, "role": "ASSIGNED_AGENT"} for agent in agents]
    known = {"state": state, "startTs": 1, "participants": participants}
    return {"type": kind, "result": {"convId": DIALOG, "conversationDetails": known | details}}
