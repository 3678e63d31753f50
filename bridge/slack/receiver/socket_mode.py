"""Socket Mode: the same requests over a websocket that the bridge opens, if it has no address.

It has its own client, because slack_sdk's dials again an address that is good for one use, closes
the old socket before it opens the new one, logs the secret address, and drops its tasks.
Facts: https://docs.slack.dev/apis/events-api/using-socket-mode/
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import structlog

from bridge.backoff import Backoff
from bridge.slack.receiver.dispatch import Dispatch, Reply
from bridge.slack.receiver.requests import BadRequest, Body, checked, parse_json
from bridge.slack.web.api import WebApi
from bridge.slack.web.errors import AppTokenRefused, SlackError, SlackRefused, SocketModeOff
from bridge.slack.web.methods import OPEN_CONNECTION

MAX_FRAME: Final = 4 << 20
IN_FLIGHT: Final = 200
"""Envelopes of one socket that are handled at a time; more wait in the socket."""
LONGEST_WAIT: Final = 30.0
STABLE: Final = 10.0
"""A socket that was open for so many seconds counts as having worked."""
OPEN_TIMEOUT: Final = 10.0
REFUSED_WAIT: Final = 60.0
"""Seconds until a refused app token is tried again: a person has to act first."""

log = structlog.get_logger(__name__)


class SocketMode:
    """Keeps one socket to Slack open and dispatches its envelopes.

    It acknowledges only those that dispatch answers with 200; Slack delivers the others again.
    Several are handled at the same time: the relay orders messages by `ts`.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        *,
        app_token: str,
        api: WebApi,
        ping_interval: float = 10.0,
        hello_timeout: float = 10.0,
        grace: float = 5.0,
        first_wait: float = 1.0,
    ) -> None:
        """Take the app token (`xapp-…`, scope `connections:write`). Times are in seconds.

        `grace` is how long requests in flight may take to finish when a socket ends. `first_wait`
        is the longest wait after a first failure; further ones double it.
        """
        self._dispatch = dispatch
        self._app_token = app_token
        self._api = api
        self._ping_interval = ping_interval
        self._hello_timeout = hello_timeout
        self._grace = grace
        self._backoff = Backoff(first=first_wait, cap=LONGEST_WAIT, jitter=0.5)
        self._live: set[_Link] = set()
        self._connected_at: float | None = None
        self._on_connected: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._trouble: SocketModeOff | None = None
        self._address: str | None = None
        """The address of the first socket, once `fetch_first_address` has asked for it."""

    @property
    def connected(self) -> bool:
        """Whether Slack can reach us now."""
        return self._connected_at is not None

    @property
    def trouble(self) -> str | None:
        """Why Slack cannot reach us, in a sentence; None: it can."""
        if self.connected:
            return None
        if self._trouble is not None:
            return f"{self._trouble} {self._trouble.remedy}"
        return "The Socket Mode connection is down."

    @property
    def connected_since(self) -> float | None:
        """Since when (loop time) a socket has been open at every moment; None: none is open.

        Slack never delivers messages that were written while none was open.
        """
        return self._connected_at

    def on_connected(self, callback: Callable[[], None]) -> None:
        """Call `callback()` whenever Slack can reach us again, after a time when it could not."""
        self._on_connected.append(callback)

    async def fetch_first_address(self) -> None:
        """Ask Slack for the first address, so that a wrong token is known before anything starts.

        Raises `AppTokenRefused`. Any other failure passes by itself: `start` copes with it.
        """
        try:
            self._address = await self._ask()
        except SlackRefused:
            raise
        except SlackError as error:
            log.warning("slack.unreachable", error=str(error))

    def start(self) -> None:
        """Start connecting; a lost socket is replaced by itself from then on."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="socket mode")
            self._task.add_done_callback(_died)

    async def stop(self) -> None:
        """Take no more envelopes, let those in flight finish (bounded by `grace`), and close."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as links:
            while True:
                try:
                    link = await self._open()
                except (SlackError, aiohttp.ClientError, TimeoutError, OSError) as error:
                    await self._wait(error)
                    continue
                links.create_task(link.serve(), name="socket mode link")
                opened = loop.time()
                await link.retired.wait()
                self._trouble = SocketModeOff() if link.switched_off else None
                if self._trouble is not None:
                    await self._wait(self._trouble)
                elif loop.time() - opened >= STABLE:
                    self._backoff.reset()
                else:  # a socket that ends as soon as it opens must not be replaced at once
                    await self._wait(None)

    async def _open(self) -> _Link:
        address, self._address = self._address, None  # an address is good for one socket
        if address is None:
            address = await self._ask()
        async with asyncio.timeout(OPEN_TIMEOUT):
            socket = await self._api.websocket(
                address, heartbeat=self._ping_interval, longest=MAX_FRAME
            )
        return _Link(self, socket)

    async def _ask(self) -> str:
        try:
            answer = await self._api.call(self._app_token, OPEN_CONNECTION)
        except SlackRefused as error:
            said = f"Slack refuses SLACK_APP_TOKEN: {error.code}."
            raise AppTokenRefused(said, code=error.code) from None
        return answer.url

    async def _wait(self, error: Exception | None) -> None:
        delay = self._backoff.next(error.retry_after if isinstance(error, SlackError) else None)
        if isinstance(error, SlackRefused):
            delay = REFUSED_WAIT
        # Not the address, nor the text of the error: both can contain the secret ticket.
        log.warning(
            "socket_mode_not_connected",
            reason=_reason(error),
            remedy=error.remedy if isinstance(error, SlackRefused) else None,
            retry_in=round(delay, 1),
        )
        await asyncio.sleep(delay)

    def _note(self, link: _Link, *, live: bool) -> None:
        if live:
            self._live.add(link)
        else:
            self._live.discard(link)
        if not self._live:
            self._connected_at = None
        elif not self.connected:
            self._connected_at = asyncio.get_running_loop().time()
            for callback in self._on_connected:
                callback()


