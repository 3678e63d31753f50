"""A small Slack app over real HTTP, for what the stand-in sends: it checks, keeps and answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from slack_sdk.signature import SignatureVerifier

PATIENCE = 5.0


@dataclass(frozen=True)
class Received:
    """One request of Slack's."""

    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = self.body["event"]
        return event

    @property
    def retry(self) -> tuple[str | None, str | None]:
        return self.headers.get("X-Slack-Retry-Num"), self.headers.get("X-Slack-Retry-Reason")


@dataclass
class App:
    """Answers whatever `answer` gives: a response, or a status with an empty body."""

    verifier: SignatureVerifier
    url: str = ""
    answer: Callable[[Received], web.Response | int] = lambda received: 200
    held: asyncio.Event | None = None
    """Set: requests wait for it before they are answered."""
    received: asyncio.Queue[Received] = field(default_factory=asyncio.Queue)

    async def handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        headers = {name: str(value) for name, value in request.headers.items()}
        if not self.verifier.is_valid_request(raw, headers):
            return web.Response(status=401)
        received = Received(headers, _parse(request.content_type, raw))
        self.received.put_nowait(received)
        if self.held is not None:
            await self.held.wait()
        answer = self.answer(received)
        return web.Response(status=answer) if isinstance(answer, int) else answer

    async def next(self) -> Received:
        """The next request, in the order of their arrival."""
        async with asyncio.timeout(PATIENCE):
            return await self.received.get()

    def rest(self) -> list[Received]:
        """What has arrived and was not taken yet."""
        return [self.received.get_nowait() for _ in range(self.received.qsize())]


def _parse(content_type: str, raw: bytes) -> dict[str, Any]:
    if content_type == "application/json":
        body: dict[str, Any] = json.loads(raw)
        return body
    fields = dict(parse_qsl(raw.decode(), keep_blank_values=True, strict_parsing=True))
    if "payload" in fields:
        payload: dict[str, Any] = json.loads(fields["payload"])
        return payload
    return dict(fields)


@asynccontextmanager
async def serve(signing_secret: str) -> AsyncIterator[App]:
    """Run the app on a free port."""
    app = App(SignatureVerifier(signing_secret))
    site = web.Application()
    site.router.add_post("/slack/events", app.handle)
    runner = web.AppRunner(site, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        app.url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
        yield app
    finally:
        await runner.cleanup()
