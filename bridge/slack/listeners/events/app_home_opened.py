"""Somebody has opened the app's page in Slack."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.ids import TeamId, UserId
from bridge.slack.listeners import homes
from bridge.slack.port import Service


def register(app: AsyncApp, service: Service) -> None:
    """Register the event `app_home_opened`."""

    async def app_home_opened_callback(event: dict[str, Any], context: AsyncBoltContext) -> None:
        """Show the home; the tab “Messages” needs nothing."""
        user, team, us = event.get("user"), context.team_id, context.authorize_result
        if event.get("tab") == "home" and isinstance(user, str) and team:
            url = us.url if us is not None else None
            await homes.show(service, context["slack"], TeamId(team), UserId(user), url)

    app.event("app_home_opened")(app_home_opened_callback)
