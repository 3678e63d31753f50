"""All other events, which the bridge ignores."""

from __future__ import annotations

import re

from slack_bolt.app.async_app import AsyncApp

from bridge.slack.port import Service


def register(app: AsyncApp, _service: Service) -> None:
    """Acknowledge them: without a listener, Slack would deliver them again and again."""

    async def other_event_callback() -> None:
        """Nothing to do."""

    app.event(re.compile(""))(other_event_callback)
