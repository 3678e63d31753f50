"""The HTTP server in front of aiohttp: requests to `/slack/events` cost a third of what they would.

Slack sends each event as a request of one plain form: POST, HTTP/1.1, a stated length. Those are
read here (the parser is httptools, Node's). A connection that asks for anything else, in path or in
form, is handed to aiohttp with every byte that came, and stays aiohttp's.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
import structlog
from aiohttp import web

from bridge.slack.dispatch import Reply
from bridge.slack.ingress import PATH, Claims, Ingress
from bridge.slack.requests import BadRequest

IDLE: Final = 75.0
"""Seconds after which a connection that nobody uses is closed."""
LOOK_EVERY: Final = 15.0
"""Seconds between looks at what a connection has been doing: no timer for each request."""
AHEAD: Final = 8
"""Requests that may wait behind one another on a connection before no more are read."""
HEAD_LIMIT: Final = 16 * 1024
"""Bytes of a request before its body."""
_PATH: Final = PATH.encode()
_FIELDS: Final = {
    b"x-slack-request-timestamp": "timestamp",
    b"x-slack-signature": "signature",
    b"x-slack-retry-num": "retry_number",
    b"x-slack-retry-reason": "retry_reason",
}

log = structlog.get_logger(__name__)


class FrontRunner(web.AppRunner):
    """Runs a web application whose connections begin at `EventsProtocol`."""

    def __init__(self, app: web.Application, ingress: Ingress | None, **options: Any) -> None:
        """Without an `ingress` it is aiohttp's own runner."""
        super().__init__(app, **options)
        self._ingress = ingress
        self._grace: float = options.get("shutdown_timeout", 60.0)
        self._open: set[EventsProtocol] = set()

    @property
    def server(self) -> Any:
        """What makes a protocol for each connection; a site asks for it."""
        server, ingress = super().server, self._ingress
        if server is None or ingress is None:
            return server
        return lambda: EventsProtocol(ingress, server, self._open)

    async def shutdown(self) -> None:
        """Finish the requests that are under way, and close the connections."""
        await super().shutdown()
        open_ = list(self._open)
        busy = [task for each in open_ if (task := each.end()) is not None]
        if busy:
            await asyncio.wait(busy, timeout=self._grace)
        for each in open_:
            each.abort()


class _Request:
    """A request that is being read."""

    __slots__ = ("body", "claims", "keep_alive", "refusal")

    def __init__(self) -> None:
        self.claims = Claims()
        self.body: list[bytes] = []
        self.keep_alive = True
        self.refusal: BadRequest | None = None


class EventsProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(
        self,
        ingress: Ingress,
        otherwise: Callable[[], asyncio.Protocol],
        registry: set[EventsProtocol],
    ) -> None:
        self._ingress = ingress
        self._otherwise = otherwise
        self._registry = registry
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._remote: str | None = None
        self._begun = bytearray()
        """All bytes of the request that is being read: aiohttp may have to read it again."""
        self._reading: _Request | None = None
        self._url = b""
        self._length: int | None = None
        self._headed = False
        """Whether all headers of the request that is being read are there."""
        self._plain = True
        self._waiting: deque[_Request] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._active_at = 0.0
        self._look: asyncio.TimerHandle | None = None
        self._ending = False

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        name = transport.get_extra_info("peername")
        self._remote = str(name[0]) if isinstance(name, tuple) and name else None
        self._registry.add(self)
        loop = asyncio.get_running_loop()
        self._active_at = loop.time()
        wait = min(LOOK_EVERY, self._ingress.read_deadline)
        self._look = loop.call_later(wait, self._look_at_it)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._begun += data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._plain = False
        except httptools.HttpParserError:
            if self._plain:
                self._bad("not HTTP")
                return
        if not self._plain:
            self._hand_over()
        elif self._reading is None:
            self._begun.clear()
        elif not self._headed and len(self._begun) > HEAD_LIMIT:
            self._bad("too much before the body")

    def connection_lost(self, exc: Exception | None) -> None:
        """End. A request that is being answered is still finished: it may be committed."""
        self._registry.discard(self)
        self._transport = None
        if self._look is not None:
            self._look.cancel()

    # The parser's side

    def on_message_begin(self) -> None:
        """A request begins."""
        self._reading, self._url, self._length = _Request(), b"", None
        self._headed = False
        self._active_at = asyncio.get_running_loop().time()

    def on_url(self, url: bytes) -> None:
        """(A part of) its address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        request, name = self._reading, name.lower()
        if request is None:
            return
        if (field := _FIELDS.get(name)) is not None:
            setattr(request.claims, field, value.decode("latin-1"))
        elif name == b"content-type":
            kind = value.partition(b";")[0].strip().lower()
            request.claims.content_type = kind.decode("latin-1")
        elif name == b"content-length":
            self._length = int(value) if value.isdigit() else None
        elif name in (b"transfer-encoding", b"expect", b"content-encoding"):
            self._plain = False

    def on_headers_complete(self) -> None:
        """Is it of the plain form?"""
        request, self._headed = self._reading, True
        if request is None:
            return
        request.keep_alive = self._parser.should_keep_alive()
        self._plain = (
            self._plain
            and self._url == _PATH
            and self._parser.get_method() == b"POST"
            and self._length is not None
            and self._parser.get_http_version() == "1.1"
        )
        limit = self._ingress.max_bytes
        if self._plain and self._length is not None and self._length > limit:
            request.refusal = BadRequest(f"larger than {limit} bytes", status=413)
            self._complete(request)

    def on_body(self, body: bytes) -> None:
        """(A part of) its body."""
        if self._reading is not None and self._plain:
            self._reading.body.append(body)

    def on_message_complete(self) -> None:
        """A request is there."""
        if self._reading is not None and self._plain:
            self._complete(self._reading)

    # What becomes of requests

    def _complete(self, request: _Request) -> None:
        self._reading = None
        request.claims.remote = self._remote
        if self._answering is not None:
            self._waiting.append(request)
            if len(self._waiting) >= AHEAD and self._transport is not None:
                self._transport.pause_reading()
            return
        reply = self._reply(request)
        if isinstance(reply, Reply):
            self._send(reply, keep_alive=request.keep_alive and not self._ending)
        else:
            self._answering = asyncio.get_running_loop().create_task(self._answer(request, reply))

    def _reply(self, request: _Request) -> Reply | Coroutine[Any, Any, Reply]:
        if request.refusal is not None:
            request.keep_alive = False  # its body is still on its way
            return self._ingress.refuse(request.refusal, request.claims)
        body = request.body
        raw = body[0] if len(body) == 1 else b"".join(body)
        try:
            return self._ingress.at_once(raw, request.claims)
        except Exception:  # to the parser, which calls this, it would be the client's mistake
            log.exception("slack_request_failed", via="http")
            return Reply(500)

    async def _answer(self, request: _Request, pending: Reply | Coroutine[Any, Any, Reply]) -> None:
        """Answer this one and all that wait behind it, in their order."""
        try:
            while True:
                reply = pending if isinstance(pending, Reply) else await pending
                self._send(reply, keep_alive=request.keep_alive and not self._ending)
                if not self._waiting:
                    break
                request = self._waiting.popleft()
                pending = self._reply(request)
                if self._transport is not None:
                    self._transport.resume_reading()
        except Exception:
            log.exception("slack_request_failed", via="http")
            self._send(Reply(500), keep_alive=False)
        finally:
            self._answering = None

    def _send(self, reply: Reply, *, keep_alive: bool) -> None:
        if self._transport is None:
            return
        self._active_at = asyncio.get_running_loop().time()
        self._transport.write(response(reply, keep_alive=keep_alive))
        if not keep_alive:
            self._transport.close()

    def _bad(self, reason: str) -> None:
        refusal = BadRequest(reason)
        self._send(self._ingress.refuse(refusal, Claims(remote=self._remote)), keep_alive=False)

    def _hand_over(self) -> None:
        """Let aiohttp have the connection, from the beginning of the request that is being read."""
        transport, begun = self._transport, bytes(self._begun)
        if transport is None:
            return
        if self._answering is not None:  # an answer of ours would fall between aiohttp's
            self._bad("a request of another kind before an answer")
            return
        self.connection_lost(None)
        other = self._otherwise()
        other.connection_made(transport)
        transport.set_protocol(other)
        other.data_received(begun)

    # Time

    def _look_at_it(self) -> None:
        """Close a connection that is idle for too long, or whose request does not arrive."""
        if self._transport is None:
            return
        loop = asyncio.get_running_loop()
        quiet = loop.time() - self._active_at
        if self._answering is None:
            if self._reading is not None and quiet >= self._ingress.read_deadline:
                refusal = BadRequest("body did not arrive in time", status=408)
                claims = Claims(remote=self._remote)
                self._send(self._ingress.refuse(refusal, claims), keep_alive=False)
                return
            if quiet >= IDLE:
                self._transport.close()
                return
        wait = LOOK_EVERY
        if self._reading is not None:
            wait = min(wait, max(0.01, self._ingress.read_deadline - quiet))
        self._look = loop.call_later(wait, self._look_at_it)

    def end(self) -> asyncio.Task[None] | None:
        """Answer what has been asked, and then close. Gives what answers, if something does."""
        self._ending = True
        if self._answering is None and self._transport is not None:
            self._transport.close()
        return self._answering

    def abort(self) -> None:
        """Close now."""
        if self._answering is not None:
            self._answering.cancel()
        if self._transport is not None:
            self._transport.abort()


def response(reply: Reply, *, keep_alive: bool) -> bytes:
    """An answer as it goes over the wire."""
    body = reply.body.encode()
    lines = [
        f"HTTP/1.1 {reply.status} {_phrase(reply.status)}",
        f"Date: {_date()}",
        f"Content-Length: {len(body)}",
    ]
    if body:
        lines.append(f"Content-Type: {reply.content_type}; charset=utf-8")
    if not keep_alive:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "?"


_dated: tuple[int, str] = (0, "")


def _date() -> str:
    """Now, as HTTP writes it; made once a second."""
    global _dated  # noqa: PLW0603 - a cache
    now = int(time.time())
    if _dated[0] != now:
        _dated = (now, formatdate(now, usegmt=True))
    return _dated[1]