class _Link:
    """One websocket, from its opening until every envelope in flight on it is handled."""

    def __init__(self, owner: SocketMode, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._owner = owner
        self._socket = socket
        self._in_flight: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self.switched_off = False
        """Slack has said that Socket Mode is switched off."""
        self.retired = asyncio.Event()
        """Set when the next socket should be opened, because this one is ending or has ended."""

    async def serve(self) -> None:
        try:
            await self._read()
        except (aiohttp.ClientError, OSError) as error:
            log.info("socket_mode_lost", reason=type(error).__name__)
        finally:
            self._owner._note(self, live=False)
            self.retired.set()
            await self._drain()
            await self._socket.close()

    async def _read(self) -> None:
        # First it waits for hello; after a disconnect notice, for the last envelopes; between the
        # two, heartbeats detect a dead socket.
        patience: float | None = self._owner._hello_timeout
        while True:
            try:
                async with asyncio.timeout(patience):
                    frame = await self._socket.receive()
            except TimeoutError:
                return
            if frame.type is not aiohttp.WSMsgType.TEXT:
                if frame.type is aiohttp.WSMsgType.BINARY:
                    continue
                return  # closed by either side, or broken
            try:
                message = parse_json(frame.data)
            except BadRequest as refusal:
                log.warning("slack_request_refused", reason=str(refusal), via="socket mode")
                continue
            kind = message.get("type")
            if kind == "hello":
                patience = None
                self._owner._note(self, live=True)
                log.info("socket_mode_connected")
            elif kind == "disconnect":
                # Slack goes on delivering here until it closes; the next socket opens meanwhile.
                log.info("socket_mode_disconnect", reason=str(message.get("reason"))[:40])
                patience = self._owner._grace
                self.switched_off = message.get("reason") == "link_disabled"
                self.retired.set()
            elif isinstance(message.get("envelope_id"), str):
                await self._room.acquire()
                task = asyncio.create_task(self._handle(message), name="socket mode envelope")
                self._in_flight.add(task)
                task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._room.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("slack_request_failed", via="socket mode", exc_info=error)

    async def _handle(self, message: Body) -> None:
        try:
            payload = message.get("payload")
            if not isinstance(payload, dict):
                raise BadRequest("envelope without payload")
            reply = await self._owner._dispatch(checked(payload), _headers(message))
        except BadRequest as refusal:
            log.warning("slack_request_refused", reason=str(refusal), via="socket mode")
            return
        if not reply.acknowledges:
            log.warning("socket_mode_not_acknowledged", status=reply.status)
            return
        try:
            await self._socket.send_json(_acknowledgement(message, reply))
        except (aiohttp.ClientError, OSError):
            # If its work was committed, the redelivery is recognised as a duplicate.
            log.info("socket_mode_acknowledgement_lost")

    async def _drain(self) -> None:
        if not self._in_flight:
            return
        _, late = await asyncio.wait(set(self._in_flight), timeout=self._owner._grace)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)


def _died(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("socket_mode_died", exc_info=error)


def _reason(error: Exception | None) -> str:
    if error is None:
        return "the socket ended as soon as it had opened"
    return error.code if isinstance(error, SlackError) else type(error).__name__


def _headers(message: Body) -> dict[str, str]:
    headers = {}
    if (attempt := message.get("retry_attempt")) is not None:
        headers["X-Slack-Retry-Num"] = str(attempt)
    if (reason := message.get("retry_reason")) is not None:
        headers["X-Slack-Retry-Reason"] = str(reason)
    return headers


def _acknowledgement(message: Body, reply: Reply) -> dict[str, Any]:
    answer: dict[str, Any] = {"envelope_id": message["envelope_id"]}
    if reply.body and message.get("accepts_response_payload"):
        is_json = reply.content_type == "application/json"
        answer["payload"] = parse_json(reply.body) if is_json else {"text": reply.body}
    return answer
