"""Slash commands."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from bridge.slack.listeners.commands import lp, unknown
from bridge.slack.port import Service


def register(app: AsyncApp, service: Service) -> None:
    """Register the commands, the catch-all last."""
    lp.register(app, service)
    unknown.register(app, service)
