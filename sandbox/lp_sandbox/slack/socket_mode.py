"""Socket Mode: the websockets that an app without a public address opens to Slack."""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import WSMsgType, web

from lp_sandbox.slack.faults import DisconnectReason
from lp_sandbox.wire import Wire

CONNECTIONS_LIMIT = 10
HEARTBEAT = 10.0
"""Seconds between the pings that the stand-in sends."""

ANSWER_TIMEOUT = 3.0
"""Seconds that Slack waits for an acknowledgement, here and over HTTP."""

EnvelopeType = Literal["events_api", "slash_commands", "interactive"]


@dataclass(frozen=True, slots=True)
class Label:
    """How the wire shows a delivery."""

    kind: str
    title: str
    shown: Any
    """The payload without its secrets."""
    thread: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Connection:
    socket: web.WebSocketResponse
    transport: asyncio.Transport | None


class NotAcknowledged(Exception):  # noqa: N818  it is an outcome
    """An envelope was not acknowledged; the text says why in Slack's word for it."""


class SocketMode:
    """The open connections of the app."""

    def __init__(self, wire: Wire, app_id: str) -> None:
        self._wire = wire
        self._app_id = app_id
        self.switched_off = False
        """Whether Socket Mode is switched off in the app's settings."""
        self._tickets: set[str] = set()
        self._connections: list[_Connection] = []
        self._waiting: dict[str, tuple[_Connection, asyncio.Future[Any]]] = {}
        self._connected = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._turn = 0

    def ticket(self) -> str:
        """Make the path of a new connection; it is good for one use."""
        ticket = secrets.token_urlsafe(16)
        self._tickets.add(ticket)
        return f"/link/?ticket={ticket}&app_id={self._app_id}"

    @property
    def connected(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def wait_connected(self, timeout: float = 10.0) -> None:
        """Wait until a connection is open, at most `timeout` seconds (then TimeoutError)."""
        async with asyncio.timeout(timeout):
            await self._connected.wait()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            raise web.HTTPForbidden(text="invalid_ticket")
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT)
        await socket.prepare(request)
        connection = _Connection(socket, request.transport)
        if self.switched_off:  # that the address is given all the same is our guess
            await self._say(connection, _disconnect("link_disabled"))
            await socket.close()
            return socket
        if len(self._connections) >= CONNECTIONS_LIMIT:
            await self._say(connection, _disconnect("too_many_websockets"))
            await socket.close()
            return socket
        self._connections.append(connection)
        try:
            await self._say(connection, self._hello())
            self._connected.set()
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._receive(message.data)
        finally:
            self._forget(connection)
        return socket

    async def deliver(
        self,
        label: Label,
        kind: EnvelopeType,
        payload: dict[str, Any],
        *,
        retry: tuple[int, str] | None = None,
    ) -> dict[str, Any] | None:
        """Send an envelope over one of the connections; give the acknowledgement's payload.

        Args:
            label: how the wire shows it.
            kind: the envelope's type.
            payload: what HTTP would have carried.
            retry: the number and the reason of a redelivery.

        Raises:
            NotAcknowledged: nobody is connected, or no acknowledgement came in time.
        """
        if not self._connections:
            title = f"{label.title} (nobody connected)"
            self._record("out", title, label.shown, label.thread)
            raise NotAcknowledged("connection_failed")
        self._turn += 1
        connection = self._connections[self._turn % len(self._connections)]
        envelope: dict[str, Any] = {
            "envelope_id": str(uuid.uuid4()),
            "type": kind,
            "accepts_response_payload": kind != "events_api",
            "payload": payload,
        }
        if kind == "events_api":
            number, reason = retry or (0, "")
            envelope.update(retry_attempt=number, retry_reason=reason)
        self._record("out", label.title, {**envelope, "payload": label.shown}, label.thread)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[envelope["envelope_id"]] = (connection, answer)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await connection.socket.send_str(json.dumps(envelope))
                said = await answer
        except (TimeoutError, ConnectionError):
            raise NotAcknowledged("timeout") from None
        finally:
            del self._waiting[envelope["envelope_id"]]
        self._record("in", f"{label.title} → acknowledged", said, label.thread)
        return said if isinstance(said, dict) and said else None

    def disconnect(self, reason: DisconnectReason | None) -> None:
        """Ask every connection to come again, then close it; without a reason just cut it."""
        for connection in list(self._connections):
            self._forget(connection)
            task = asyncio.create_task(self._end(connection, reason))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def stop(self) -> None:
        """Close every connection."""
        self.disconnect("refresh_requested")
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _end(self, connection: _Connection, reason: DisconnectReason | None) -> None:
        if reason is None:
            if connection.transport is not None:
                connection.transport.abort()
            return
        try:
            await self._say(connection, _disconnect(reason))
            await connection.socket.close()
        except ConnectionError:
            return  # it left by itself

    def _forget(self, connection: _Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
        if not self._connections:
            self._connected.clear()
        for owner, answer in self._waiting.values():
            if owner is connection and not answer.done():
                answer.set_exception(ConnectionResetError())

    def _receive(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            frame = None
        envelope_id = frame.get("envelope_id") if isinstance(frame, dict) else None
        waiting = self._waiting.get(envelope_id) if isinstance(envelope_id, str) else None
        if waiting is None:
            # Late, foreign or broken: Slack takes no notice either, but the page should show it.
            self._record("in", "ignored", frame if frame else text)
        elif not waiting[1].done():
            waiting[1].set_result(frame.get("payload"))

    async def _say(self, connection: _Connection, frame: dict[str, Any]) -> None:
        self._record("out", f"{frame['type']} {frame.get('reason', '')}".strip(), frame)
        await connection.socket.send_str(json.dumps(frame))

    def _record(
        self, direction: Literal["in", "out"], title: str, body: Any, thread: str | None = None
    ) -> None:
        self._wire.record("slack", direction, "socket mode", title, body, thread=thread)

    def _hello(self) -> dict[str, Any]:
        return {
            "type": "hello",
            "num_connections": len(self._connections),
            "debug_info": {
                "host": "sandbox",
                "build_number": 1,
                "approximate_connection_time": 18060,
            },
            "connection_info": {"app_id": self._app_id},
        }


def _disconnect(reason: str) -> dict[str, Any]:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}}
