"""Bounds the connections from outside: their number, the bytes they hold, and how long they take.

A `Door` stands between a connection's transport and aiohttp's protocol. It passes everything on
unchanged and counts. If there are too many connections, or together they hold too many bytes, the
one is closed that is most likely a stranger's: never one whose request is being answered.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, cast

import structlog
from aiohttp import web

from bridge.slack.receiver.seldom_log import SeldomLog

LOOK_EVERY: Final = 1.0
"""Seconds between checks of all connections: one timer serves for all of them."""
UNCOUNTED_BYTES: Final = 64 * 1024
"""Bytes that a connection may hold between two requests without being counted."""
SENT_AHEAD_BYTES: Final = 2 << 20
"""A connection holds more bytes than this only if it sends on before it has its answer."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on what strangers may use. Times are in seconds."""

    connections: int = 512
    held_bytes: int = 32 << 20
    """Bytes of all connections together that wait to be read or answered."""
    requests: int = 10_000
    """Requests of one connection, which is then closed with an answer; Slack opens another."""
    head: float = 10.0
    """From a request's first byte to the end of its head."""
    answering: float = 60.0
    """From the end of the head to the answer. Each handler has a shorter deadline of its own."""
    unread: float = 10.0
    """For the other side to read what was written, and to close its end of a closed connection."""
    idle: float = 75.0
    look_every: float = LOOK_EVERY

    @classmethod
    def fitting(cls) -> Limits:
        """Limits that leave three quarters of this process's file descriptors for other uses."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return cls()
        return cls(connections=max(16, min(cls().connections, soft // 4)))


class ConnectionPhase(Enum):
    """The phase of a connection; the value names what it takes too long with, for the log."""

    IDLE = "idle"
    HEAD = "a request that does not arrive"
    ANSWERING = "an answer that takes too long"


class Door(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        *("_doors", "inner", "transport", "request"),
        *("phase", "since", "unread_since", "closing_since"),
        *("request_count", "held_bytes", "useful"),
    )

    def __init__(self, doors: Doors, inner: asyncio.Protocol) -> None:
        self._doors = doors
        self.inner = inner
        """aiohttp's protocol."""
        self.transport: asyncio.Transport | None = None
        self.phase = ConnectionPhase.IDLE
        self.since = 0.0
        """When the phase began."""
        self.request: web.BaseRequest | None = None
        """The request that is being answered."""
        self.request_count = 0
        """Requests so far."""
        self.held_bytes = 0
        """Received bytes that are not known to be answered yet."""
        self.useful = False
        """Whether it has carried a request of Slack's."""
        self.unread_since: float | None = None
        """Since when the other side has not been reading."""
        self.closing_since: float | None = None
        """When it was first seen to be closing."""

    @property
    def arriving(self) -> bool:
        """Whether a request, or the rest of one, is still to come."""
        request = self.request
        return self.phase is ConnectionPhase.HEAD or (
            request is not None and not request.content.is_eof()
        )

    @property
    def dispensable(self) -> bool:
        """Whether it may be closed: not while its request is being answered, unless it sends on."""
        return (
            self.phase is not ConnectionPhase.ANSWERING
            or self.arriving
            or self.held_bytes > SENT_AHEAD_BYTES
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.since = self._doors.now()
        self._doors.enter(self)
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Count, and pass on."""
        if self.phase is ConnectionPhase.IDLE:
            self.phase, self.since = ConnectionPhase.HEAD, self._doors.now()
        self._doors.hold(self, len(data))
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on."""
        return self.inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on: aiohttp writes no more until it is resumed."""
        self.unread_since = self._doors.now()
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self.unread_since = None
        self.inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._doors.leave(self)
        self.inner.connection_lost(exc)

    def begin(self, request: web.BaseRequest) -> None:
        """Note that a request's head is there."""
        self.phase, self.since = ConnectionPhase.ANSWERING, self._doors.now()
        self.request = request
        self.request_count += 1

    def end(self, request: web.BaseRequest) -> None:
        """Note that it has its answer."""
        self.phase, self.since = ConnectionPhase.IDLE, self._doors.now()
        self.request = None
        left = 0
        if (
            self.held_bytes > UNCOUNTED_BYTES
        ):  # it holds further requests, or bodies that nobody has read
            head = sum(len(name) + len(value) + 4 for name, value in request.raw_headers)
            left = self.held_bytes - request.content.total_bytes - head - len(request.path_qs)
        self._doors.hold(self, (left if left > UNCOUNTED_BYTES else 0) - self.held_bytes)

    def overdue(self, now: float, limits: Limits) -> str | None:
        """What it takes too long with, or None. (aiohttp closes idle connections.)"""
        if self.transport is not None and self.transport.is_closing():
            if self.closing_since is None:
                self.closing_since = now
            return "closing" if now - self.closing_since >= limits.unread else None
        if self.unread_since is not None and now - self.unread_since >= limits.unread:
            return "answers that are not read"
        patience = {
            ConnectionPhase.HEAD: limits.head,
            ConnectionPhase.ANSWERING: limits.answering,
        }.get(self.phase)
        if patience is not None and now - self.since >= patience:
            return str(self.phase.value)
        return None


class Doors:
    """All connections of a server."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: dict[Any, Door] = {}
        """The doors by aiohttp's protocol, which a request refers to."""
        self._held = 0
        self._look: asyncio.TimerHandle | None = None
        self._seldom = SeldomLog(log)
        self.now: Callable[[], float] = asyncio.get_running_loop().time

    def door(self, inner: asyncio.Protocol) -> Door:
        """Make the protocol of a new connection around aiohttp's."""
        return Door(self, inner)

    def watching(self, handler: Handler) -> Handler:
        """Make a handler that tells the request's door when it begins and ends."""

        async def watched(request: web.BaseRequest) -> web.StreamResponse:
            door = self._open.get(request.protocol)
            if door is None:  # the connection is gone, but its request is handled all the same
                return await handler(request)
            door.begin(request)
            try:
                response = await handler(request)
            finally:
                door.end(request)
            if response.status == 200 and request.method == "POST":
                door.useful = True
            if door.request_count >= self.limits.requests:
                response.force_close()
            return response

        return watched

    def enter(self, door: Door) -> None:
        """Register a connection; if there are too many, close another one, or else this one."""
        self._open[door.inner] = door
        if len(self._open) > self.limits.connections:
            others = [other for other in self._open.values() if other is not door]
            self._drop(_first_to_close(others) or door, "too many connections")
        if self._look is None:
            self._look_later()

    def leave(self, door: Door) -> None:
        """Forget a connection."""
        if self._open.pop(door.inner, None) is not None:
            self._held -= door.held_bytes

    def hold(self, door: Door, more: int) -> None:
        """Count bytes that came or, if negative, that are done with."""
        if door.inner not in self._open:
            return
        door.held_bytes += more
        self._held += more
        if self._held > self.limits.held_bytes:
            waiting = [each for each in self._open.values() if each.dispensable]
            if waiting:
                self._drop(max(waiting, key=lambda each: each.held_bytes), "too much on its way")

    def close(self) -> None:
        """Stop the checks."""
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _drop(self, door: Door, reason: str) -> None:
        name = door.transport.get_extra_info("peername") if door.transport is not None else None
        remote = str(name[0]) if isinstance(name, tuple) and name else None
        self._seldom.warning("connection_dropped", reason=reason, remote=remote)
        self.leave(door)
        if door.transport is not None:
            door.transport.abort()

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._look = loop.call_later(self.limits.look_every, self._look_at_all)

    def _look_at_all(self) -> None:
        now = self.now()
        for door in list(self._open.values()):
            if (reason := door.overdue(now, self.limits)) is not None:
                self._drop(door, reason)
        self._look = None
        if self._open:
            self._look_later()


def _first_to_close(doors: list[Door]) -> Door | None:
    """The first to close: strangers before Slack's, idle before arriving, then by age."""
    return min((door for door in doors if door.dispensable), key=_worth, default=None)


def _worth(door: Door) -> tuple[bool, bool, float]:
    return door.useful, door.phase is not ConnectionPhase.IDLE, door.since
