"""Reactions that `receiver.fast_path` cannot read: none that Slack is known to send."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from bridge.slack.port import Service


def register(app: AsyncApp, _service: Service) -> None:
    """Acknowledge them."""

    async def reaction_added_callback() -> None:
        """Nothing to do: a reaction only says that something was seen."""

    app.event("reaction_added")(reaction_added_callback)
