"""The shortcut "Talk to LivePerson", which can be used from anywhere."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.ids import TeamId
from bridge.slack.listeners import starts
from bridge.slack.port import Service
from bridge.slack.receiver.requests import Body
from bridge.slack.views import starting
from bridge.slack.web.client import SlackClient

CALLBACK = "lp_talk"


def register(app: AsyncApp, service: Service) -> None:
    """Open the dialog that starts a conversation."""

    async def talk_callback(ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        client: SlackClient = context["slack"]
        team, trigger = TeamId(context.team_id or ""), str(body.get("trigger_id") or "")
        trouble = await starts.open_dialog(
            service, client, team, trigger, starts.Origin(), anywhere=True
        )
        if trouble is not None:  # nothing else reaches the person: the shortcut has no channel
            told = starting.told("Talk to LivePerson", trouble.text)
            await starts.open_view(client, team, trigger, told)
        await ack()

    app.shortcut(CALLBACK)(talk_callback)
