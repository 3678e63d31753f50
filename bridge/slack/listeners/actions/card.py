"""What an agent's card offers to press: buttons, links, and what opens or submits a choice."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.content.structured import find
from bridge.content.structured.controls import OPEN_LINK
from bridge.slack.listeners import answers, choices
from bridge.slack.listeners.clicks import click_of
from bridge.slack.port import Dialog, Press, Pressed, Refused, Service
from bridge.slack.receiver.requests import Body
from bridge.slack.views import refusals
from bridge.slack.web.client import SlackClient
from bridge.slack.web.errors import SlackError
from bridge.slack.web.methods import OPEN_VIEW

PRESSED: Final = re.compile(r"\Alp_(?:press|link|submit|open):\d+(?::\d+)?\Z", re.ASCII)
CHOSEN: Final = re.compile(r"\Alp_choose:\d+(?::\d+)?\Z", re.ASCII)
OPEN_DEADLINE: Final = 2.0
"""Seconds to open a dialog: what allows it is good for three."""

log = structlog.get_logger(__name__)


def register(app: AsyncApp, service: Service) -> None:
    """Hand a press to the relay. What is chosen counts when it is submitted."""

    async def press_callback(
        ack: AsyncAck, action: dict[str, Any], body: Body, context: AsyncBoltContext
    ) -> None:
        client: SlackClient = context["slack"]
        found = find(str(action.get("value") or ""))
        if found is None:
            await answers.whisper(client.api, body, answers.unknown_button())
            await ack()
            return
        press = _press(found, body, action, context)
        outcome = await service.press(press)
        if isinstance(outcome, Dialog) and not await _open(client, body, press, outcome):
            outcome = Refused(refusals.dialog_not_opened())
        opened = str(action.get("action_id")).startswith(OPEN_LINK)
        if isinstance(outcome, Refused) and not opened:  # a link has opened all the same
            await answers.whisper(client.api, body, answers.refused(outcome))
        elif isinstance(outcome, Pressed) and outcome.note is not None:
            await answers.whisper(client.api, body, answers.refused(Refused(outcome.note)))
        await ack()

    async def choose_callback(ack: AsyncAck) -> None:
        await ack()

    app.action(PRESSED)(press_callback)
    app.action(CHOSEN)(choose_callback)


def _press(
    found: tuple[str, int], body: Body, action: dict[str, Any], context: AsyncBoltContext
) -> Press:
    click = click_of(body, action, context)
    container, state = body.get("container"), body.get("state")
    values = state.get("values") if isinstance(state, dict) else None
    return Press(
        click=click,
        identity=click.key,
        key=found[0],
        index=found[1],
        message_ts=choices.message_of(container if isinstance(container, dict) else {}),
        values=values if isinstance(values, dict) else {},
    )


async def _open(client: SlackClient, body: Body, press: Press, dialog: Dialog) -> bool:
    try:
        async with asyncio.timeout(OPEN_DEADLINE):
            await client.call(
                press.click.team,
                OPEN_VIEW,
                trigger_id=str(body.get("trigger_id") or ""),
                view=choices.view_of(press, dialog),
            )
    except (SlackError, TimeoutError) as error:
        log.warning("dialog_not_opened", error=str(error))
        return False
    return True
