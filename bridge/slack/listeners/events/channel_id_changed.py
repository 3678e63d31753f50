"""A channel has a new id, under which its threads are found and posted to from now on."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.ids import ChannelId, TeamId
from bridge.slack.port import Service


def register(app: AsyncApp, service: Service) -> None:
    """Register the event `channel_id_changed`."""

    async def channel_id_changed_callback(event: dict[str, Any], context: AsyncBoltContext) -> None:
        """Move the channel's sessions to its new id."""
        old, new, team = event.get("old_channel_id"), event.get("new_channel_id"), context.team_id
        if isinstance(old, str) and isinstance(new, str) and team:
            await service.channel_moved(TeamId(team), ChannelId(old), ChannelId(new))

    app.event("channel_id_changed")(channel_id_changed_callback)
