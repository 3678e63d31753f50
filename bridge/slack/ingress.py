"""`POST /slack/events`: read, verify, parse, dispatch. A refusal is answered and logged once."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp
import structlog
from aiohttp import web

from bridge.slack.dispatch import Dispatch, Reply
from bridge.slack.requests import MAX_BYTES, BadRequest, Body, Verifier, parse

PATH: Final = "/slack/events"
READ_DEADLINE: Final = 10.0
"""Seconds for a body to arrive."""
_FORWARDED: Final = ("X-Slack-Retry-Num", "X-Slack-Retry-Reason")

log = structlog.get_logger(__name__)


class Ingress:
    """Slack's HTTP endpoint: events, commands and interactivity."""

    def __init__(
        self,
        dispatch: Dispatch,
        verifier: Verifier,
        *,
        max_bytes: int = MAX_BYTES,
        read_deadline: float = READ_DEADLINE,
    ) -> None:
        self._dispatch = dispatch
        self._verifier = verifier
        self._max_bytes = max_bytes
        self._read_deadline = read_deadline

    def add_routes(self, app: web.Application) -> None:
        """Serve `POST /slack/events` from this web application."""
        app.router.add_post(PATH, self.handle)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request; 200 only after everything in it is safe."""
        try:
            reply = await self._answer(request)
        except BadRequest as refusal:
            log.warning(
                "slack_request_refused",
                reason=str(refusal),
                status=refusal.status,
                remote=request.remote,
            )
            reply = Reply(refusal.status, str(refusal))
        return web.Response(
            status=reply.status,
            text=reply.body,
            content_type=reply.content_type,
        )

    async def _answer(self, request: web.Request) -> Reply:
        raw = await self._read(request)
        try:
            self._verifier.verify(
                raw,
                request.headers.get("X-Slack-Request-Timestamp"),
                request.headers.get("X-Slack-Signature"),
            )
        except BadRequest:
            # Slack's certificate check carries no signature, and gets nothing but a 200.
            if len(raw) <= 1_000 and _is_ssl_check(raw, request.content_type):
                return Reply(200)
            raise
        body = parse(raw, request.content_type)
        if "ssl_check" in body:
            return Reply(200)
        if body.get("type") == "url_verification":
            return _challenge(body)
        headers = {
            name: value for name in _FORWARDED if (value := request.headers.get(name)) is not None
        }
        return await self._dispatch(body, headers)

    async def _read(self, request: web.Request) -> bytes:
        too_large = BadRequest(f"larger than {self._max_bytes} bytes", status=413)
        if (request.content_length or 0) > self._max_bytes:
            raise too_large
        raw = bytearray()
        try:
            async with asyncio.timeout(self._read_deadline):
                async for chunk in request.content.iter_any():
                    raw += chunk
                    if len(raw) > self._max_bytes:
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
