"""The app was taken out of a workspace, or its token was revoked there. Slack sends one or both, in
any order: https://docs.slack.dev/reference/events/app_uninstalled
"""

from __future__ import annotations

from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.ids import TeamId
from bridge.slack.port import Service, Uninstalled
from bridge.slack.receiver.requests import Body
from bridge.slack.web.client import SlackClient
from bridge.slack.web.workspaces import Identity

log = structlog.get_logger(__name__)


def register(app: AsyncApp, service: Service) -> None:
    """Register the events `app_uninstalled` and `tokens_revoked`."""

    async def token_gone_callback(
        event: dict[str, Any], body: Body, context: AsyncBoltContext
    ) -> None:
        """End the conversations of an install that is gone.

        An event may be about an install that has given way to another, for Slack delivers it again
        and again if it must. So Slack is asked, unless the event is the younger one.
        """
        team = TeamId(context.team_id or "")
        slack: SlackClient = context["slack"]
        removed = event.get("type") == "app_uninstalled"
        if not removed and not _of_a_bot(event):
            return
        identity = await slack.workspaces.identity(team)
        slack.workspaces.forget(team)
        if not (removed and _is_younger(body, identity)) and await slack.still_works(identity):
            log.info("slack.token_still_works", team=team)
            return
        log.warning("slack.token_gone", team=team, place=identity.place, removed=removed)
        if removed or identity.installed_at is not None:
            # A token of the environment that was only revoked is about to be renewed there: the
            # conversations wait for that, as always when Slack refuses the token.
            gone = Uninstalled(team, identity.organization, identity.installed_at)
            await service.uninstalled(gone)

    app.event("app_uninstalled")(token_gone_callback)
    app.event("tokens_revoked")(token_gone_callback)


def _of_a_bot(event: dict[str, Any]) -> bool:
    """Whether a bot's tokens were revoked; the bridge has none of a person's.

    `tokens.bot` holds the ids of users. It is not always there: then it may be the bot's.
    """
    tokens = event.get("tokens")
    return not isinstance(tokens, dict) or "bot" not in tokens or bool(tokens["bot"])


def _is_younger(body: Body, identity: Identity) -> bool:
    """Whether an event is about the present install, and not about one before it."""
    told = body.get("event_time")
    if identity.installed_at is None or not isinstance(told, int):
        return False
    return told * 1000 > identity.installed_at + CLOCKS_DIFFER_MS


CLOCKS_DIFFER_MS = 60_000
"""Slack's clock and ours may differ by so much."""
