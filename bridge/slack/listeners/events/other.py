"""Every event that the bridge does nothing with."""

from __future__ import annotations

import re

from slack_bolt.app.async_app import AsyncApp

from bridge.slack.port import Service


def register(app: AsyncApp, _service: Service) -> None:
    """Acknowledge it: unmatched, Slack would deliver it again and again."""

    async def other_event_callback() -> None:
        """Nothing to do."""

    app.event(re.compile(""))(other_event_callback)
