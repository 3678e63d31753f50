"""The dialog of a card: a date, a time, something of a long list."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.slack.listeners import choices
from bridge.slack.port import Objections, Refused, Service
from bridge.slack.receiver.requests import Body
from bridge.slack.views import refusals


def register(app: AsyncApp, service: Service) -> None:
    """Hand what was chosen to the relay; the dialog says what is wrong with it, if anything."""

    async def choice_callback(ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        press = choices.submitted(body, context)
        if press is None:
            outcome: object = Refused(refusals.no_such_button())
        else:
            outcome = await service.press(press)
        if isinstance(outcome, Objections):
            await ack(response_action="errors", errors=outcome.by_block)
        elif isinstance(outcome, Refused):
            await ack(response_action="update", view=choices.told(outcome.text))
        else:
            await ack()

    app.view(choices.CALLBACK)(choice_callback)
