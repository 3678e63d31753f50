"""`POST /slack/events`: verify, parse, dispatch. A refusal is answered and logged once.

`bridge.slack.http` reads the requests, or aiohttp where one is of a rare form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import structlog
from aiohttp import web

from bridge.slack.dispatch import Dispatch, Reply
from bridge.slack.front import Front
from bridge.slack.requests import MAX_BYTES, BadRequest, Body, Verifier, parse

PATH: Final = "/slack/events"
READ_DEADLINE: Final = 10.0
"""Seconds for a body to arrive."""
JSON: Final = "application/json"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Claims:
    """What a request's headers say, as far as it matters."""

    content_type: str = ""
    """Without parameters, in lower case."""
    timestamp: str | None = None
    signature: str | None = None
    retry_number: str | None = None
    retry_reason: str | None = None
    remote: str | None = None
    """The address that it came from, for the log."""

    @property
    def forwarded(self) -> dict[str, str]:
        """The headers that listeners may want to see."""
        found = {
            "X-Slack-Retry-Num": self.retry_number,
            "X-Slack-Retry-Reason": self.retry_reason,
        }
        return {name: value for name, value in found.items() if value is not None}


class Ingress:
    """Slack's HTTP endpoint: events, commands and interactivity."""

    def __init__(
        self,
        dispatch: Dispatch,
        verifier: Verifier,
        *,
        front: Front | None = None,
        max_bytes: int = MAX_BYTES,
        read_deadline: float = READ_DEADLINE,
    ) -> None:
        """Have `front` take what it can by the bytes alone, and `dispatch` all the rest."""
        self._dispatch = dispatch
        self._verifier = verifier
        self._front = front
        self.max_bytes = max_bytes
        self.read_deadline = read_deadline

    def at_once(self, raw: bytes, claims: Claims) -> Reply | Coroutine[Any, Any, Reply]:
        """Answer one request, or give what answers it; 200 only after everything in it is safe.

        Most requests of a busy workspace have nothing to wait for, and then need no task.
        """
        try:
            self._verifier.verify(raw, claims.timestamp, claims.signature)
            if self._front is not None and claims.content_type == JSON:
                found = self._front.read(raw)
                if isinstance(found, Reply):
                    return found
                if found is not None:
                    return self._front.take(found)
        except BadRequest as refusal:
            # Slack's certificate check carries no signature, and gets nothing but a 200.
            if len(raw) <= 1_000 and _is_ssl_check(raw, claims.content_type):
                return Reply(200)
            return self.refuse(refusal, claims)
        return self._slowly(raw, claims)

    async def answer(self, raw: bytes, claims: Claims) -> Reply:
        """Answer one request; 200 only after everything in it is safe."""
        reply = self.at_once(raw, claims)
        return reply if isinstance(reply, Reply) else await reply

    def refuse(self, refusal: BadRequest, claims: Claims) -> Reply:
        """Log a refusal and put it into an answer."""
        log.warning(
            "slack_request_refused",
            reason=str(refusal),
            status=refusal.status,
            remote=claims.remote,
        )
        return Reply(refusal.status, str(refusal))

    async def _slowly(self, raw: bytes, claims: Claims) -> Reply:
        try:
            body = parse(raw, claims.content_type)
            if "ssl_check" in body:
                return Reply(200)
            if body.get("type") == "url_verification":
                return _challenge(body)
        except BadRequest as refusal:
            return self.refuse(refusal, claims)
        return await self._dispatch(body, claims.forwarded)

    # By way of aiohttp

    def add_routes(self, app: web.Application) -> None:
        """Serve `POST /slack/events` from this web application."""
        app.router.add_post(PATH, self.handle)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request that aiohttp has read."""
        claims = Claims(
            content_type=request.content_type,
            timestamp=request.headers.get("X-Slack-Request-Timestamp"),
            signature=request.headers.get("X-Slack-Signature"),
            retry_number=request.headers.get("X-Slack-Retry-Num"),
            retry_reason=request.headers.get("X-Slack-Retry-Reason"),
            remote=request.remote,
        )
        try:
            reply = await self.answer(await self._read(request), claims)
        except BadRequest as refusal:
            reply = self.refuse(refusal, claims)
        return web.Response(status=reply.status, text=reply.body, content_type=reply.content_type)

    async def _read(self, request: web.Request) -> bytes:
        too_large = BadRequest(f"larger than {self.max_bytes} bytes", status=413)
        if (request.content_length or 0) > self.max_bytes:
            raise too_large
        raw = bytearray()
        try:
            async with asyncio.timeout(self.read_deadline):
                async for chunk in request.content.iter_any():
                    raw += chunk
                    if len(raw) > self.max_bytes:
                        raise too_large
        except TimeoutError:
            raise BadRequest("body did not arrive in time", status=408) from None
        except (aiohttp.ClientError, web.RequestPayloadError, OSError):
            raise BadRequest("body broke off") from None
        return bytes(raw)


def _is_ssl_check(raw: bytes, content_type: str) -> bool:
    try:
        body = parse(raw, content_type)
    except BadRequest:
        return False
    return body.get("ssl_check") == "1" and "command" not in body and "type" not in body


def _challenge(body: Body) -> Reply:
    challenge = body.get("challenge")
    if not isinstance(challenge, str):
        raise BadRequest("url_verification without challenge")
    return Reply(200, challenge)
