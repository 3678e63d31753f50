"""Dialogs that are submitted."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from bridge.slack.listeners.submissions import choice, start
from bridge.slack.port import Service


def register(app: AsyncApp, service: Service) -> None:
    """Register the dialogs."""
    choice.register(app, service)
    start.register(app, service)
