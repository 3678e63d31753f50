"""The app was taken out of a workspace, or its token was revoked there. Slack sends one or both, in
any order: https://docs.slack.dev/reference/events/app_uninstalled
"""

from __future__ import annotations

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.ids import TeamId
from bridge.slack.port import Service

log = structlog.get_logger(__name__)


def register(app: AsyncApp, _service: Service) -> None:
    """Register the events `app_uninstalled` and `tokens_revoked`."""

    async def token_gone_callback(context: AsyncBoltContext) -> None:
        """Have the token looked up again before the bridge posts there.

        As always when Slack refuses the token, the conversations wait: it may be installed again.
        """
        if team := context.team_id:
            log.warning("slack.token_gone", team=team)
            context["slack"].workspaces.forget(TeamId(team))

    app.event("app_uninstalled")(token_gone_callback)
    app.event("tokens_revoked")(token_gone_callback)
