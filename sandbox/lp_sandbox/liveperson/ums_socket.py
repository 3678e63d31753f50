"""The common part of consumers' and agents' websockets: requests are answered in order.

Notifications that a request causes are sent after its answer, as by LivePerson.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from lp_sandbox.liveperson import frames
from lp_sandbox.liveperson.accounts import SandboxAccount
from lp_sandbox.liveperson.conversations import Refused
from lp_sandbox.liveperson.delivery import Delivery
from lp_sandbox.liveperson.frames import BadBody, BadFrame, Json, Request
from lp_sandbox.liveperson.link import Link
from lp_sandbox.liveperson.record import Record
from lp_sandbox.liveperson.rules import Rule, Rules

Handler = Callable[[Request], Json]
"""Carries a request out and returns its answer; may raise `Refused` and `BadBody`."""


class UmsSocket:
    """A link that speaks UMS. Subclasses bring the handlers, by request type."""

    channel = "ums"
    """The wire's name for its frames."""

    def __init__(self, link: Link, account: SandboxAccount, rules: Rules, record: Record) -> None:
        self._link = link
        self._account = account
        self._rules = rules
        self._record = record
        self._handlers: dict[str, Handler] = {}
        self._delivery = Delivery(
            rules, self._send, account=account.number, conversations=lambda: self.conversations
        )
        self._waiting: list[Json] | None = None
        """Notifications that a request has caused, until it is answered; None between requests."""
        self.answered = False
        """Whether it has answered anything yet."""

    def finish(self) -> None:
        """Release all subscriptions when the link has ended."""
        self._delivery.stop()

    @property
    def account(self) -> str:
        return self._account.number

    @property
    def conversations(self) -> Collection[str]:
        """The ids of the conversations that it is there for."""
        return ()

    # -- what can happen to it -----------------------------------------------------------------

    def abort(self) -> None:
        """Cut the connection, without a close frame."""
        self.note("socket cut")
        self._link.abort()

    def end(self, code: int, reason: str = "") -> None:
        """Close with a code, after what is queued."""
        self.note(f"socket closed with {code}")
        self._link.end(code, reason)

    def fall_silent(self) -> None:
        """Stay connected and say nothing more."""
        self.note("socket fell silent")
        self._link.fall_silent()

    def push(self, text: str) -> None:
        """Send a raw text frame."""
        self._record.frame("out", text, channel=self.channel)
        self._link.send(text)

    def note(self, title: str) -> None:
        """Note on the wire what happened to it."""
        self._record.note(title, conversation=next(iter(self.conversations), None))

    # -- frames out ----------------------------------------------------------------------------

    def _send(self, frame: Json) -> None:
        if self._link.silent:
            return
        self.answered = self.answered or frame.get("kind") == "resp"
        about = _about(frame) or next(iter(self.conversations), None)
        self._record.frame("out", frame, channel=self.channel, conversation=about)
        self._link.send(frames.encode(frame))

    def _notify(self, frame: Json) -> None:
        """Send a notification, after the answer to the request that is being dealt with."""
        if self._link.silent:
            return
        if self._waiting is None:
            self._delivery.notify(frame)
        else:
            self._waiting.append(frame)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, None
        for frame in waiting or ():
            self._delivery.notify(frame)

    # -- frames in -----------------------------------------------------------------------------

    async def receive(self, text: str) -> None:
        """Carry one frame's request out and answer it, unless a fault prevents it."""
        try:
            request, raw = frames.decode(text)
        except BadFrame as problem:
            self._record.frame("in", text, channel=self.channel)
            self.end(1008, f"not a request: {problem}")
            return
        self._record.frame("in", raw, channel=self.channel, conversation=_about(raw))
        if self._take("drop_before", request):
            self.abort()
            return
        if rule := self._take("refuse_request", request):
            self._send(frames.told(request.id, rule.params["reason"], rule.params["code"]))
            return
        self._waiting = []
        answer = self._handle(request)
        if rule := self._take("swallow_answer", request):
            if rule.params["drop"]:
                self._waiting = None
                self.abort()
            else:
                self._flush()
            return
        if rule := self._take("slow_answer", request):
            self._flush()
            await asyncio.sleep(rule.params["seconds"])
        self._send(answer)
        self._flush()

    def _take(self, name: str, request: Request) -> Rule | None:
        if not self._rules:
            return None
        return self._rules.take(
            name, request.type, account=self.account, conversations=self.conversations
        )

    def _handle(self, request: Request) -> Json:
        handler = self._handlers.get(request.type)
        try:
            self._admit(request)
            if handler is None:
                raise Refused(400, f"unknown request type {request.type[:60]!r}")
            frames.check_metadata(request.metadata)
            return handler(request)
        except BadBody as problem:
            return frames.told(request.id, str(problem), 400)
        except Refused as refusal:
            return frames.told(request.id, refusal.reason, refusal.code)

    def _admit(self, request: Request) -> None:
        """Refuse a request that is not allowed yet."""


def _about(frame: Json) -> str | None:
    """The conversation that a frame is about, where it says."""
    body = frame.get("body")
    if not isinstance(body, dict):
        return None
    found = body.get("conversationId") or body.get("dialogId") or body.get("convId")
    changes = body.get("changes")
    if found is None and isinstance(changes, list) and changes:
        change = changes[0]
        result = change.get("result", {})
        found = change.get("conversationId") or result.get("convId") or result.get("conversationId")
    return str(found) if found else None
