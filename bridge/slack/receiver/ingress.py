"""`POST /slack/events`: verify, parse, dispatch. A refusal is answered and logged once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import structlog
from aiohttp import web

from bridge.slack.receiver.dispatch import Dispatch, Reply
from bridge.slack.receiver.fast_path import MessageFastPath
from bridge.slack.receiver.requests import MAX_BYTES, BadRequest, Body, Verifier, parse
from bridge.slack.receiver.seldom_log import SeldomLog

PATH: Final = "/slack/events"
READ_DEADLINE: Final = 10.0
"""Seconds for a body to arrive."""
JSON: Final = "application/json"
SSL_CHECK_BYTES: Final = 1_000
"""Slack's certificate check has at most so many bytes. It is the only request without a
signature."""
CLOSING_STATUSES: Final = frozenset({401, 408, 413})
"""Statuses after which the connection is closed: a stranger's, or its body is still to come."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class RequestHeaders:
    """The headers of a request that the bridge uses."""

    content_type: str = ""
    """The media type, without parameters, in lower case."""
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
        fast_path: MessageFastPath | None = None,
        max_bytes: int = MAX_BYTES,
        read_deadline: float = READ_DEADLINE,
    ) -> None:
        """`fast_path` handles what it can from the bytes alone, and `dispatch` all the rest."""
        self._dispatch = dispatch
        self._verifier = verifier
        self._fast_path = fast_path
        self.max_bytes = max_bytes
        self.read_deadline = read_deadline
        self._seldom = SeldomLog(log)

    def try_sync(self, raw: bytes, headers: RequestHeaders) -> Reply | Coroutine[Any, Any, Reply]:
        """Answer one request, or return a coroutine that does; 200 only after the commit.

        Most requests of a busy workspace have nothing to wait for, and so need no task.
        """
        try:
            self._verifier.verify(raw, headers.timestamp, headers.signature)
            if self._fast_path is not None and headers.content_type == JSON:
                found = self._fast_path.read(raw)
                if isinstance(found, Reply):
                    return found
                if found is not None:
                    return self._fast_path.take(found)
        except BadRequest as refusal:
            # Slack's certificate check has no signature, and is only answered with 200.
            if len(raw) <= SSL_CHECK_BYTES and _is_ssl_check(raw, headers.content_type):
                return Reply(200)
            return self.refuse(refusal, headers)
        return self._dispatch_async(raw, headers)

    def refuse(self, refusal: BadRequest, headers: RequestHeaders) -> Reply:
        """Log a refusal and return the answer for it."""
        self._seldom.warning(
            "slack_request_refused",
            reason=str(refusal),
            status=refusal.status,
            remote=headers.remote,
        )
        return Reply(refusal.status, str(refusal))

    async def _dispatch_async(self, raw: bytes, headers: RequestHeaders) -> Reply:
        try:
            body = parse(raw, headers.content_type)
            if "ssl_check" in body:
                return Reply(200)
            if body.get("type") == "url_verification":
                return _challenge(body)
        except BadRequest as refusal:
            return self.refuse(refusal, headers)
        return await self._dispatch(body, headers.forwarded)

    # aiohttp's side

    def add_routes(self, app: web.Application) -> None:
        """Serve `POST /slack/events` from this web application."""
        app.router.add_post(PATH, self.handle)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request."""
        found = request.headers.get
        headers = RequestHeaders(
            content_type=request.content_type,
            timestamp=found("X-Slack-Request-Timestamp"),
            signature=found("X-Slack-Signature"),
            retry_number=found("X-Slack-Retry-Num"),
            retry_reason=found("X-Slack-Retry-Reason"),
            remote=request.remote,
        )
        try:
            reply = self.try_sync(await self._read(request, headers), headers)
        except BadRequest as refusal:
            reply = self.refuse(refusal, headers)
        if not isinstance(reply, Reply):
            reply = await reply
        if not reply.body:
            response = web.Response(status=reply.status)
        else:
            response = web.Response(
                status=reply.status, text=reply.body, content_type=reply.content_type
            )
        if reply.status in CLOSING_STATUSES:
            response.force_close()
        return response

    async def _read(self, request: web.Request, headers: RequestHeaders) -> bytes:
        """Read the body; raise `BadRequest` first if the headers show that it is not Slack's."""
        length = request.content_length
        if length is not None and length > self.max_bytes:
            raise self._too_large
        content = request.content
        if content.is_eof() and length is not None:  # the body came together with the head
            return content.read_nowait()
        if length is None or length > SSL_CHECK_BYTES:
            self._verifier.check_headers(headers.timestamp, headers.signature)
        came: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.read_deadline):
                async for chunk in content.iter_any():
                    came.append(chunk)
                    size += len(chunk)
                    if size > self.max_bytes:
                        raise self._too_large
            return b"".join(came)
        except TimeoutError:
            raise BadRequest("body did not arrive in time", status=408) from None
        except (aiohttp.ClientError, web.RequestPayloadError, OSError):
            raise BadRequest("body broke off") from None
        finally:
            came.clear()  # the exception's traceback would keep the bytes until it is collected
            chunk = b""

    @property
    def _too_large(self) -> BadRequest:
        return BadRequest(f"larger than {self.max_bytes} bytes", status=413)


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
