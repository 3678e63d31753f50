"""Deliveries to the app: over signed HTTP when it has an address, else over Socket Mode.

Events are delivered again when they are not acknowledged; commands and clicks never are.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from lp_sandbox.slack import events
from lp_sandbox.slack.faults import SlackFaults
from lp_sandbox.slack.model import Change
from lp_sandbox.slack.socket_mode import (
    ANSWER_TIMEOUT,
    EnvelopeType,
    Label,
    NotAcknowledged,
    SocketMode,
)
from lp_sandbox.slack.workspace import Workspace
from lp_sandbox.wire import Wire

SHUFFLE_WAIT = 2.0
"""Seconds after which events that are held back go out although not all have come."""
_SECRETS = ("token", "response_url")
_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Post = Callable[[str, bytes, Mapping[str, str]], Awaitable[tuple[int, Mapping[str, str], bytes]]]
"""Posts a body to an address with these headers; gives status, headers and body of the answer.

Raises `TimeoutError` or `ConnectionError` (or aiohttp's errors)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from the app."""

    status: int
    """The HTTP status (200 for a Socket Mode acknowledgement); 0: no answer."""
    body: dict[str, Any] | None = None
    """A JSON body, or a text as `{"text": …}`; None if it was empty."""
    reason: str = ""
    """Slack's word for why a delivery failed: `http_timeout`, `http_error`, …"""
    no_retry: bool = False

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300


def change_of(ts: str) -> str:
    """Under what the outcome of a message's last edit or deletion is kept."""
    return f"{ts} changed"


class Delivery:
    """Sends events, commands and clicks to the app."""

    def __init__(
        self,
        workspace: Workspace,
        wire: Wire,
        faults: SlackFaults,
        sockets: SocketMode,
        *,
        signing_secret: str,
        redelivery_delays: Sequence[float],
        post: Post | None = None,
    ) -> None:
        self.events_url: str | None = None
        self._workspace = workspace
        self._wire = wire
        self._faults = faults
        self._sockets = sockets
        self._secret = signing_secret.encode()
        self._delays = tuple(redelivery_delays)
        self._post = post or self._post_with_aiohttp
        self._http: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._outcomes: dict[str, dict[str, asyncio.Future[bool]]] = {}
        self._held: list[tuple[dict[str, Any], asyncio.Future[bool]]] = []
        self._holding = 0
        self._release = asyncio.Event()
        workspace.subscribe(self._on_change)

    def start(self) -> None:
        """Be ready to send."""
        self._http = aiohttp.ClientSession(
            # No limit: a delivery that waited for a free connection would seem unanswered.
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT),
            headers={"User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)"},
        )

    async def stop(self) -> None:
        """Cancel the deliveries that are under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for outcomes in self._outcomes.values():
            for outcome in outcomes.values():
                if not outcome.done():
                    outcome.set_result(False)
        if self._http is not None:
            await self._http.close()

    # -- events --------------------------------------------------------------------------------

    def outcome(self, ts: str, channel: str | None = None) -> asyncio.Future[bool] | None:
        """Give what becomes of a message's delivery: True once it is acknowledged, False when
        Slack has given up. None: the app does not get that message."""
        outcomes = self._outcomes.get(ts, {})
        return next(iter(outcomes.values()), None) if channel is None else outcomes.get(channel)

    async def tell(self, event: dict[str, Any]) -> None:
        """Send an event that is about no message, if the app is subscribed to it; return once it
        is acknowledged or given up."""
        if event["type"] not in self._workspace.app.subscriptions:
            return
        outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._dispatch(events.envelope(self._workspace, event), outcome)
        await outcome

    def tell_soon(self, event: dict[str, Any]) -> None:
        """Likewise, without waiting for it."""
        self._own(self.tell(event))

    def _on_change(self, change: Change) -> None:
        for event in events.of_change(self._workspace, change):
            outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            if event["type"] == "message":
                about = change.ts if change.kind == "posted" else change_of(change.ts)
                self._outcomes.setdefault(about, {})[change.channel] = outcome
            self._dispatch(events.envelope(self._workspace, event), outcome)

    def _dispatch(self, envelope: dict[str, Any], outcome: asyncio.Future[bool]) -> None:
        if not self._holding:
            self._holding = self._faults.take_shuffle()
            if not self._holding:
                self._own(self._deliver(envelope, outcome))
                return
            self._release = asyncio.Event()
            self._own(self._deliver_shuffled(self._release))
        self._held.append((envelope, outcome))
        self._holding -= 1
        if not self._holding:
            self._release.set()

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver_shuffled(self, release: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUFFLE_WAIT):
                await release.wait()
        held, self._held, self._holding = self._held, [], 0
        for envelope, outcome in reversed(held):
            await self._deliver(envelope, outcome)

    async def _deliver(self, envelope: dict[str, Any], outcome: asyncio.Future[bool]) -> None:
        """Deliver one event, twice or never where a fault says so."""
        if self._faults.take_loss():
            if not outcome.done():
                outcome.set_result(False)
            return
        twin = self._faults.take_redelivery()
        if twin == "at once":
            async with asyncio.TaskGroup() as both:
                first = both.create_task(self._until_acknowledged(envelope))
                both.create_task(self._event(envelope, (1, "http_timeout")))
            acknowledged = first.result()
        else:
            acknowledged = await self._until_acknowledged(envelope)
        if not outcome.done():
            outcome.set_result(acknowledged)
        if twin == "afterwards" and acknowledged:
            await self._event(envelope, (1, "http_timeout"))

    async def _until_acknowledged(self, envelope: dict[str, Any]) -> bool:
        """Deliver one event: at once, then after each of the delays, until it is acknowledged."""
        again: tuple[int, str] | None = None
        for number, delay in enumerate((*self._delays, None), start=1):
            answer = await self._event(envelope, again)
            if answer.acknowledged:
                return True
            if answer.no_retry or delay is None:
                return False
            again = (number, answer.reason)
            await asyncio.sleep(delay)
        return False

    async def _event(self, envelope: dict[str, Any], again: tuple[int, str] | None) -> Answer:
        event = envelope["event"]
        title = event["type"] + (f" {event['subtype']}" if "subtype" in event else "")
        title += f" (redelivery {again[0]}: {again[1]})" if again else ""
        label = Label("events", title, _shown(envelope), event.get("thread_ts") or event.get("ts"))
        if self.events_url is None:
            return await self._over_socket(label, "events_api", envelope, again)
        headers = dict(_JSON)
        if again:
            headers.update({"X-Slack-Retry-Num": str(again[0]), "X-Slack-Retry-Reason": again[1]})
        body = json.dumps(envelope).encode()
        return await self._over_http(label, body, headers)

    # -- commands and clicks -------------------------------------------------------------------

    async def command(self, fields: dict[str, str]) -> Answer:
        """Send a slash command; the answer's body is what the person is shown."""
        label = Label("commands", f"{fields['command']} {fields['text']}".strip(), _shown(fields))
        if self.events_url is None:
            return await self._over_socket(label, "slash_commands", fields)
        return await self._over_http(label, urlencode(fields).encode(), _FORM)

    async def interaction(self, payload: dict[str, Any], thread: str | None) -> Answer:
        """Send a click, or a dialog that is submitted."""
        pressed = payload.get("actions") or [
            {"action_id": payload.get("callback_id") or payload.get("view", {}).get("callback_id")}
        ]
        title = f"{payload['type']} {pressed[0]['action_id']}"
        label = Label("interactivity", title, _shown(payload), thread)
        if self.events_url is None:
            return await self._over_socket(label, "interactive", payload)
        body = urlencode({"payload": json.dumps(payload)}).encode()
        return await self._over_http(label, body, _FORM)

    async def verify_url(self) -> bool:
        """Send Slack's challenge to `events_url`, as when its address is entered in the app's
        settings; tell whether it was answered."""
        challenge = hashlib.sha256(str(time.time()).encode()).hexdigest()
        body = {
            "token": events.VERIFICATION_TOKEN,
            "challenge": challenge,
            "type": "url_verification",
        }
        label = Label("events", "url_verification", _shown(body))
        answer = await self._over_http(label, json.dumps(body).encode(), _JSON)
        said = (answer.body or {}).get("challenge") or (answer.body or {}).get("text")
        return answer.acknowledged and said == challenge

    # -- the two ways --------------------------------------------------------------------------

    async def _over_socket(
        self,
        label: Label,
        kind: EnvelopeType,
        payload: dict[str, Any],
        again: tuple[int, str] | None = None,
    ) -> Answer:
        try:
            body = await self._sockets.deliver(label, kind, payload, retry=again)
        except NotAcknowledged as error:
            return Answer(0, reason=str(error))
        return Answer(200, body)

    async def _over_http(self, label: Label, body: bytes, headers: dict[str, str]) -> Answer:
        if self.events_url is None:
            return Answer(0, reason="connection_failed")
        kind, title, thread = label.kind, label.title, label.thread
        self._wire.record("slack", "out", kind, title, label.shown, thread=thread)
        signed = headers | sign(self._secret, body, str(int(time.time())))
        try:
            answer = _read(*await self._post(self.events_url, body, signed))
        except TimeoutError:
            answer = Answer(0, reason="http_timeout")
        except (aiohttp.ClientError, ConnectionError):
            answer = Answer(0, reason="connection_failed")
        outcome = str(answer.status) if answer.status else answer.reason
        self._wire.record("slack", "in", kind, f"{title} → {outcome}", answer.body, thread=thread)
        return answer

    async def _post_with_aiohttp(
        self, url: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        if self._http is None:
            raise ConnectionError("not started")
        async with self._http.post(
            url, data=body, headers=headers, allow_redirects=False
        ) as response:
            return response.status, response.headers, await response.read()


def sign(secret: bytes, body: bytes, timestamp: str) -> dict[str, str]:
    """Give the headers by which Slack proves that a request is its own."""
    base = b"v0:" + timestamp.encode() + b":" + body
    signature = "v0=" + hmac.new(secret, base, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature}


def _read(status: int, headers: Mapping[str, str], raw: bytes) -> Answer:
    reason = "" if status < 300 else "http_error"
    no_retry = headers.get("X-Slack-No-Retry") == "1"
    text = raw.decode(errors="replace")
    body: dict[str, Any] | None = {"text": text} if text else None
    if text and headers.get("Content-Type", "").startswith("application/json"):
        try:
            read = json.loads(text)
        except ValueError:
            read = None
        body = read if isinstance(read, dict) else None
    return Answer(status, body, reason, no_retry)


def _shown(payload: dict[str, Any]) -> dict[str, Any]:
    """A payload as the wire may show it: without its secrets."""
    return payload | {name: "(hidden)" for name in _SECRETS if name in payload}
