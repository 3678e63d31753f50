"""A consumer for tests of the stand-in: raw frames over a real websocket, nothing clever."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect

from lp_sandbox.liveperson import LivePersonSandbox

TELECOM = "12345678"
BANK = "87654321"
DEADLINE = 5.0

Json = dict[str, Any]


def text(message: str) -> Json:
    """A plain text event."""
    return {"type": "ContentEvent", "contentType": "text/plain", "message": message}


async def call(
    sandbox: LivePersonSandbox, path: str, body: Json | None = None, method: str = "POST"
) -> tuple[int, Any]:
    """One HTTP call; gives the status and the JSON."""
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"{sandbox.base_url}{path}", json=body) as response,
    ):
        return response.status, await response.json(content_type=None)


async def sign_up(sandbox: LivePersonSandbox, account: str = TELECOM) -> str:
    """A token by sign-up."""
    status, body = await call(sandbox, f"/api/account/{account}/signup")
    assert status == 200
    return str(body["jwt"])


async def anonymous(sandbox: LivePersonSandbox, account: str = TELECOM) -> tuple[str, str]:
    """An external token, and the token that it was exchanged for."""
    base = f"/api/account/{account}"
    _, external = await call(sandbox, f"{base}/anonymous/authorize")
    connector = sandbox.accounts[account].connector
    status, token = await call(
        sandbox,
        f"{base}/app/{connector}/authenticate?v=3.0",
        {"id_token": external["token"]},
    )
    assert status == 200
    return external["token"], token["token"]


class Consumer:
    """One open websocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._ids = itertools.count(1)
        self.heard: list[Json] = []
        """Every frame that came, in order."""
        self._read = 0

    async def send(self, type_: str, body: Any = None, **more: Any) -> str:
        """Send a request; gives its id."""
        request_id = str(next(self._ids))
        frame = {"kind": "req", "id": request_id, "type": type_, **more}
        if body is not None:
            frame["body"] = body
        await self.socket.send(json.dumps(frame))
        return request_id

    async def receive(self) -> Json:
        """The next frame of any kind."""
        async with asyncio.timeout(DEADLINE):
            frame: Json = json.loads(await self.socket.recv())
        self.heard.append(frame)
        return frame

    async def ask(self, type_: str, body: Any = None, **more: Any) -> Json:
        """Send a request and wait for its answer; what else comes is kept in `heard`."""
        request_id = await self.send(type_, body, **more)
        while (frame := await self.receive()).get("reqId") != request_id:
            pass
        return frame

    async def told(self) -> Json:
        """The next notification that has not been given yet."""
        while True:
            for index in range(self._read, len(self.heard)):
                if self.heard[index]["kind"] == "notification":
                    self._read = index + 1
                    return self.heard[index]
            self._read = len(self.heard)
            await self.receive()

    async def settled(self) -> None:
        """Wait until everything that was sent so far has arrived."""
        await self.ask("GetClock")

    def messages(self) -> list[tuple[int, str]]:
        """(sequence, text) of every text that was heard, in order, repetitions included."""
        return [
            (change["sequence"], change["event"]["message"])
            for frame in self.heard
            if frame.get("type") == "ms.MessagingEventNotification"
            for change in frame["body"]["changes"]
            if change["event"]["type"] == "ContentEvent"
        ]

    async def converse(self) -> str:
        """Open a conversation and hear its events; gives its id."""
        answer = await self.ask("cm.ConsumerRequestConversation", {})
        assert answer["code"] == 200, answer
        conversation = str(answer["body"]["conversationId"])
        await self.ask("ms.SubscribeMessagingEvents", {"dialogId": conversation, "fromSeq": 0})
        return conversation

    async def publish(self, dialog: str, message: str, **more: Any) -> Json:
        """Publish a text; gives the answer."""
        return await self.ask(
            "ms.PublishEvent", {"dialogId": dialog, "event": text(message)}, **more
        )

    async def closed(self) -> int | None:
        """Wait for the end; gives the code of the close frame, None when there was none."""
        async with asyncio.timeout(DEADLINE):
            await self.socket.wait_closed()
        frame = self.socket.protocol.close_rcvd
        return frame.code if frame else None


@asynccontextmanager
async def consumer(
    sandbox: LivePersonSandbox,
    token: str | None,
    account: str = TELECOM,
    *,
    headers: dict[str, str] | None = None,
    version: str = "3",
    ping_interval: float | None = None,
) -> AsyncIterator[Consumer]:
    """Open a websocket; without a token, InitConnection must follow."""
    authorization = {"Authorization": f"jwt {token}"} if token is not None else {}
    url = sandbox.base_url.replace("http", "ws", 1)
    async with connect(
        f"{url}/ws_api/account/{account}/messaging/consumer?v={version}",
        additional_headers={**authorization, **(headers or {})},
        compression=None,
        ping_interval=ping_interval,
        close_timeout=0.5,
    ) as socket:
        yield Consumer(socket)
