"""The buttons of the question how a conversation was."""

from __future__ import annotations

import re
from typing import Any, Final

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.slack.listeners import answers
from bridge.slack.listeners.clicks import click_of
from bridge.slack.port import Service
from bridge.slack.receiver.requests import Body

RATED: Final = re.compile(r"\Alp_rate:[a-z0-9]{1,8}\Z", re.ASCII)


def register(app: AsyncApp, service: Service) -> None:
    """Take the answer; the message shows it, and who comes too late is told."""

    async def rate_callback(
        ack: AsyncAck, action: dict[str, Any], body: Body, context: AsyncBoltContext
    ) -> None:
        click = click_of(body, action, context)
        refused = await service.rate(click, str(action.get("value") or ""))
        if refused is not None:
            await answers.whisper(context["slack"].api, body, answers.refused(refused))
        await ack()

    app.action(RATED)(rate_callback)
