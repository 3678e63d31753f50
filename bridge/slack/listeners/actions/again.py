"""The button "Start again" of a conversation that is over."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.slack.listeners import answers
from bridge.slack.listeners.clicks import click_of
from bridge.slack.port import ConnectCommand, Service
from bridge.slack.receiver.requests import Body
from bridge.slack.views.blocks import AGAIN


def register(app: AsyncApp, service: Service) -> None:
    """Start a session with the same account, in a thread of its own."""

    async def again_callback(
        ack: AsyncAck, action: dict[str, Any], body: Body, context: AsyncBoltContext
    ) -> None:
        channel = body.get("channel")
        pressed = click_of(body, action, context)
        outcome = await service.connect(
            ConnectCommand(
                team=pressed.team,
                channel=pressed.channel,
                user=pressed.user,
                target=str(action.get("value") or ""),
                request_key=str(body.get("trigger_id") or action.get("action_ts") or ""),
                response_url=body.get("response_url"),
                channel_name=channel.get("name") if isinstance(channel, dict) else None,
                pressed=pressed,
            )
        )
        us = context.authorize_result
        answer = answers.connected(outcome, us.url if us is not None else None)
        await answers.whisper(context["slack"].api, body, answer)
        await ack()

    app.action(AGAIN)(again_callback)
