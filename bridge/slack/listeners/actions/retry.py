"""The button "Retry" of messages that were not delivered."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.slack.listeners import answers
from bridge.slack.listeners.clicks import click_of
from bridge.slack.port import Service
from bridge.slack.receiver.requests import Body
from bridge.slack.views.blocks import RETRY


def register(app: AsyncApp, service: Service) -> None:
    """Send them again: whoever sees the thread may ask for it."""

    async def retry_callback(
        ack: AsyncAck, action: dict[str, Any], body: Body, context: AsyncBoltContext
    ) -> None:
        rows = str(action.get("value") or "")
        refused = await service.retry(rows, click_of(body, action, context))
        if refused is not None:
            await answers.whisper(context["slack"].api, body, answers.refused(refused))
        await ack()

    app.action(RETRY)(retry_callback)
