"""The shortcut "Ask LivePerson about it" of a message."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.content.from_blocks import source_of
from bridge.ids import ChannelId, TeamId, UserId
from bridge.slack.listeners import answers, starts
from bridge.slack.port import Quoted, Service
from bridge.slack.receiver.requests import Body
from bridge.slack.web.client import SlackClient

CALLBACK = "lp_ask"
MOST_FILES = 10
"""Files of a message that are named."""


def register(app: AsyncApp, service: Service) -> None:
    """Open the dialog that starts a conversation, with the message quoted in it."""

    async def ask_callback(ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        client: SlackClient = context["slack"]
        team, channel = TeamId(context.team_id or ""), _part(body, "channel")
        name = channel.get("name")
        trouble = await starts.open_dialog(
            service,
            client,
            team,
            str(body.get("trigger_id") or ""),
            starts.Origin(ChannelId(str(channel.get("id") or ""))),
            channel_name=name if isinstance(name, str) else None,
            first=await service.quotation(quoted(team, _part(body, "message"))),
        )
        if trouble is not None:
            await answers.whisper(client.api, body, trouble)
        await ack()

    app.shortcut(CALLBACK)(ask_callback)


def quoted(team: TeamId, message: dict[str, Any]) -> Quoted:
    """Read the message of a shortcut, as Slack gives it."""
    text, author = message.get("text"), message.get("user")
    said = source_of(
        text if isinstance(text, str) else "", message.get("blocks"), message.get("attachments")
    )
    app = message.get("username") or _part(message, "bot_profile").get("name")
    files = message.get("files")
    by_app = bool(message.get("bot_id")) and isinstance(app, str)
    return Quoted(
        team=team,
        author=UserId(author) if isinstance(author, str) and not by_app else None,
        app=app if isinstance(app, str) else None,
        text=said.text,
        exact=said.exact,
        files=tuple(
            str(file.get("name") or file.get("title") or "a file")
            for file in (files if isinstance(files, list) else [])[:MOST_FILES]
            if isinstance(file, dict)
        ),
    )


def _part(body: dict[str, Any], name: str) -> dict[str, Any]:
    part = body.get(name)
    return part if isinstance(part, dict) else {}
