"""An app's responses to a command or a click: in its answer, or later to a response_url."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from lp_sandbox.slack import blocks as block_kit
from lp_sandbox.slack.model import Ephemeral, Message, Refusal
from lp_sandbox.slack.spoiling import Spoiling
from lp_sandbox.slack.workspace import Workspace
from lp_sandbox.wire import Wire

USES = 5
LIFETIME = 30 * 60.0
"""Seconds."""


@dataclass(slots=True)
class Occasion:
    """The command or click that is responded to."""

    channel: str
    user: str
    original: str | None = None
    """The ts of the message that was clicked."""
    ephemeral: bool = False
    """Whether that message is one that only the person sees."""
    uses: int = 0
    until: float = 0.0


class Responses:
    """Shows responses in the workspace, and serves the response_urls."""

    def __init__(self, workspace: Workspace, wire: Wire, spoiling: Spoiling) -> None:
        self._workspace = workspace
        self._wire = wire
        self._spoiling = spoiling
        self._occasions: dict[str, Occasion] = {}

    def url(self, occasion: Occasion, base_url: str) -> str:
        """Make a response_url: five uses within half an hour."""
        now = self._workspace.clock()
        self._occasions = {k: o for k, o in self._occasions.items() if o.until > now}
        key = secrets.token_urlsafe(24)
        occasion.until = now + LIFETIME
        self._occasions[key] = occasion
        return f"{base_url}/response/{self._workspace.team.id}/{key}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve a POST to a response_url."""
        occasion = self._occasions.get(request.match_info["key"])
        if occasion is None or occasion.until <= self._workspace.clock():
            return self._answer("expired_url", 404)
        if occasion.uses >= USES:
            return self._answer("used_url", 404)
        raw = await request.read()
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return self._answer("invalid_payload", 400)
        fault = self._spoiling.take("response_url", occasion.channel)
        outcome, status = "nothing done", 200
        if fault is None or fault.done:
            occasion.uses += 1
            try:
                self.show(occasion, body)
                outcome = "ok"
            except Refusal as refusal:
                outcome, status = refusal.error, 400
        title = f"response_url → {outcome}" + (f" (fault: {fault.kind})" if fault else "")
        self._wire.record("slack", "in", "response url", title, body, thread=self._thread(occasion))
        response = web.Response(text=outcome, status=status)
        return await self._spoiling.spoil(request, fault, response) if fault else response

    def show(self, occasion: Occasion, body: dict[str, Any]) -> None:
        """Do what a response asks: show it to the person, or to the channel, or in place of the
        message that was clicked.

        Raises:
            Refusal: it has nothing to show, or its blocks are invalid.
        """
        workspace, app = self._workspace, self._workspace.app
        if body.get("delete_original") and occasion.original:
            self._remove(occasion, occasion.original)
            return
        text = body.get("text") or ""
        blocks = block_kit.read(body.get("blocks"))
        if not isinstance(text, str) or (not text.strip() and not blocks):
            raise Refusal("no_text")
        if body.get("replace_original") and occasion.original:
            self._replace(occasion, occasion.original, text, blocks)
            return
        ts, thread_ts = workspace.next_ts(occasion.channel), body.get("thread_ts")
        if body.get("response_type") != "in_channel":
            workspace.whisper(
                Ephemeral(ts, occasion.channel, occasion.user, text, blocks, thread_ts)
            )
            return
        workspace.post(
            Message(
                ts=ts,
                channel=occasion.channel,
                team=workspace.team.id,
                user=app.user_id,
                text=text,
                blocks=blocks,
                bot_id=app.bot_id,
                app_id=app.id,
                thread_ts=thread_ts,
            )
        )

    def _replace(
        self, occasion: Occasion, ts: str, text: str, blocks: list[dict[str, Any]] | None
    ) -> None:
        workspace = self._workspace
        if not occasion.ephemeral:
            message = workspace.message(occasion.channel, ts)
            workspace.update(message, user=workspace.app.user_id, text=text, blocks=blocks)
        elif shown := workspace.ephemeral(occasion.channel, occasion.user, ts):
            workspace.whisper(replace(shown, text=text, blocks=blocks))

    def _remove(self, occasion: Occasion, ts: str) -> None:
        if occasion.ephemeral:
            self._workspace.hush(occasion.channel, occasion.user, ts)
        else:
            message = self._workspace.message(occasion.channel, ts)
            self._workspace.delete(message, user=self._workspace.app.user_id)

    def _thread(self, occasion: Occasion) -> str | None:
        ts = occasion.original
        return self._workspace.thread_of(occasion.channel, ts) if ts else None

    def _answer(self, text: str, status: int) -> web.Response:
        self._wire.record("slack", "in", "response url", f"response_url → {text}", None)
        return web.Response(text=text, status=status)
