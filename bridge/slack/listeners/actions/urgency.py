"""The card's buttons "Mark as urgent" and "Back to normal"."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.ids import SessionId
from bridge.slack.listeners import answers
from bridge.slack.listeners.clicks import click_of
from bridge.slack.port import Service
from bridge.slack.receiver.requests import Body
from bridge.slack.views.blocks import NORMAL, URGENT


def register(app: AsyncApp, service: Service) -> None:
    """Ask LivePerson for it; the card and the thread show when it has taken effect."""

    async def urgency_callback(
        ack: AsyncAck, action: dict[str, Any], body: Body, context: AsyncBoltContext
    ) -> None:
        session = SessionId(str(action.get("value") or ""))
        click = click_of(body, action, context)
        refused = await service.mark(session, click, urgent=action.get("action_id") == URGENT)
        if refused is not None:
            await answers.whisper(context["slack"].api, body, answers.refused(refused))
        await ack()

    app.action(URGENT)(urgency_callback)
    app.action(NORMAL)(urgency_callback)
