"""A channel was archived or brought back, or the bridge was taken out of it or invited into it.

Sources: https://docs.slack.dev/reference/events/channel_archive, channel_left (and, of private
channels, group_archive, group_left), channel_unarchive, member_joined_channel.
"""

from __future__ import annotations

from typing import Any, Final

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.ids import ChannelId, TeamId
from bridge.slack.port import ChannelClosed, Service
from bridge.slack.receiver.requests import Body

ARCHIVED: Final = ("channel_archive", "group_archive")
LEFT: Final = ("channel_left", "group_left")
OPENED: Final = ("channel_unarchive", "group_unarchive", "member_joined_channel")


def register(app: AsyncApp, service: Service) -> None:
    """Register the events."""

    async def channel_closed_callback(
        event: dict[str, Any], body: Body, context: AsyncBoltContext
    ) -> None:
        """Have the openers told that their threads cannot be written to."""
        channel, team = event.get("channel"), context.team_id
        if isinstance(channel, str) and team:
            archived = event.get("type") in ARCHIVED
            key = str(body.get("event_id") or event.get("event_ts") or "")
            closed = ChannelClosed(TeamId(team), ChannelId(channel), archived=archived, key=key)
            await service.channel_closed(closed)

    async def channel_opened_callback(event: dict[str, Any], context: AsyncBoltContext) -> None:
        """Have what waits posted at once. Of people who join a channel, only the bridge counts."""
        channel, team = event.get("channel"), context.team_id
        joined = event.get("user") if event.get("type") == "member_joined_channel" else None
        if joined is not None and joined != context.bot_user_id:
            return
        if isinstance(channel, str) and team:
            await service.channel_opened(TeamId(team), ChannelId(channel))

    for name in (*ARCHIVED, *LEFT):
        app.event(name)(channel_closed_callback)
    for name in OPENED:
        app.event(name)(channel_opened_callback)
