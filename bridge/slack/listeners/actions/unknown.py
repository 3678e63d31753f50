"""A button that this version of the bridge does not know (of an old message), or that is a link."""

from __future__ import annotations

import re
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.slack.listeners import answers
from bridge.slack.port import Service
from bridge.slack.receiver.requests import Body


def register(app: AsyncApp, _service: Service) -> None:
    """Say that it does nothing; a button that is a link needs no answer."""

    async def unknown_action_callback(
        ack: AsyncAck, action: dict[str, Any], body: Body, context: AsyncBoltContext
    ) -> None:
        if not action.get("url"):
            await answers.whisper(context["slack"].api, body, answers.unknown_button())
        await ack()

    app.action(re.compile(""))(unknown_action_callback)
