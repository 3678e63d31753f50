"""The buttons that open the dialog for a new conversation: in the home, and in direct messages."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.ids import TeamId
from bridge.slack.listeners import answers, starts
from bridge.slack.port import Service
from bridge.slack.receiver.requests import Body
from bridge.slack.views.blocks import NEW


def register(app: AsyncApp, service: Service) -> None:
    """Open the dialog; from the home with a choice of channels."""

    async def new_callback(
        ack: AsyncAck, action: dict[str, Any], body: Body, context: AsyncBoltContext
    ) -> None:
        container, value = body.get("container"), str(action.get("value") or "")
        home = isinstance(container, dict) and container.get("type") == "view"
        trouble = await starts.open_dialog(
            service,
            context["slack"],
            TeamId(context.team_id or ""),
            str(body.get("trigger_id") or ""),
            starts.Origin(home=home),
            anywhere=home,
            account=value if value.isascii() and value.isdigit() else None,
        )
        if trouble is not None:
            await answers.whisper(context["slack"].api, body, trouble)
        await ack()

    app.action(NEW)(new_callback)
