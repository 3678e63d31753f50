"""One websocket without a task of its own: frames go to a callback as they come.

The protocol is `websockets`' own (its Sans-I/O layer), and so is the opening, through proxies and
TLS. Left out are the queue, the reader task and the keepalive task of each connection: a process
with ten thousand connections mostly waits.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from websockets.client import ClientProtocol
from websockets.datastructures import HeadersLike
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import CONNECTING, OPEN, Event

from bridge.liveperson.keepalive import Keepalive, keepalive

_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
_PING: Final = b"\x89\x80"
"""A ping without a payload; four bytes follow, a mask for nothing (RFC 6455 §5.2)."""
_PONG: Final = b"\x8a\x00"
"""The answer to that ping."""
SLICE: Final = 4 * 1024
"""Bytes that are read at once; then other connections have their turn."""
LONG_READ: Final = 0.01
"""Seconds: reading real messages never takes longer than this."""
REST_FACTOR: Final = 4.0
"""After a read that took long, the connection rests so many times longer: it can have at most a
fifth of this process."""
LONGEST_REST: Final = 1.0
MOST_UNSENT: Final = 1024 * 1024
"""Most unsent bytes. A server that makes us answer and does not read the answers is
disconnected."""


class Socket(asyncio.Protocol):
    """A connection as `websockets.asyncio.client.connect(create_connection=…)` makes it."""

    __slots__ = (
        "_backlog",
        "_close_timeout",
        "_closed",
        "_closing",
        "_ended",
        "_keepalive",
        "_loop",
        "_on_end",
        "_on_message",
        "_opened",
        "_parts",
        "_ping_interval",
        "_ping_timeout",
        "_pinged_at",
        "_protocol",
        "_turn",
        "_unheard",
        "_unread",
        "transport",
    )

    def __init__(
        self,
        protocol: ClientProtocol,
        *,
        ping_interval: float | None,
        ping_timeout: float | None,
        close_timeout: float | None,
        **_: Any,
    ) -> None:
        self._protocol = protocol
        self._ping_interval = ping_interval
        self._ping_timeout = ping_timeout
        self._close_timeout = close_timeout
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] | None = self._loop.create_future()
        self._closed: asyncio.Future[None] | None = None
        self._ended = False
        self._closing: asyncio.TimerHandle | None = None
        self._keepalive: Keepalive | None = None
        self._turn = 0
        self._pinged_at: float | None = None
        self._parts: bytearray | None = None
        self._backlog = bytearray()
        """Received bytes that are not read yet; meanwhile the transport is paused."""
        self._unheard: list[bytes] | None = []
        self._on_message: Callable[[bytes], None] = self._unheard.append
        self._on_end: Callable[[ConnectionClosed], None] = _ignore
        self._unread: int | None = None
        """Bytes of an incomplete frame that have come; None: it is not known how many."""
        self.transport: asyncio.Transport

    def listen(
        self, on_message: Callable[[bytes], None], on_end: Callable[[ConnectionClosed], None]
    ) -> None:
        """Set the callbacks for messages and the end; what came already is handed over at once."""
        self._on_message, self._on_end = on_message, on_end
        unheard, self._unheard = self._unheard, None
        for message in unheard or ():
            on_message(message)
        if self._ended:
            on_end(self._protocol.close_exc)

    def send(self, message: bytes) -> bool:
        """Send a text message; False if the connection is closing or closed."""
        if self._protocol.state is not OPEN:
            return False
        self._protocol.send_text(message)
        self._flush()
        return True

    async def close(self) -> None:
        """Close the websocket and wait for its end."""
        if self._ended:
            return
        if self._protocol.state is OPEN:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()
        self._expect_end()
        self._closed = self._closed or self._loop.create_future()
        await self._closed

    def disconnect(self, reason: str) -> None:
        """Disconnect from a server that breaks the rules, and ignore all that still comes."""
        self._on_message = _unheard_of
        if self._protocol.state is OPEN:
            self._protocol.fail(CloseCode.POLICY_VIOLATION, reason)
            self._flush()
        self.transport.abort()

    # What `connect` calls

    async def handshake(
        self,
        additional_headers: HeadersLike | None = None,
        user_agent_header: str | None = None,
    ) -> None:
        """Upgrade to a websocket. Raises `InvalidHandshake` for a refusal."""
        request = self._protocol.connect()
        if additional_headers is not None:
            request.headers.update(additional_headers)
        if user_agent_header is not None:
            request.headers.setdefault("User-Agent", user_agent_header)
        self._protocol.send_request(request)
        self._flush()
        if self._opened is not None:
            await self._opened
        if self._protocol.handshake_exc is not None:
            raise self._protocol.handshake_exc

    def start_keepalive(self) -> None:
        """Have the shared keepalive send the pings."""
        if self._ping_interval is not None and not self._ended:
            self._keepalive = keepalive(self._ping_interval, self._ping_timeout or math.inf)
            self._turn = self._keepalive.add(self)

    # Keepalive

    def ping(self) -> None:
        """Send a ping, unless the answer to the last one is still awaited."""
        if self._pinged_at is None and self._protocol.state is OPEN:
            self._pinged_at = self._loop.time()
            self.transport.write(_PING + random.randbytes(4))

    def expect_pong(self, timeout: float) -> None:
        """Close the connection if a ping has not been answered for `timeout` seconds."""
        late = self._pinged_at is not None and self._loop.time() - self._pinged_at >= timeout
        if late and self._protocol.state is OPEN:
            self._protocol.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
            self._flush()
            self._expect_end()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.transport.set_write_buffer_limits(high=MOST_UNSENT)

    def pause_writing(self) -> None:
        """Too many bytes are unsent: disconnect."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read received bytes."""
        if data == _PONG and self._unread == 0 and not self._backlog:  # what idle sockets read
            self._pinged_at = None
            return
        if self._backlog:
            self._backlog += data
            return
        begun = time.perf_counter()
        self._read(data if len(data) <= SLICE else data[:SLICE])
        took = time.perf_counter() - begun
        if took > LONG_READ or len(data) > SLICE:
            self._backlog += data[SLICE:]
            self._rest(took)

    def _rest(self, took: float) -> None:
        """Pause until other connections have had their turn."""
        if self.transport.is_closing():
            return  # `connection_lost` reads the rest
        self.transport.pause_reading()
        if took > LONG_READ:
            self._loop.call_later(min(took * REST_FACTOR, LONGEST_REST), self._read_on)
        else:
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if self._ended or self.transport.is_closing():
            return
        begun = time.perf_counter()
        piece = bytes(self._backlog[:SLICE])
        del self._backlog[:SLICE]
        if piece:
            self._read(piece)
        took = time.perf_counter() - begun
        if self._backlog or took > LONG_READ:
            self._rest(took)
        else:
            self.transport.resume_reading()

    def _catch_up(self) -> None:
        """Read the rest, since no more bytes come."""
        if self._backlog:
            rest, self._backlog = bytes(self._backlog), bytearray()
            self._read(rest)

    def _read(self, data: bytes) -> None:
        protocol = self._protocol
        protocol.receive_data(data)
        events = protocol.events_received()
        self._count(data, events)
        self._flush()
        if protocol.close_expected():
            self._expect_end()
        for event in events:
            if isinstance(event, Frame):
                self._frame(event)
            elif isinstance(event, Response):
                self._open()

    def eof_received(self) -> None:
        """The other side sends no more bytes."""
        self._catch_up()
        self._protocol.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._catch_up()
        self._protocol.receive_eof()
        self._ended = True
        if self._closing is not None:
            self._closing.cancel()
        if self._keepalive is not None:
            self._keepalive.remove(self, self._turn)
        self._closing = self._keepalive = None
        if self._protocol.state is not CONNECTING and self._protocol.handshake_exc is None:
            self._on_end(self._protocol.close_exc)
        self._open()
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    # The rest

    def _open(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None and not opened.done():
            opened.set_result(None)

    def _count(self, data: bytes, events: Sequence[Event]) -> None:
        """Track whether the next byte begins a frame. (Frames are not compressed.)"""
        if self._unread is not None:
            self._unread += len(data)
            for event in events:
                if isinstance(event, Frame):
                    length = len(event.data)
                    self._unread -= length + (2 if length < 126 else 4 if length < 65536 else 10)
        elif events and isinstance(events[-1], Response):
            self._unread = 0 if data.find(b"\r\n\r\n") == len(data) - 4 else None

    def _frame(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.PONG:
            self._pinged_at = None
        elif opcode in _DATA:
            if self._parts is None and frame.fin:
                self._on_message(bytes(frame.data))
                return
            self._parts = self._parts if self._parts is not None else bytearray()
            self._parts += frame.data
            if frame.fin:
                parts, self._parts = self._parts, None
                self._on_message(bytes(parts))

    def _flush(self) -> None:
        for data in _joined(self._protocol.data_to_send()):
            if data:
                self.transport.write(data)
            elif self.transport.can_write_eof():
                try:
                    self.transport.write_eof()
                except (OSError, RuntimeError):
                    self.transport.close()  # the connection is gone already
            else:
                self.transport.close()

    def _expect_end(self) -> None:
        """Close the connection if the other side does not do so soon."""
        if self._closing is None and not self._ended and self._close_timeout is not None:
            self._closing = self._loop.call_later(self._close_timeout, self.transport.abort)


def _joined(writes: list[bytes]) -> list[bytes]:
    """Join many writes into one; an empty one at the end stands for the end of the stream."""
    if len(writes) <= 2:
        return writes
    return [b"".join(writes), *(last for last in writes[-1:] if not last)]


def _ignore(end: ConnectionClosed) -> None:
    return


def _unheard_of(message: bytes) -> None:
    return
