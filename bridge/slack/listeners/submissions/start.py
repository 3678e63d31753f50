"""The dialog that starts a conversation is submitted."""

from __future__ import annotations

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.content.markup import unescape
from bridge.ids import TeamId, UserId
from bridge.slack.listeners import homes, places, starts
from bridge.slack.port import AlreadyOpen, ConnectCommand, Refused, Service
from bridge.slack.receiver.requests import Body
from bridge.slack.text import escape
from bridge.slack.views import refusals, starting
from bridge.slack.views.sessions_list import already_open
from bridge.slack.web.client import SlackClient
from bridge.slack.web.errors import SlackError

log = structlog.get_logger(__name__)


def register(app: AsyncApp, service: Service) -> None:
    """Open the conversation, once for each dialog; what is wrong is told in the dialog."""

    async def start_callback(ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        client: SlackClient = context["slack"]
        team, user = TeamId(context.team_id or ""), UserId(context.user_id or "")
        given, view = starts.submitted(body), body.get("view")
        person = body.get("user")
        home = person.get("team_id") if isinstance(person, dict) else None
        if home not in (None, team):
            told = starting.told("Not opened", refusals.other_workspace())
            await ack(response_action="update", view=told)
            return
        if not given.target:
            await _object(ack, given.about_account, refusals.which_account())
            return
        channel = given.channel
        if channel is None:
            try:
                channel = await places.direct_message(client, team, user)
            except (SlackError, TimeoutError) as error:
                log.warning("direct_message_not_opened", error=str(error) or "timeout")
                await _object(ack, given.about_place, refusals.direct_message_not_opened())
                return
        elif await places.why_not(client, team, channel, user) is not None:
            await _object(ack, given.about_place, refusals.not_open_here())
            return
        name = view.get("id") if isinstance(view, dict) else None
        outcome = await service.connect(
            ConnectCommand(
                team=team,
                channel=channel,
                user=user,
                target=given.target,
                request_key=f"view:{team}:{name}",
                first=given.first,
            )
        )
        if isinstance(outcome, Refused):
            await _object(ack, given.about_account, outcome.text)
            return
        us = context.authorize_result
        url = us.url if us is not None else None
        if isinstance(outcome, AlreadyOpen):
            there = already_open(outcome.session, workspace_url=url)
            view = {**starting.told("Open already", there.text), "blocks": there.blocks}
            await ack(response_action="update", view=view)
            return
        if given.origin.home:
            await homes.show(service, client, team, user, url)
        if given.origin.home or channel == given.origin.channel:
            await ack()
            return
        place = "in your direct message with me" if given.channel is None else f"in <#{channel}>"
        text = f"The conversation with *{escape(outcome.label)}* is being opened {place}."
        await ack(response_action="update", view=starting.told("Opening", text))

    app.view(starting.CALLBACK)(start_callback)


async def _object(ack: AsyncAck, block: str, text: str) -> None:
    """Say at a field of the dialog what is wrong: such a text is plain."""
    plain = unescape(text.replace("`", ""))
    await ack(response_action="errors", errors={block: plain})
