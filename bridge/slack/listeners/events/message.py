"""Message events that `receiver.fast_path` cannot read: none that Slack is known to send."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from bridge.slack.port import Service


def register(app: AsyncApp, _service: Service) -> None:
    """Acknowledge them."""

    async def message_callback() -> None:
        """Nothing to do: nobody wrote such a message."""

    app.event("message")(message_callback)
