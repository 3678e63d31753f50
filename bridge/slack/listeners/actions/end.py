"""The card's button "End conversation"."""

from __future__ import annotations

import time
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.ids import SessionId, TeamId, UserId
from bridge.slack.listeners import answers
from bridge.slack.listeners.service import Service
from bridge.slack.requests import Body
from bridge.slack.views.blocks import END


def register(app: AsyncApp, service: Service) -> None:
    """End the session; the card and the thread show that it ends."""

    async def end_callback(
        ack: AsyncAck, action: dict[str, Any], body: Body, context: AsyncBoltContext
    ) -> None:
        refused = await service.end(
            SessionId(str(action.get("value") or "")),
            UserId(context.user_id or ""),
            TeamId(context.team_id or ""),
            str(action.get("action_ts") or f"{time.time():.6f}"),
        )
        if refused is not None:
            await answers.whisper(context["http"], body, answers.refused(refused))
        await ack()

    app.action(END)(end_callback)
