"""A channel has got a new id: its threads are found, and written to, under that one from now on."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp

from bridge.ids import ChannelId, TeamId
from bridge.slack.port import Service
from bridge.slack.receiver.requests import Body


def register(app: AsyncApp, service: Service) -> None:
    """Register the event `channel_id_changed`."""

    async def channel_id_changed_callback(body: Body, event: dict[str, Any]) -> None:
        """Have the sessions of the channel move along."""
        old, new, team = event.get("old_channel_id"), event.get("new_channel_id"), _team(body)
        if isinstance(old, str) and isinstance(new, str) and team:
            await service.channel_moved(TeamId(team), ChannelId(old), ChannelId(new))

    app.event("channel_id_changed")(channel_id_changed_callback)


def _team(body: Body) -> str | None:
    """The workspace that the app is installed in; the channel may be shared with others."""
    authorizations = body.get("authorizations")
    first = authorizations[0] if isinstance(authorizations, list) and authorizations else body
    team = first.get("team_id") if isinstance(first, dict) else None
    return team if isinstance(team, str) else None
