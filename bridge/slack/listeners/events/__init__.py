"""Events: messages in threads, homes, what happens to channels and installs, and all others."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from bridge.slack.listeners.events import (
    app_home_opened,
    app_rate_limited,
    channel_access,
    channel_id_changed,
    message,
    other,
    reaction_added,
    token_gone,
)
from bridge.slack.port import Service


def register(app: AsyncApp, service: Service) -> None:
    """Register the events, the catch-all last."""
    app_home_opened.register(app, service)
    app_rate_limited.register(app, service)
    channel_access.register(app, service)
    channel_id_changed.register(app, service)
    message.register(app, service)
    reaction_added.register(app, service)
    token_gone.register(app, service)
    other.register(app, service)
