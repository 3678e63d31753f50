"""`/lp connect …`, `/lp list`, `/lp accounts`, `/lp help`. Only the asker sees the answers."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.content.rendered import Rendered
from bridge.ids import ChannelId, TeamId, UserId
from bridge.slack.listeners import answers, places, starts
from bridge.slack.listeners.commands.parsing import parse
from bridge.slack.port import ConnectCommand, Refused, Service
from bridge.slack.views.accounts_list import accounts_list
from bridge.slack.views.help import help_text
from bridge.slack.views.sessions_list import sessions_list
from bridge.slack.web.client import SlackClient

COMMAND = "/lp"


def register(app: AsyncApp, service: Service) -> None:
    """Answer `/lp`."""

    async def lp_callback(
        ack: AsyncAck, command: dict[str, Any], context: AsyncBoltContext
    ) -> None:
        us = context.authorize_result
        answer = await answer_command(
            service,
            context["slack"],
            command,
            TeamId(context.team_id or ""),
            us.url if us is not None else None,
        )
        if answer is None:
            await ack()
            return
        await ack(
            text=answer.text,
            blocks=answer.blocks,
            response_type="ephemeral",
            unfurl_links=False,
            unfurl_media=False,
        )

    app.command(COMMAND)(lp_callback)


async def answer_command(
    service: Service,
    client: SlackClient,
    command: dict[str, Any],
    team: TeamId,
    workspace_url: str | None = None,
) -> Rendered | None:
    """Do what the command says and return what to tell the person; None: a dialog has opened.

    `command` is Slack's form; `workspace_url` (auth.test's `url`) makes links to threads.
    """
    words = parse(str(command.get("text") or ""))
    channel = ChannelId(str(command["channel_id"]))
    user = UserId(str(command["user_id"]))
    name = command.get("channel_name")
    if words.verb == "connect" and not words.target:
        trigger, origin = str(command["trigger_id"]), starts.Origin(channel)
        return await starts.open_dialog(service, client, team, trigger, origin, channel_name=name)
    if words.verb == "connect":
        if (reason := await places.why_not(client, team, channel, user)) is not None:
            return answers.refused(Refused(reason))
        outcome = await service.connect(
            ConnectCommand(
                team=team,
                channel=channel,
                user=user,
                target=words.target,
                request_key=str(command["trigger_id"]),
                response_url=command.get("response_url"),
                channel_name=name,
                first=words.first,
                readings=words.readings,
            )
        )
        return answers.connected(outcome, workspace_url)
    if words.verb == "list":
        listed = await service.sessions(team, user, channel)
        return sessions_list(listed, user=user, workspace_url=workspace_url)
    if words.verb == "accounts":
        found = service.accounts(channel, name)
        return accounts_list(found.named, any_account=found.others)
    return help_text(words.unknown)
