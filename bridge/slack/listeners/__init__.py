"""Slack's upper half: what people do, handed to the relay. One folder per kind of listener."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from bridge.slack.listeners import actions, commands, events, shortcuts, submissions
from bridge.slack.port import Service


def register_listeners(app: AsyncApp, service: Service) -> None:
    """Register every listener; each package ends with a catch-all, so nothing is unmatched."""
    commands.register(app, service)
    events.register(app, service)
    actions.register(app, service)
    shortcuts.register(app, service)
    submissions.register(app, service)
