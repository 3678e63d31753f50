"""An HTTP client that costs next to nothing, so that the load costs less than what is loaded.

It knows one server, sends POST requests over kept connections, and reads answers that state their
length: what the bridge and Bolt give. Anything else is an error.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class LeanHttp:
    """Keeps connections to servers and posts over them."""

    def __init__(self) -> None:
        self._idle: dict[str, list[_Connection]] = {}

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Post a body; give the answer's status and body (and no headers). Raises `OSError`."""
        idle = self._idle.setdefault(url, [])
        while idle and idle[-1].closed:
            idle.pop()
        connection = idle.pop() if idle else await self._connect(url)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.send(lines, body)
        status, answer = await connection.answer
        idle.append(connection)
        return status, {}, answer

    async def _connect(self, url: str) -> _Connection:
        place = urlsplit(url)
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: _Connection(place.path, place.netloc), place.hostname or "", place.port or 80
        )
        return connection

    def close(self) -> None:
        """Close the connections."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()


class _Connection(asyncio.Protocol):
    """One kept connection: one request at a time."""

    def __init__(self, path: str, host: str) -> None:
        self._start = f"POST {path} HTTP/1.1\r\nHost: {host}\r\n"
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self.answer: asyncio.Future[tuple[int, bytes]] = asyncio.Future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    @property
    def closed(self) -> bool:
        """Whether the server has closed it meanwhile."""
        return self._transport is None or self._transport.is_closing()

    def send(self, lines: str, body: bytes) -> None:
        self.answer = asyncio.get_running_loop().create_future()
        if self._transport is None or self.closed:
            self.answer.set_exception(ConnectionError("closed"))
            return
        head = f"{self._start}{lines}Content-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._received, 0, head)
        end = head + 4 + (int(length[1]) if length else 0)
        if len(self._received) < end or self.answer.done():
            return
        status, body = int(self._received[9:12]), self._received[head + 4 : end]
        self._received = self._received[end:]
        self.answer.set_result((status, body))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.answer.done():
            self.answer.set_exception(ConnectionError("the connection was lost"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
