"""Shows a person's home."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from bridge.ids import TeamId, UserId
from bridge.slack.port import Service
from bridge.slack.views.home import home
from bridge.slack.web.client import SlackClient
from bridge.slack.web.errors import SlackError
from bridge.slack.web.methods import PUBLISH_VIEW

DEADLINE: Final = 1.5
"""Seconds: Slack waits three for the acknowledgement that follows."""

log = structlog.get_logger(__name__)


async def show(
    service: Service, client: SlackClient, team: TeamId, user: UserId, workspace_url: str | None
) -> None:
    """Show it as it is now. If Slack does not take it, the next opening shows it."""
    view = home(await service.overview(team, user), workspace_url=workspace_url)
    try:
        async with asyncio.timeout(DEADLINE):
            await client.call(team, PUBLISH_VIEW, user_id=user, view=view)
    except (SlackError, TimeoutError) as error:
        log.warning("home_not_shown", error=str(error) or "timeout")
