"""A command that the app's settings in Slack name but the bridge does not know."""

from __future__ import annotations

import re

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from bridge.slack.port import Service
from bridge.slack.views.help import help_text


def register(app: AsyncApp, _service: Service) -> None:
    """Answer every other command with the help."""

    async def unknown_command_callback(ack: AsyncAck) -> None:
        answer = help_text()
        await ack(text=answer.text, blocks=answer.blocks, response_type="ephemeral")

    app.command(re.compile(""))(unknown_command_callback)
