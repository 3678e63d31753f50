"""One websocket as a transport: sends frames in order, and can end or fall silent.

Knows nothing of what the frames mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import ClientConnectionError, WSMsgType, web

LARGEST_FRAME = 1024 * 1024
"""Bytes; a larger one ends the socket with 1009."""
WAITING_FRAMES = 20_000
"""Most frames that wait for a client that does not read; then it is cut off."""
CLOSE_SECONDS = 2.0
"""How long the other side may take to answer a close frame."""


@dataclass(frozen=True, slots=True)
class _End:
    """Asks the writer for a close frame after everything that was sent before."""

    code: int
    reason: str


class Link:
    """Serves one websocket until it ends. Every method may be called at any time."""

    def __init__(self, *, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._ws = web.WebSocketResponse(
            autoping=False,
            autoclose=False,
            compress=False,
            timeout=CLOSE_SECONDS,
            max_msg_size=LARGEST_FRAME,
        )
        self._out: asyncio.Queue[str | _End] = asyncio.Queue()
        self._transport: asyncio.Transport | None = None
        self._silent = False
        self._last_word: Callable[[asyncio.Transport | None], None] | None = None
        """The way in which it ended, or will end as soon as it is open."""
        self._ending = False

    async def serve(
        self, request: web.Request, receive: Callable[[str], Awaitable[None]]
    ) -> web.WebSocketResponse:
        """Accept the upgrade and hand every text frame to `receive`, one after the other."""
        try:
            await self._ws.prepare(request)
        except ConnectionResetError:  # the client has gone
            return self._ws
        self._transport = request.transport
        if self._last_word is not None:
            self._last_word(self._transport)
            return self._ws
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write())
            await self._read(receive)
            if not self._ending:
                writer.cancel()
        return self._ws

    @property
    def silent(self) -> bool:
        """Whether it says nothing more: cut, hung up, or half-open."""
        return self._silent

    # -- what others ask of it -----------------------------------------------------------------

    def send(self, frame: str) -> None:
        """Queue a frame; a silent link sends nothing."""
        if self._silent:
            return
        if self._out.qsize() >= WAITING_FRAMES:
            self.abort()
            return
        self._out.put_nowait(frame)

    def end(self, code: int, reason: str = "") -> None:
        """Send a close frame after what is queued, and end."""
        if not self._silent:
            self._out.put_nowait(_End(code, reason))

    def abort(self) -> None:
        """Cut the connection at once; what is queued is lost, no close frame is sent."""
        self._finish(lambda transport: transport.abort() if transport else None)

    def hang_up(self) -> None:
        """End the connection in order, but without a close frame (the other side sees 1006)."""
        self._finish(lambda transport: transport.close() if transport else None)

    def _finish(self, last_word: Callable[[asyncio.Transport | None], None]) -> None:
        self._silent = True
        self._last_word = last_word
        last_word(self._transport)

    def fall_silent(self) -> None:
        """Become half-open: stay connected, and neither answer, nor pong, nor close any more."""
        self._silent = True

    # -- its two loops -------------------------------------------------------------------------

    async def _read(self, receive: Callable[[str], Awaitable[None]]) -> None:
        while True:
            try:
                message = await self._ws.receive(timeout=self._idle_seconds)
            except TimeoutError:
                if self._silent:
                    continue
                await self._close(1001, "idle for too long")
                return
            if message.type is WSMsgType.TEXT:
                if not self._silent:
                    await receive(message.data)
            elif message.type is WSMsgType.PING:
                if not self._silent:
                    with suppress(ClientConnectionError):
                        await self._ws.pong(message.data)
            elif message.type is WSMsgType.BINARY:
                if not self._silent:
                    await self._close(1003, "text frames only")
                    return
            elif message.type is WSMsgType.CLOSE:
                if self._silent:
                    await asyncio.Event().wait()  # until the server cancels: the client has gone
                await self._close(message.data or 1000, "")
                return
            elif message.type is not WSMsgType.PONG:
                return

    async def _write(self) -> None:
        while True:
            item = await self._out.get()
            if self._silent:
                continue
            if isinstance(item, _End):
                self._ending = True
                await self._close(item.code, item.reason)
                return
            with suppress(ClientConnectionError):  # the reader learns of it and ends the link
                await self._ws.send_str(item)

    async def _close(self, code: int, reason: str) -> None:
        await self._ws.close(code=code, message=reason.encode()[:120])
